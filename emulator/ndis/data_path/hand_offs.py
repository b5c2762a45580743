"""A chain of lists passes from one driver to the next: walked once, counted, and the next driver's handler called.

Law: each way of a compiled stack (edges.py) has a function of its own, made from the one text below, with all that
does not change from chain to chain bound into it.  In the checked build it begins as a gate does (GateKind.EDGE), for
the driver's line that called the function of the DDI which called it, and each list must have the owner that
rules/nbl.py demands and gets the next one.  One that has another, or not the SourceHandle that is expected, is shown
to the edge's ``look``, which stops or lets it pass; nothing else is done for each list, since this is what a frame
costs.  What is rare goes to the edge's ``unusual``.
"""

from __future__ import annotations

import functools
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from emulator.kernel.sites import site_of_frame
from emulator.kernel.stop import raise_if_stopped
from emulator.layout.machine import DRIVER_SHIFT, JOURNAL_INDEX, SITE_CELL
from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST, Owner
from emulator.ndis.buffers.ownership import false_dispatch_flag, wrong_number
from emulator.ndis.buffers.split_choice import is_cut
from emulator.ndis.data_path.crossings import CROSSING, ENTER, IN_CROSSINGS, NESTING_LIMIT, defer, tagged
from emulator.ndis.data_path.guards import guard_of, take_guards_away
from emulator.ndis.gates.ddi import declarations, wrong_irql
from emulator.ndis.headers.constants import (
    NDIS_RECEIVE_FLAGS_RESOURCES,
    NDIS_SEND_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_FLAGS_SINGLE_QUEUE,
)
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.rules.nbl import INDICATE, RETURN, SEND, SEND_COMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.data_path.datapath_state import DataPath
    from emulator.ndis.data_path.stacks import Target

    Look = Callable[[Context, NET_BUFFER_LIST, Any], None]

ANY_SOURCE: Final = 0
"""No handle: the first list of each run with one SourceHandle is looked at."""
_COUNTING: Final = range(1, 1 << 30)
"""A chain is counted by walking beside this: no step of its own."""
_SITE_MASK: Final = 0xFFFF
_AT_DISPATCH: Final = 1
"""The flag of that meaning is the same number in all four."""


class Edge(NamedTuple):
    """One way that chains go: from one driver to the next."""

    name: str
    """The DDI function that hands them on."""
    operation: int
    view: Any
    """What gives: ``look`` and ``unusual`` are told."""
    target: Target
    value: Any
    """The handler that gets them, and the context that it is called with."""
    owners: tuple[int, int]
    given: int
    taken: int
    """The counters of the two, among the arena's words."""
    layer: int
    """What finds the way again when a call is put off."""
    look: Look
    source: int | None = None
    """The SourceHandle that is expected; None where it is nobody's concern any more."""
    unusual: Callable[..., None] | None = None
    lend: Callable[..., None] | None = None
    """What is done instead with what is lent, which stays the giver's."""
    refuses: bool = False
    """Every chain is unusual."""
    single: bool = False
    """One NET_BUFFER in each list."""


class _Operation(NamedTuple):
    """What the text needs to know of an operation."""

    arguments: str
    flags: str
    rare: str = ""
    told: str = ""
    """What ``unusual`` is told of a chain."""


_OPERATIONS: Final = {
    SEND: _Operation("first, port, flags", "SendFlags", "port or flags & RARE_OF_SENDS", "first, port, flags"),
    SEND_COMPLETE: _Operation("first, flags", "SendCompleteFlags", "not same", "first, flags"),
    INDICATE: _Operation("first, port, number, flags", "ReceiveFlags", "port or flags & LENT", "first, port, flags"),
    RETURN: _Operation("first, flags", "ReturnFlags"),
}

_HAND_OFF: Final = (
    """
def made(context, path, edge, own):
    name, operation, view, target, value, owners, given, taken, layer, look, source, unusual, lend, *_ = edge
    stop_word, calls = context.stop_word, Calls(context, edge, own)         #: checked
    cutter, target = target.cut or (None, target)                           #: cut
    function, mark, routine = target.function, target.mark, target.routine
    cells, locks, words, journal = context.cells, context.held, path.words, path.journal
    (mine, theirs), next_place = owners, path.next_place
    right = mine                                                #: checked
    guarded, guard = path.guarded, guard_of(mark >> DRIVER_SHIFT)           #: checked
    choose, cut_chain = cutter.choose, cutter.cut_chain                     #: cut away
    cut_frames, join_chain = cutter.outstanding, cutter.join_chain          #: cut back

    def hand_off({arguments}):
        nonlocal right                                          #: checked
        nonlocal source                                         #: one
        if stop_word[0]:                                        #: gate
            raise_if_stopped(context)                           #: gate
        frame = getframe(2)                                     #: gate
        holder, called, entry = calls[id(frame.f_code) + frame.f_lasti]     #: gate
        context.site = holder.site                              #: gate
        cells[SITE_CELL] = called                               #: gate
        holder, called, entry = calls[context.site]            #: own
        irql = context.irql
        if irql != DISPATCH_LEVEL and (irql > DISPATCH_LEVEL or flags & AT_DISPATCH):   #: checked
            wrong_level(context, name, FLAGS, flags)            #: checked
        if flags & LENT:                                        #: lends
            lend(context, view, first, port, number, flags)     #: lends
            return                                              #: lends
        count = number                                          #: told
        if not count:                                           #: told
            return                                              #: told
        if first is None:                                       #: walked
            if number:                                          #: checked number
                wrong_number(context, first, 0, number)         #: checked number
            return                                              #: walked
        nbl = first                                             #: walked
        known = source                                          #: any
        same = True                                             #: same
        for count in COUNTING:                                  #: walked
            if nbl._owner is not right:                         #: checked
                if nbl._owner == mine:                          #: checked
                    right = nbl._owner                          #: checked
                else:                                           #: checked
                    look(context, nbl, view)                    #: checked
            if nbl.FirstNetBuffer.Next is not None:             #: checked single
                look(context, nbl, view)                        #: checked single
            if nbl.SourceHandle is not source:                  #: one
                if nbl.SourceHandle == source:                  #: one
                    source = nbl.SourceHandle                   #: one
                else:                                           #: one
                    same = False                                #: one same
                    look(context, nbl, view)                    #: one checked
            if nbl.SourceHandle is not known:                   #: any
                known = nbl.SourceHandle                        #: any
                same = False                                    #: any same
                look(context, nbl, view)                        #: any checked
            following = nbl.Next                                #: touched
            nbl._owner = holder                                 #: checked
            nbl = nbl.Next                                      #: walked free
            nbl = nbl.Next                                      #: checked one
            nbl = nbl.Next                                      #: checked any
            nbl = following                                     #: touched
            if nbl is None:                                     #: walked
                break                                           #: walked
        if count != number:                                     #: checked number
            wrong_number(context, first, count, number)         #: checked number
        at = next_place()                                       #: checked
        journal[at] = first._mark | entry                       #: checked
        journal[JOURNAL_INDEX] = at                             #: checked
        if not at:                                              #: checked
            take_guards_away(path)                              #: checked
        if {rare}:                                              #: rare
            since_here(first, holder.site)                            #: checked rare
            unusual(context, view, {told})                      #: rare
            return                                              #: rare
        words[given] += count
        words[taken] += count
        nesting = context.nesting
        if nesting >= NESTING_LIMIT:
            defer(context, operation, layer, first, flags)
            return
        choice = choose()                                       #: cut away
        if choice and is_cut(choice, first):                    #: cut away
            cut_chain(first)                                    #: cut away
        if words[cut_frames]:                                   #: cut back
            join_chain(first)                                   #: cut back
        if locks:
            enter(context, target, value, {arguments})
        else:
"""
    + textwrap.indent(CROSSING, "        ")
    + """
        if type(first) is NET_BUFFER_LIST and first._owner == theirs:       #: checked
            guarded.append(first)                               #: checked
            first.__class__ = guard                             #: checked

    return hand_off
"""
)
"""What a chain goes through on any edge.  A line with words behind ``#:`` is there only where all of them apply.
``right`` and ``source`` are the objects that were right the last time: most lists have these, not only equal numbers.

The index of the journal is written last.  Where it begins anew the guards of old lists are taken away, which keeps them
few; a list is guarded that whoever got it still has.
"""


class _Calls(dict[int, tuple[Owner, int, int]]):
    """What an edge needs of each call site: the next owner since then, the black box's word, the journal's.

    By what SiteNumbers has them by; by the site itself where NDIS calls (``own``).
    """

    __slots__ = ("context", "edge", "own")

    def __init__(self, context: Context, edge: Edge, own: bool) -> None:
        self.context, self.edge, self.own = context, edge, own

    def __missing__(self, key: int) -> tuple[Owner, int, int]:
        """One that has not been met: the edge's function, the DDI function, the driver."""
        edge = self.edge
        site = key if self.own else site_of_frame(self.context, sys._getframe(3))
        called, entry = declarations[edge.name].number << 32 | site, (site & _SITE_MASK) << 8 | edge.operation
        words = self[key] = Owner(edge.owners[1], site), called, entry
        return words


def _since_here(first: NET_BUFFER_LIST, site: int) -> None:
    """Who gets these lists is not known yet, and will be a mere number: the site is kept beside it."""
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        nbl._site = site
        nbl = nbl.Next


def _wrong_level(context: Context, name: str, parameter: str, flags: int) -> NoReturn:
    if context.irql > DISPATCH_LEVEL:
        wrong_irql(context, name)
    false_dispatch_flag(context, parameter, flags)


def hand_off(path: DataPath, edge: Edge, *, own: bool = False) -> Callable[..., None]:
    """The function that hands chains on over an edge; ``own``: one that NDIS calls itself, and no driver's line."""
    sources = "touched" if edge.source is None else "any" if edge.source == ANY_SOURCE else "one"
    tags = set()
    if path.checked:
        tags |= {"checked", "walked", "own" if own else "gate"}
        # A guarded list is its owner's until it has the next one: the first public member must be read before that.
        tags.add(sources)
        if edge.operation == INDICATE:
            tags.add("number")
    else:
        tags |= {"free", "told" if edge.operation == INDICATE else "walked"}
    if edge.operation == SEND_COMPLETE:
        tags |= {sources, "same"}
    if edge.single:
        tags.add("single")
    if edge.unusual is not None:
        tags.add("rare")
    if edge.lend is not None:
        tags.add("lends")
    if edge.target.cut is not None:
        tags |= {"cut", "away" if edge.operation in (SEND, INDICATE) else "back"}
    make = _compiled(edge.operation, edge.refuses, frozenset(tags))
    made: Callable[..., None] = make(path.context, path, edge, own)
    return made


@functools.cache
def _compiled(operation: int, refuses: bool, tags: frozenset[str]) -> Callable[..., Callable[..., None]]:
    how = _OPERATIONS[operation]
    text = tagged(_HAND_OFF, tags).format(arguments=how.arguments, rare=refuses or how.rare, told=how.told)
    scope: dict[str, Any] = {
        **IN_CROSSINGS,
        "AT_DISPATCH": _AT_DISPATCH,
        "DISPATCH_LEVEL": DISPATCH_LEVEL,
        "FLAGS": how.flags,
        "COUNTING": _COUNTING,
        "Calls": _Calls,
        "DRIVER_SHIFT": DRIVER_SHIFT,
        "JOURNAL_INDEX": JOURNAL_INDEX,
        "LENT": NDIS_RECEIVE_FLAGS_RESOURCES,
        "NESTING_LIMIT": NESTING_LIMIT,
        "NET_BUFFER_LIST": NET_BUFFER_LIST,
        "RARE_OF_SENDS": ~(NDIS_SEND_FLAGS_DISPATCH_LEVEL | NDIS_SEND_FLAGS_SINGLE_QUEUE),
        "SITE_CELL": SITE_CELL,
        "defer": defer,
        "enter": ENTER[how.arguments.count(",") + 2],
        "getframe": sys._getframe,
        "guard_of": guard_of,
        "is_cut": is_cut,
        "raise_if_stopped": raise_if_stopped,
        "since_here": _since_here,
        "take_guards_away": take_guards_away,
        "wrong_level": _wrong_level,
        "wrong_number": wrong_number,
    }
    exec(compile(text, f"<hand-off of operation {operation}>", "exec"), scope)
    made: Callable[..., Callable[..., None]] = scope["made"]
    return made


def count_of(first: NET_BUFFER_LIST | None) -> int:
    """How many lists a chain has."""
    count = 0
    nbl = first
    while nbl is not None:
        count += 1
        nbl = nbl.Next
    return count


def count_lent(context: Context, first: NET_BUFFER_LIST | None, look: Look, module: Any) -> int:
    """What a filter indicates with NDIS_RECEIVE_FLAGS_RESOURCES: it has the lists or was lent them, and so it stays."""
    count = 0
    nbl = first
    while nbl is not None:
        if nbl._owner not in (module.received, module.lent):
            look(context, nbl, module)
        nbl._owner, nbl._site = int(nbl._owner), context.site
        count += 1
        nbl = nbl.Next
    if first is not None:
        path = context.datapath
        at = path.next_place()
        path.journal[at] = first._mark | (context.site & _SITE_MASK) << 8 | INDICATE
        path.journal[JOURNAL_INDEX] = at
    return count
