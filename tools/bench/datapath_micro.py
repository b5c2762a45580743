"""`python -m tools.bench.datapath_micro`: nanoseconds a frame of the data path alone, in one process without a wire.

Law: the whole way of a frame and nothing else: a DPC builds a chain, indicates it, the protocol swaps the addresses and
sends, the miniport completes, the protocol returns.  All variants take turns in each round.  On a computer with other
work a nanosecond is no fixed measure: each figure is a median of ratios to a swap of two addresses in the same round,
told in nanoseconds of a computer on which that swap takes SWAP_NS.
"""

from __future__ import annotations

import argparse
import statistics
import time
from struct import Struct

from emulator.kernel.pointers import decode, encode
from tests.ndis.small_stack import MINI, MINIPORT, PROTO, PROTOCOL, SmallStack

MINIPORT_SOURCE = (
    MINIPORT.replace("def MPSendNetBufferLists", "def MPSendUnused").replace(
        "def MPReturnNetBufferLists", "def MPReturnUnused"
    )
    + """
    busy = []
    free_lists = []
    adapter = 0

    @callback
    def MPSendNetBufferLists(context, nbl, port, flags):
        busy.append(nbl)

    @callback
    def MPReturnNetBufferLists(context, nbl, flags):
        while nbl is not None:
            free_lists.append(nbl)
            nbl = nbl.Next

    @callback
    def MPDpc(context, count):
        first = last = None
        for number in range(count):
            nbl = free_lists.pop()
            buffer = nbl.FirstNetBuffer
            buffer.DataLength = 60
            if last is None:
                first = nbl
            else:
                last.Next = nbl
            last = nbl
        last.Next = None
        NdisMIndicateReceiveNetBufferLists(adapter, first, 0, count, 1)
        for nbl in busy:
            NdisMSendNetBufferListsComplete(adapter, nbl, 1)
        busy.clear()
"""
)
PROTOCOL_SOURCE = (
    PROTOCOL.replace("def ProtocolReceive", "def ReceiveUnused").replace("def ProtocolSendComplete", "def SendUnused")
    + """
    from struct import Struct
    ADDRESSES = Struct("6s6sH")
    binding = pool = 0
    own = []
    held = []

    @callback
    def ProtocolReceive(context, nbl, port, count, flags):
        first = last = None
        while nbl is not None:
            buffer = nbl.FirstNetBuffer
            header = NdisGetDataBuffer(buffer, 14, None, 1, 0)
            target, source, kind = ADDRESSES.unpack_from(header)
            ADDRESSES.pack_into(header, 0, source, target, kind)
            answer = make(buffer)
            answer.SourceHandle = binding
            if last is None:
                first = answer
            else:
                last.Next = answer
            last = answer
            following = nbl.Next
            nbl = following
        NdisSendNetBufferLists(binding, first, 0, 1)

    def make_own(received):
        answer = own.pop()
        answer.Next = None
        buffer = answer.FirstNetBuffer
        buffer.MdlChain = buffer.CurrentMdl = received.MdlChain
        buffer.DataOffset = buffer.CurrentMdlOffset = received.DataOffset
        buffer.DataLength = received.DataLength
        return answer

    def make_allocated(received):
        return NdisAllocateNetBufferAndNetBufferList(
            pool, 0, 0, received.MdlChain, received.DataOffset, received.DataLength
        )

    make = make_own

    @callback
    def ProtocolSendComplete(context, nbl, flags):
        while nbl is not None:
            following = nbl.Next
            release(nbl)
            nbl = following
        NdisReturnNetBufferLists(binding, received_first(), 1)

    release = own.append
    received_chain = []

    def received_first():
        return received_chain.pop()

    @callback
    def ProtocolReceiveKept(context, nbl, port, count, flags):
        received_chain.append(nbl)
        ProtocolReceive(context, nbl, port, count, flags)
"""
)


SWAP_NS = 153.0
_ADDRESSES = Struct("6s6sH")


def swap_time(count: int = 4000) -> float:
    """Processor time of one swap of two addresses, in nanoseconds."""
    memory = memoryview(bytearray(64))
    unpack, pack = _ADDRESSES.unpack_from, _ADDRESSES.pack_into
    begun = time.thread_time_ns()
    for _ in range(count):
        target, source, kind = unpack(memory)
        pack(memory, 0, source, target, kind)
    return (time.thread_time_ns() - begun) / count


class Variant:
    """One build of the path, ready to run."""

    def __init__(self, name: str, *, checked: bool, allocate: bool) -> None:
        self.name = name
        self.stack = stack = SmallStack(
            checked=checked, miniport=MINIPORT_SOURCE, protocol=PROTOCOL_SOURCE, pool_bytes=4 << 20
        )
        mini, proto = stack.mini, stack.proto
        mini.adapter, proto.binding = stack.adapter, stack.binding
        from emulator.layout.handles import HandleKind
        from emulator.ndis.plug_and_play.handlers import PROTOCOL_RECEIVE

        ((_, record),) = (
            entry
            for entry in stack.fake.machine.objects[HandleKind.PROTOCOL_DRIVER].live()
            if entry[1].head.kind == HandleKind.PROTOCOL_DRIVER
        )
        record.handlers[PROTOCOL_RECEIVE] = proto.ProtocolReceiveKept.__ndis_routine__
        stack.changed()
        receive_pool, send_pool = stack.pool(), stack.pool(PROTO)
        proto.pool = send_pool
        with stack.fake.dispatch():
            nbl = stack.frames(receive_pool, 64)
            while nbl is not None:
                mini.free_lists.append(nbl)
                nbl = nbl.Next
            for _ in range(64):
                proto.own.append(stack.call(PROTO, proto.allocate, send_pool, None, 0, 0))
        if allocate:
            proto.make = proto.make_allocated
            proto.release = proto.NdisFreeNetBufferList

    def run(self, batch: int, frames: int) -> float:
        """Nanoseconds a frame."""
        from emulator.kernel.calls import call

        routine = self.stack.mini.MPDpc.__ndis_routine__
        with self.stack.fake.dispatch(driver=MINI) as context:
            begun = time.thread_time_ns()
            for _ in range(frames // batch):
                call(context, routine, None, batch)
            return (time.thread_time_ns() - begun) / (frames // batch * batch)

    def journey(self, count: int) -> tuple[float, float]:
        """Nanoseconds to publish a list of a chain, and to bring it home again."""
        with self.stack.fake.dispatch(driver=MINI) as context:
            lists = self.stack.mini.free_lists[:count]
            for nbl, following in zip(lists, [*lists[1:], None], strict=True):
                nbl.Next = following
            begun = time.thread_time_ns()
            word = encode(context, lists[0])
            middle = time.thread_time_ns()
            decode(context, word)
            return (middle - begun) / count, (time.thread_time_ns() - middle) / count


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=6400)
    options = parser.parse_args()
    variants = [
        Variant("free, lists of its own", checked=False, allocate=False),
        Variant("checked, lists of its own", checked=True, allocate=False),
        Variant("free, allocates", checked=False, allocate=True),
        Variant("checked, allocates", checked=True, allocate=True),
    ]
    taken: dict[tuple[str, int], list[float]] = {}
    journeys: dict[str, list[tuple[float, float]]] = {}
    swaps = []
    for _ in range(options.rounds):
        for variant in variants:
            for batch in (64, 8, 1):
                frames = options.frames if batch == 64 else options.frames // 4
                before = swap_time()
                measured = variant.run(batch, frames)
                swap = (before + swap_time()) / 2
                swaps.append(swap)
                taken.setdefault((variant.name, batch), []).append(measured / swap * SWAP_NS)
            before = swap_time()
            there, back = variant.journey(64)
            swap = (before + swap_time()) / 2
            journeys.setdefault(variant.name, []).append((there / swap * SWAP_NS, back / swap * SWAP_NS))
    print(f"a swap took {statistics.median(swaps):.0f} ns here; all figures as if it took {SWAP_NS:.0f}")
    print(f"{'ns a frame':<28}{'batch 64':>10}{'batch 8':>10}{'batch 1':>10}{'publish':>10}{'load':>10}")
    for variant in variants:
        columns = [statistics.median(taken[variant.name, batch]) for batch in (64, 8, 1)]
        columns += [statistics.median(values) for values in zip(*journeys[variant.name], strict=True)]
        print(f"{variant.name:<28}" + "".join(f"{value:>10.0f}" for value in columns))


if __name__ == "__main__":
    main()
