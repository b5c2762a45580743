"""MDL chains cut at seeded places: what a frame looks like to a driver that takes its headers to be in one piece.

Law: installed when a stack is compiled, around the miniport's edge, and only where the machine's geometry asks for it;
a machine without it has nothing of this.  Frames are cut on their way away from the driver that made their MDLs, and
are in one piece again when they come back to it.  The parts are NDIS's own MDLs over the same bytes; the first one
hides the chain as it was, so that any context can put it together.

What comes back is looked at only while something of the adapter is cut, which is counted in shared memory before a
frame goes on: whoever has a cut frame has its count too.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from emulator.layout.cells import LONGLONG
from emulator.layout.machine import CUT_COUNTER
from emulator.ndis.buffers.data_access import buffers_of, gather
from emulator.ndis.buffers.mdl import MDL_PARTIAL, make, release
from emulator.ndis.buffers.pools import settle
from emulator.ndis.buffers.split_choice import MOST_FRAMES, Numbers, choices, is_cut
from emulator.ndis.data_path.datapath_slow import shape_of
from emulator.ndis.headers.constants import (
    NDIS_RECEIVE_FLAGS_RESOURCES,
    TcpLargeSendNetBufferListInfo,
    UdpSegmentationOffloadInfo,
)
from emulator.rules.header_edges import ETHERNET, LONGEST, header_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER, NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Module
    from emulator.ndis.data_path.stacks import Binding, Stack, Target

    Handler = Callable[..., Any]

RECEIVED, SENT = 0x8000_0000, 0x4000_0000
"""In the upper half of MdlFlags, which Windows does not have, beside the adapter: who cut the chain."""
_MARK: Final = 0xFFFF_0000
MOST_CUTS: Final = 3


def _is_large(nbl: NET_BUFFER_LIST) -> bool:
    """Is the adapter to cut it? Then its headers stay in the first MDL."""
    information = nbl.NetBufferListInfo
    return nbl._info and bool(information[TcpLargeSendNetBufferListInfo] or information[UdpSegmentationOffloadInfo])


class Cutter:
    """Cuts the frames of one adapter in one context, in one direction."""

    def __init__(self, stack: Stack, direction: int, lookahead: int) -> None:
        context = self.context = stack.path.context
        geometry = context.machine.geometry
        self.anywhere = geometry.split_frames == "anywhere"
        self.received = direction == RECEIVED
        self.lookahead = lookahead
        # A filter's own lists go back to the filter and not to the miniport, where frames are joined.
        self.source = stack.handle if self.received else 0
        self.mark = direction | stack.index + 1 << 16
        seeds = geometry.split_seed, stack.epoch, context.slot << 32 | self.mark
        self.numbers = Numbers(*seeds)
        self.choose = choices(geometry.split_frames, Numbers(*seeds, 1))
        self.most = MOST_FRAMES if geometry.split_frames == "sample" else None
        self.words, self.count = stack.path.words, stack.counters + CUT_COUNTER
        arena = context.machine.arena
        place = arena.cut_frames(stack.index, sent=not self.received)
        self.outstanding, self.cell = place // 8, LONGLONG.from_buffer(arena.memory, place)  # type: ignore[attr-defined]

    def cut_chain(self, first: NET_BUFFER_LIST, *, lent: bool = False) -> list[NET_BUFFER]:
        """Cut the frames of a chain, or the first of them; those that were cut.  Who lends them joins them himself."""
        lists = (nbl for nbl in _lists(first) if self.source in (0, nbl.SourceHandle))
        if not self.received:
            lists = (nbl for nbl in lists if not _is_large(nbl))
        frames = islice((buffer for nbl in lists for buffer in buffers_of(nbl)), self.most)
        done = [buffer for buffer in frames if self._cut(buffer)]
        self.words[self.count] += len(done)
        if done and not lent:
            self.context.platform.fetch_add(self.cell, len(done))
        return done

    def join_chain(self, first: NET_BUFFER_LIST) -> None:
        """Put together what is cut of a chain; what is cut after this look cannot be in it."""
        outstanding, joined = self.words[self.outstanding], 0
        for nbl in _lists(first):
            joined += sum(map(self.join, buffers_of(nbl)))
            if joined == outstanding:
                break
        if joined:
            self.context.platform.fetch_add(self.cell, -joined)

    def join(self, buffer: NET_BUFFER) -> bool:
        """Put a frame together that this adapter has cut in this direction; False for any other."""
        first = buffer.MdlChain
        if first is None or first.MdlFlags & _MARK != self.mark:
            return False
        buffer.MdlChain = first._hides
        self._release(first)
        settle(buffer)
        return True

    def _cut(self, buffer: NET_BUFFER) -> bool:
        """Cut a frame at some of the places that it may be cut at; False when there are none, or no memory."""
        places = self._places(buffer)
        return bool(places) and self._split(buffer, [buffer.DataOffset + place for place in places])

    def _places(self, buffer: NET_BUFFER) -> list[int]:
        """Up to three places, in order; a frame of one byte has none."""
        length = buffer.DataLength
        wanted = 1 + self.numbers.below(MOST_CUTS)
        edges, behind = self._edges(buffer, length)
        found: list[int] = []
        for _ in range(wanted):
            least = found[-1] + 1 if found else 1
            free = behind
            if 0 < self.lookahead < behind and (not found or found[0] >= self.lookahead):
                free = self.lookahead  # the first MDL has it, then
            fixed = [edge for edge in edges if least <= edge < free]
            loose = max(0, length - max(least, free))
            if not fixed and not loose:
                break
            # Half of the cuts fall between headers, where they hurt.
            if fixed and (not loose or self.numbers.below(2)):
                found.append(fixed[self.numbers.below(len(fixed))])
            else:
                found.append(max(least, free) + self.numbers.below(loose))
        return found

    def _edges(self, buffer: NET_BUFFER, length: int) -> tuple[tuple[int, ...], int]:
        if self.anywhere:
            return (), 1
        if not self.received:
            return (ETHERNET,), ETHERNET + 1  # a send keeps its Ethernet header in one piece, and no more
        data = bytearray(min(length, LONGEST))
        gather(buffer, 0, memoryview(data))
        return header_edges(bytes(data), length)

    def _split(self, buffer: NET_BUFFER, places: list[int]) -> bool:
        context, whole = self.context, buffer.MdlChain
        parts: list[MDL] = []
        position, pieces, mdl = 0, 0, whole
        while mdl is not None and position < places[-1]:
            count = mdl.ByteCount
            inner = [place - position for place in places if position < place < position + count]
            for start, end in pairwise((0, *inner, count)):
                part = make(context, 0, mdl._address + start, end - start, MDL_PARTIAL | self.mark, driver=0)
                if part is None:
                    break
                parts.append(part)
            pieces += 1 + len(inner)
            position, mdl = position + count, mdl.Next
        for part, following in pairwise(parts):
            part.Next = following
        if not parts:
            return False
        if len(parts) < pieces:  # no memory: the frame stays as it is
            self._release(parts[0])
            return False
        parts[-1].Next = mdl
        parts[0]._hides = whole
        buffer.MdlChain = parts[0]
        settle(buffer)
        return True

    def _release(self, first: MDL) -> None:
        part: MDL | None = first
        while part is not None and part.MdlFlags & _MARK == self.mark:
            following = part.Next
            release(self.context, part)
            part = following


def install_below(stack: Stack, lookahead: int) -> Callable[[], None]:
    """Around the miniport's handlers, before filters are put above it: sends are cut, returned frames are joined.

    What it gives is called when they are there: then received frames are cut and sent ones are joined.
    """
    receive, send = Cutter(stack, RECEIVED, lookahead), Cutter(stack, SENT, 0)
    stack.send = _around(stack.send, send, _sending)
    stack.returns = _around(stack.returns, receive, _joining)
    return lambda: _install_above(stack, receive, send)


def _install_above(stack: Stack, receive: Cutter, send: Cutter) -> None:
    """Around the handlers of whatever is next above the miniport."""
    takers: tuple[Binding | Module, ...] = (stack.taker,) if stack.taker is not None else stack.receivers
    for taker in takers:
        taker.receive = _around(taker.receive, receive, _receiving)
    completers: tuple[Binding | Module, ...] = (stack.completer,) if stack.completer is not None else stack.bindings
    for completer in completers:
        completer.complete = _around(completer.complete, send, _joining)
    if stack.completer is not None and stack.only is not None:
        stack.only.complete = stack.completer.complete


def _around(target: Target, cutter: Cutter, wrap: Callable[[Cutter, Handler], Handler]) -> Target:
    if target.function is None:
        return target
    made = target.around(wrap(cutter, target.function))
    made.cut = cutter, target
    return made


def _sending(cutter: Cutter, function: Handler) -> Handler:
    choose, cut_chain = cutter.choose, cutter.cut_chain

    def send(value: Any, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
        choice = choose()
        if choice and is_cut(choice, first):
            cut_chain(first)
        function(value, first, port, flags)

    return send


def _joining(cutter: Cutter, function: Handler) -> Handler:
    words, outstanding, join_chain = cutter.words, cutter.outstanding, cutter.join_chain

    def back(value: Any, first: NET_BUFFER_LIST, flags: int) -> None:
        if words[outstanding]:
            join_chain(first)
        function(value, first, flags)

    return back


def _receiving(cutter: Cutter, function: Handler) -> Handler:
    choose, cut_chain, join = cutter.choose, cutter.cut_chain, cutter.join

    def receive(value: Any, first: NET_BUFFER_LIST, port: int, number: int, flags: int) -> None:
        choice = choose()
        if not choice or not is_cut(choice, first):
            function(value, first, port, number, flags)
        elif flags & NDIS_RECEIVE_FLAGS_RESOURCES:
            lent = [(buffer, shape_of(buffer)) for buffer in cut_chain(first, lent=True)]
            function(value, first, port, number, flags)
            for buffer, shape in lent:
                # What has another shape stays cut, for whoever compares it with what was lent.
                if shape_of(buffer) == shape:
                    join(buffer)
        else:
            cut_chain(first)
            function(value, first, port, number, flags)

    return receive


def _lists(first: NET_BUFFER_LIST) -> Iterator[NET_BUFFER_LIST]:
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        following = nbl.Next
        yield nbl
        nbl = following
