"""What a processor among several keeps back of the lists that it has stored, until another context asks for them.

Law: to its own driver a list that is withheld is away, as one that is published: whoever touches it is stopped, whoever
loads its word has it again.  Only its record is not written, and its home is still here, so that a list which nobody
else takes costs no more than a few marks.  Who is asked publishes all that he withholds where he releases a lock, waits
for one, or ends his round; nothing of it is in his hands, since what is loaded is withheld no more.

Lists of several NET_BUFFERs, chains and what else is not plain, and lists of pools that others have asked for, are
published without being asked.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.waits import sleep_until, wake
from emulator.ndis.buffers.net_buffers import (
    AWAY_BUFFER,
    AWAY_LIST,
    NET_BUFFER,
    NET_BUFFER_LIST,
    NOBODY,
    list_buffer,
    list_escaped,
    list_word,
    set_class,
)
from emulator.ndis.data_path.guards import take_guards_away

if TYPE_CHECKING:
    from emulator.ndis.buffers.buffer_pools import BufferPool
    from emulator.ndis.data_path.datapath_state import DataPath

ASK_AGAIN_NS: Final = 1_000_000
UNASKED: Final = 2048
"""So many lists of a pool in a row, published and then loaded by the same processor, and they are withheld again."""
ASKED, ANSWERED = 1, 3
"""Of the counts of calls to a slot: those for what it withholds."""
_U32, _HALF = 0xFFFF_FFFF, 0x7FFF_FFFF
_NUMBERS: Final = {int, type(None)}
_LISTS: Final = {NET_BUFFER_LIST, AWAY_LIST}
_NONE: Final[list[Any]] = []
run: Final = deque[Any](maxlen=0).extend
"""Goes through an iterator of calls, without a step of the interpreter for each."""


def withhold(path: DataPath, things: list[Any]) -> list[Any]:
    """Keep back those of the stored things that can be; the others, which are to be published."""
    if path.guarded:
        take_guards_away(path)
    kept = _plain(things)
    if None in map(list_escaped, kept):  # freed since
        kept = [nbl for nbl in kept if nbl._escaped is not None]
    referring = [nbl for nbl in kept if nbl._lists or nbl.ParentNetBufferList is not None]
    carried = _carried(path, referring) if referring else _NONE
    if carried is None:
        fit = [(nbl, found) for nbl in referring if (found := _carried(path, [nbl])) is not None]
        carried = list(dict.fromkeys(chain.from_iterable(found for _, found in fit)))
        unfit = _without(referring, [nbl for nbl, _ in fit])
        kept = _without(kept, unfit)
    if not kept:
        return things
    for nbl in carried:
        nbl._escaped = nbl._word.to_bytes(8, "little")
    rest = [] if len(kept) == len(things) else _without(things, kept)
    kept = kept + carried if carried else kept
    context = path.context
    context.forgotten += 1
    run(map(context.pointers.pop, map(list_word, kept), repeat(None)))
    path.escaped.update(dict.fromkeys(kept))
    if path.checked:
        run(map(set_class, map(list_buffer, kept), repeat(AWAY_BUFFER)))
        run(map(set_class, kept, repeat(AWAY_LIST)))
    context.machine.arena.withheld[context.slot] = 1
    return rest


def _without(things: list[Any], others: list[Any]) -> list[Any]:
    found = dict.fromkeys(others)
    return [thing for thing in things if thing not in found]


def _plain(things: list[Any]) -> list[NET_BUFFER_LIST]:
    """Those that are lists with the one NET_BUFFER that they came with, alone in their chain."""
    return [
        nbl
        for nbl in things
        if type(nbl) is NET_BUFFER_LIST
        and not nbl._pool.crosses
        and nbl._owner != NOBODY
        and not nbl._kept
        and nbl.Next is None
        and (buffer := nbl.FirstNetBuffer) is nbl._buffer
        and buffer is not None
        and buffer.Next is None
        and not buffer._lists
        and nbl.Scratch is None
        and nbl.Context is nbl._context
    ]


def _references(lists: list[NET_BUFFER_LIST]) -> list[Any]:
    """The parents of lists, and what stands in their reserved words, but for zeros."""
    found: list[Any] = [parent for nbl in lists if (parent := nbl.ParentNetBufferList) is not None]
    if written := [nbl for nbl in lists if nbl._lists]:
        words = [nbl.ProtocolReserved for nbl in written] + [nbl.MiniportReserved for nbl in written]
        found.extend(filter(None, chain.from_iterable([each for each in words if type(each) is list])))
    return found


def _only_numbers(lists: list[NET_BUFFER_LIST]) -> bool:
    """Is their out-of-band information free of references?"""
    return _NUMBERS.issuperset(map(type, chain.from_iterable([nbl.NetBufferListInfo for nbl in lists if nbl._info])))


def _carried(path: DataPath, referring: list[NET_BUFFER_LIST]) -> list[NET_BUFFER_LIST] | None:
    """The lists that lists refer to, and that go with them; None if one cannot be kept back."""
    stored = path.escaped
    found: dict[NET_BUFFER_LIST, None] = {}
    for value in _references(referring):
        kind = type(value)
        if kind is NET_BUFFER_LIST:
            if value not in stored and not value._kept:
                found[value] = None
        elif kind is not AWAY_LIST and kind is not int and getattr(value, "_pointer", None) is None:
            return None
    carried = _plain(list(found))
    others = [nbl for nbl in carried if nbl._lists or nbl.ParentNetBufferList is not None]
    if len(carried) < len(found) or not _only_numbers(referring) or (others and not _refer_to_nothing(others)):
        return None
    return carried


def _refer_to_nothing(lists: list[NET_BUFFER_LIST]) -> bool:
    return not _references(lists) and _only_numbers(lists)


def bring_withheld(path: DataPath, lists: list[NET_BUFFER_LIST]) -> None:
    """Lists that are withheld here, each once, have been loaded: they are the driver's again, with what they carry."""
    stored = path.escaped
    run(map(stored.pop, lists))
    _make_ordinary(path, lists)
    for nbl in lists:
        nbl._escaped = None
    path.context.forgotten += 1
    path.context.pointers.update(zip(map(list_word, lists), lists, strict=True))
    carried = dict.fromkeys([value for value in _references(lists) if type(value) in _LISTS])
    if carried:
        _bring_carried(path, list(carried))


def _bring_carried(path: DataPath, carried: list[NET_BUFFER_LIST]) -> None:
    stored = path.escaped
    mine = [nbl for nbl in carried if nbl in stored]
    if mine:
        bring_withheld(path, mine)
    if len(mine) < len(carried):
        from emulator.ndis.buffers.homecoming import bring  # the other way round it stands on this module

        bring(path, carried)


def bring_linked(path: DataPath, nbl: NET_BUFFER_LIST) -> None:
    """A list is to be published: what it links to is published with it, also where it is withheld."""
    stored = path.escaped
    stored.pop(nbl, None)
    for linked in links(nbl):
        if linked in stored:
            bring_withheld(path, [linked])


def links(nbl: NET_BUFFER_LIST) -> list[NET_BUFFER_LIST]:
    """The lists that are published with one, or were: that it leads to, or has in one of its words."""
    values = [nbl.Next, nbl.Scratch, *_references([nbl])]
    if nbl._info:
        values += nbl.NetBufferListInfo
    return [value for value in values if type(value) in _LISTS]


def _make_ordinary(path: DataPath, lists: list[NET_BUFFER_LIST]) -> None:
    if path.checked:
        run(map(set_class, lists, repeat(NET_BUFFER_LIST)))
        run(map(set_class, map(list_buffer, lists), repeat(NET_BUFFER)))


def take_withheld(path: DataPath) -> list[NET_BUFFER_LIST]:
    """Lists that were withheld, ordinary again, for whoever publishes them now."""
    lists: list[Any] = [nbl for nbl in path.escaped if nbl._escaped is not None]
    path.escaped.clear()
    _make_ordinary(path, lists)
    for pool in path.pools.values():
        pool.learn_crossing()
    return lists


def loaded_by_who_published(pool: BufferPool) -> None:
    """A list has been published for nobody."""
    pool.unasked += 1
    if pool.unasked == UNASKED:
        pool.mark_crossing(crosses=False)


def ask(path: DataPath, pool: BufferPool, entry: int, home: int, slot: int) -> bool:
    """Ask a processor at DISPATCH_LEVEL for what it withholds, and wait for the answer; has the entry left its home?"""
    context, halves = path.context, path.halves
    machine, platform, own = context.machine, context.platform, path.calls
    withheld, calls = machine.arena.withheld, machine.arena.recall_counts(slot)
    if withheld[slot]:
        pool.mark_crossing(crosses=True)
        asked = calls[ASKED] + 1 & _U32
        calls[ASKED] = asked
        machine.arena.summoned[slot] = 1

        def over() -> bool:
            return halves[entry >> 2] != home or not withheld[slot] or (calls[ANSWERED] - asked & _U32) <= _HALF

        def called() -> bool:
            return over() or own[ASKED] != own[ANSWERED]

        platform.fence()
        wake(context, slot)
        while not over():
            if own[ASKED] != own[ANSWERED]:
                machine.services.leave(context)
            elif not platform.linger(called):
                sleep_until(context, called, platform.now() + ASK_AGAIN_NS)
                wake(context, slot)
    return halves[entry >> 2] != home
