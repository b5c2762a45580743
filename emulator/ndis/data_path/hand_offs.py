"""A chain of lists passes from one driver to the next: walked once, counted, in the checked build given to its owner.

Law: in the checked build each list must have the owner that rules/nbl.py demands and gets the next one.  One that has
another, or not the SourceHandle that is expected, is shown to the caller's ``look``, which stops or lets it pass;
nothing else is done for each list, since this is what a frame costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.layout.machine import JOURNAL_WORDS
from emulator.ndis.buffers.ownership import INDICATE, RETURN, SEND, SEND_COMPLETE, false_dispatch_flag
from emulator.rules.irql import DISPATCH_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

    Look = Callable[[Context, NET_BUFFER_LIST, Any], None]

JOURNAL_INDEX: Final = JOURNAL_WORDS - 1
JOURNAL_END: Final = JOURNAL_WORDS - 2
_FLAGS_OF: Final = {
    SEND: "SendFlags",
    SEND_COMPLETE: "SendCompleteFlags",
    INDICATE: "ReceiveFlags",
    RETURN: "ReturnFlags",
}
_AT_DISPATCH: Final = 1
"""The flag of that meaning is the same number in all four."""


ANY_SOURCE: Final = 0
"""No handle: the first list of each run with one SourceHandle is looked at."""


def count_of(first: NET_BUFFER_LIST | None) -> int:
    """How many lists a chain has."""
    count = 0
    nbl = first
    while nbl is not None:
        count += 1
        nbl = nbl.Next
    return count


def count_from(first: NET_BUFFER_LIST | None, source: int) -> tuple[int, bool]:
    """How many lists a chain has, and whether all have this SourceHandle."""
    count = 0
    same = True
    known: int | None = source
    nbl = first
    while nbl is not None:
        if nbl.SourceHandle is not known:
            known = nbl.SourceHandle
            same = same and known == source
        count += 1
        nbl = nbl.Next
    return count, same


def hand_on(
    context: Context,
    first: NET_BUFFER_LIST | None,
    operation: int,
    flags: int,
    owners: tuple[int, int],
    source: int,
    look: Look,
    view: Any,
) -> tuple[int, bool]:
    """From the first of ``owners`` to the second, in the checked build; gives what ``count_from`` does.

    ``look(context, list, view)`` sees each list with another owner, and each with another SourceHandle than ``source``
    or the list before has.
    """
    mine, theirs = owners
    site = context.site
    count = 0
    same = True
    known: int | None = source
    nbl = first
    while nbl is not None:
        if nbl._owner != mine:
            look(context, nbl, view)
        if nbl.SourceHandle is not known:
            known = nbl.SourceHandle
            if known != source:
                same = False
                look(context, nbl, view)
        following = nbl.Next
        nbl._owner = theirs
        nbl._site = site
        count += 1
        nbl = following
    _note(context, first, operation, flags, count)
    return count, same


def hand_up(
    context: Context,
    first: NET_BUFFER_LIST | None,
    flags: int,
    owners: tuple[int, int],
    source: int,
    look: Look,
    view: Any,
) -> int:
    """As ``hand_on``, for what a miniport indicates: one NET_BUFFER in each list; how many there are."""
    mine, theirs = owners
    site = context.site
    count = 0
    known: int | None = source
    nbl = first
    while nbl is not None:
        if nbl._owner != mine or nbl.FirstNetBuffer.Next is not None:  # type: ignore[union-attr]
            look(context, nbl, view)
        if nbl.SourceHandle is not known:
            known = nbl.SourceHandle
            if known != source:
                look(context, nbl, view)
        following = nbl.Next
        nbl._owner = theirs
        nbl._site = site
        count += 1
        nbl = following
    _note(context, first, INDICATE, flags, count)
    return count


def hand_back(
    context: Context, first: NET_BUFFER_LIST | None, flags: int, owners: tuple[int, int], look: Look, view: Any
) -> int:
    """As ``hand_on``, for what a protocol returns, whose SourceHandle is nobody's concern any more."""
    mine, theirs = owners
    site = context.site
    count = 0
    nbl = first
    while nbl is not None:
        if nbl._owner != mine:
            look(context, nbl, view)
        following = nbl.Next
        nbl._owner = theirs
        nbl._site = site
        count += 1
        nbl = following
    _note(context, first, RETURN, flags, count)
    return count


def hand_on_lent(context: Context, first: NET_BUFFER_LIST | None, flags: int, look: Look, module: Any) -> int:
    """What a filter indicates with NDIS_RECEIVE_FLAGS_RESOURCES: it has the lists or was lent them, and so it stays."""
    count = 0
    nbl = first
    while nbl is not None:
        if nbl._owner not in (module.received, module.lent):
            look(context, nbl, module)
        nbl._site = context.site
        count += 1
        nbl = nbl.Next
    _note(context, first, INDICATE, flags, count)
    return count


def _note(context: Context, first: Any, operation: int, flags: int, count: int) -> None:
    """Look at the flags, and write two words into the journal of hand-offs, the index last."""
    if flags & _AT_DISPATCH and context.irql < DISPATCH_LEVEL:
        false_dispatch_flag(context, _FLAGS_OF[operation], flags)
    if count:
        journal = context.datapath.journal
        at = journal[JOURNAL_INDEX]
        journal[at] = (context.site & 0xFFFF) << 8 | operation
        journal[at + 1] = first._mark
        journal[JOURNAL_INDEX] = at + 2 if at + 2 < JOURNAL_END else 0
