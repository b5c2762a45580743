"""MDL chains cut at seeded places: what a frame looks like to a driver that takes its headers to be in one piece.

Law: installed when a stack is compiled, around the miniport's edge, and only where the machine's geometry asks for it;
a machine without it has nothing of this.  Frames are cut on their way away from the driver that made their MDLs, and
are in one piece again when they come back to it.  The parts are NDIS's own MDLs over the same bytes; the first one
hides the chain as it was, so that any context can put it together.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from emulator.ndis.buffers.data_access import buffers_of, gather
from emulator.ndis.buffers.mdl import MDL_PARTIAL, make, release
from emulator.ndis.buffers.pools import settle
from emulator.ndis.headers.constants import NDIS_RECEIVE_FLAGS_RESOURCES
from emulator.rules.header_edges import ETHERNET, LONGEST, header_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER, NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Module
    from emulator.ndis.data_path.stacks import Binding, Stack, Target

RECEIVED, SENT = 0x8000_0000, 0x4000_0000
"""In the upper half of MdlFlags, which Windows does not have, beside the adapter: who cut the chain."""
_MARK: Final = 0xFFFF_0000
MOST_CUTS: Final = 3
_STEP: Final = 0x9E37_79B9_7F4A_7C15
_U64: Final = (1 << 64) - 1


class Numbers:
    """A row of numbers that its seed alone decides (splitmix64)."""

    def __init__(self, *seeds: int) -> None:
        self.state = 0
        for seed in seeds:
            self.state = self.state ^ seed & _U64
            self.state = self.below(1 << 64)

    def below(self, limit: int) -> int:
        """The next number, from 0 to limit - 1."""
        self.state = self.state + _STEP & _U64
        word = self.state
        word = (word ^ word >> 30) * 0xBF58_476D_1CE4_E5B9 & _U64
        word = (word ^ word >> 27) * 0x94D0_49BB_1331_11EB & _U64
        return (word ^ word >> 31) % limit


class Cutter:
    """Cuts the frames of one adapter in one context, in one direction."""

    def __init__(self, stack: Stack, direction: int, lookahead: int) -> None:
        context = self.context = stack.path.context
        geometry = context.machine.geometry
        self.anywhere = geometry.split_frames == "anywhere"
        self.received = direction == RECEIVED
        self.lookahead = lookahead
        self.mark = direction | stack.index + 1 << 16
        self.numbers = Numbers(geometry.split_seed, stack.epoch, context.slot << 32 | self.mark)

    def cut(self, buffer: NET_BUFFER) -> None:
        """Cut a frame at some of the places that it may be cut at."""
        places = self._places(buffer)
        if places:
            self._split(buffer, [buffer.DataOffset + place for place in places])

    def join(self, buffer: NET_BUFFER) -> None:
        """Put together what this adapter has cut in this direction."""
        first = buffer.MdlChain
        if first is None or first.MdlFlags & _MARK != self.mark:
            return
        buffer.MdlChain = first._hides
        self._release(first)
        settle(buffer)

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

    def _split(self, buffer: NET_BUFFER, places: list[int]) -> None:
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
            return
        if len(parts) < pieces:  # no memory: the frame stays as it is
            self._release(parts[0])
            return
        parts[-1].Next = mdl
        parts[0]._hides = whole
        buffer.MdlChain = parts[0]
        settle(buffer)

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
    stack.send = _around(stack.send, lambda function: _sending(send, function))
    stack.returns = _around(stack.returns, lambda function: _joining(receive, function))
    return lambda: _install_above(stack, receive, send)


def _install_above(stack: Stack, receive: Cutter, send: Cutter) -> None:
    """Around the handlers of whatever is next above the miniport."""
    takers: tuple[Binding | Module, ...] = (stack.taker,) if stack.taker is not None else stack.receivers
    for taker in takers:
        taker.receive = _around(taker.receive, lambda function: _receiving(receive, stack.handle, function))
    completers: tuple[Binding | Module, ...] = (stack.completer,) if stack.completer is not None else stack.bindings
    for completer in completers:
        completer.complete = _around(completer.complete, lambda function: _joining(send, function))
    if stack.completer is not None and stack.only is not None:
        stack.only.complete = stack.completer.complete


def _around(target: Target, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Target:
    return target if target.function is None else target.around(wrap(target.function))


def _sending(cutter: Cutter, function: Callable[..., Any]) -> Callable[..., Any]:
    def send(value: Any, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
        for nbl in _lists(first):
            for buffer in buffers_of(nbl):
                cutter.cut(buffer)
        function(value, first, port, flags)

    return send


def _joining(cutter: Cutter, function: Callable[..., Any]) -> Callable[..., Any]:
    def back(value: Any, first: NET_BUFFER_LIST, flags: int) -> None:
        for nbl in _lists(first):
            for buffer in buffers_of(nbl):
                cutter.join(buffer)
        function(value, first, flags)

    return back


def _receiving(cutter: Cutter, handle: int, function: Callable[..., Any]) -> Callable[..., Any]:
    def receive(value: Any, first: NET_BUFFER_LIST, port: int, number: int, flags: int) -> None:
        # A filter's own lists go back to the filter and not to the miniport, where frames are joined.
        mine = [buffer for nbl in _lists(first) if nbl.SourceHandle == handle for buffer in buffers_of(nbl)]
        for buffer in mine:
            cutter.cut(buffer)
        function(value, first, port, number, flags)
        if flags & NDIS_RECEIVE_FLAGS_RESOURCES:
            for buffer in mine:
                cutter.join(buffer)

    return receive


def _lists(first: NET_BUFFER_LIST) -> Iterator[NET_BUFFER_LIST]:
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        following = nbl.Next
        yield nbl
        nbl = following
