"""Software loopback: who gets a frame that was sent, by packet filters, flags and sender, and what is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.ndis.headers.constants import (
    NDIS_MAC_OPTION_NO_LOOPBACK,
    NDIS_NBL_FLAGS_IS_LOOPBACK_PACKET,
    NDIS_PACKET_TYPE_ALL_LOCAL,
    NDIS_PACKET_TYPE_NO_LOCAL,
    NDIS_PACKET_TYPE_PROMISCUOUS,
)
from emulator.rules.errors import EmulatorError
from tests.ndis.buffers.test_data_access import used
from tests.ndis.filtered_stack import EVERYTHING, FilteredStack
from tests.ndis.small_stack import PROTO, SmallStack

OWN, OTHER, BROADCAST = bytes.fromhex("020000000001"), bytes.fromhex("020000000009"), b"\xff" * 6
DIRECTED, CHECK = 0x1, 2
FIRST, SECOND = 0x100, 0x101


class Loop:
    """A stack whose bindings have these packet filters; the miniport loops nothing back itself."""

    def __init__(self, *filters: int, stack: Any = None) -> None:
        self.stack: Any = stack or SmallStack(bindings=len(filters))
        self.stack.adapter_record.mac_options = NDIS_MAC_OPTION_NO_LOOPBACK
        for record, wanted in zip(self.stack.binding_records, filters, strict=True):
            record.packet_filter = wanted
        self.stack.adapter_record.packet_filter = 0
        for wanted in filters:
            self.stack.adapter_record.packet_filter |= wanted
        self.heard: list[tuple[int, bytes]] = []

    def send(self, target: bytes, flags: int = 1, sender: int = 0) -> list[int]:
        """Send a frame; the contexts of the bindings that heard it."""
        stack = self.stack
        stack.mini.on_send = lambda context, nbl, port, flags: stack.mini.complete(stack.adapter, nbl)

        def on_receive(context: int, nbl: Any, port: int, count: int, flags: int) -> None:
            assert (flags, count) == (3, 1)
            assert nbl.NblFlags & NDIS_NBL_FLAGS_IS_LOOPBACK_PACKET
            self.heard.append((context, used(nbl.FirstNetBuffer)))

        stack.proto.on_receive = on_receive
        pool = stack.pool(PROTO)
        with stack.fake.dispatch(driver=PROTO):
            stack.changed()
            mdl = stack.mdl(60, PROTO)
            mdl.MappedSystemVa[:] = target + bytes(54)
            nbl = stack.proto.allocate(pool, mdl, 0, 60)
            nbl.SourceHandle = stack.bindings[sender]
            blocks = len(stack.fake.machine.pool.live())
            stack.proto.send(stack.bindings[sender], nbl, flags)
            again = len(stack.fake.machine.pool.live())
            stack.proto.send(stack.bindings[sender], nbl, flags)
            assert len(stack.fake.machine.pool.live()) == again <= blocks + 2  # NDIS's own pool stays
            stack.proto.free(nbl)
        assert len(stack.mini.sent) == len(stack.proto.completed) == 2
        assert {data[:6] for _, data in self.heard} <= {target}
        half = len(self.heard) // 2
        assert self.heard[:half] == self.heard[half:]
        return [context for context, _ in self.heard[:half]]


@pytest.mark.parametrize(
    ("filters", "target", "flags", "heard"),
    [
        ((DIRECTED, DIRECTED), OWN, 1, []),
        ((DIRECTED, NDIS_PACKET_TYPE_PROMISCUOUS), OTHER, 1, [SECOND]),
        ((DIRECTED, NDIS_PACKET_TYPE_PROMISCUOUS | NDIS_PACKET_TYPE_NO_LOCAL), OTHER, 1, []),
        ((DIRECTED, DIRECTED | NDIS_PACKET_TYPE_ALL_LOCAL), OTHER, 1, [SECOND]),
        ((NDIS_PACKET_TYPE_PROMISCUOUS, DIRECTED), OTHER, 1, []),
        ((NDIS_PACKET_TYPE_PROMISCUOUS, DIRECTED), OWN, 1, [SECOND]),
        ((NDIS_PACKET_TYPE_PROMISCUOUS,), OTHER, 1, []),
        ((DIRECTED,), OWN, 1 | CHECK, [FIRST]),
        ((DIRECTED,), OTHER, 1 | CHECK, []),
        ((DIRECTED,), BROADCAST, 1 | CHECK, []),
        ((DIRECTED | 8,), BROADCAST, 1 | CHECK, [FIRST]),
        ((DIRECTED | NDIS_PACKET_TYPE_NO_LOCAL, DIRECTED), OWN, 1 | CHECK, [FIRST, SECOND]),
        ((DIRECTED, DIRECTED | NDIS_PACKET_TYPE_NO_LOCAL), OWN, 1 | CHECK, [FIRST]),
        ((DIRECTED, NDIS_PACKET_TYPE_PROMISCUOUS), OWN, 1 | CHECK, [FIRST, SECOND]),
    ],
)
def test_who_hears_a_frame_that_is_sent(filters: tuple[int, ...], target: bytes, flags: int, heard: list[int]) -> None:
    assert Loop(*filters).send(target, flags) == heard


def test_a_miniport_that_loops_back_itself_is_left_to_it() -> None:
    loop = Loop(DIRECTED)
    loop.stack.adapter_record.mac_options = 0
    assert loop.send(OWN, 1 | CHECK) == []


def test_a_filter_sees_what_goes_round_and_may_keep_it_from_the_protocol() -> None:
    loop = Loop(NDIS_PACKET_TYPE_PROMISCUOUS, stack=FilteredStack(filters=(EVERYTHING,)))
    assert loop.send(OTHER) == []  # the sender does not want it, and the filter has seen it
    assert [each for each in loop.stack.filters[0].seen if each[0] == "receive"] == [("receive", 1, 3)] * 2
    held = Loop(DIRECTED, stack=FilteredStack(filters=(EVERYTHING,)))
    assert held.send(OWN, 1 | CHECK) == [FIRST]


def test_a_protocol_that_answers_what_it_sends_itself_comes_to_an_end() -> None:
    loop = Loop(DIRECTED)
    stack = loop.stack
    depth = [0]

    def on_receive(context: int, nbl: Any, port: int, count: int, flags: int) -> None:
        depth[0] += 1
        answer = stack.proto.allocate(pool, stack.mdl(60, PROTO), 0, 60)
        answer.FirstNetBuffer.CurrentMdl.MappedSystemVa[:6] = OWN
        answer.SourceHandle = stack.binding
        stack.proto.send(stack.binding, answer, 1 | CHECK)

    stack.proto.on_receive = on_receive
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO):
        stack.changed()
        on_receive(0, None, 0, 1, 1)
    assert 1 < depth[0] < 20


def test_a_fault_of_ours_in_a_receiver_leaves_no_frame_going_round() -> None:
    stack = Loop(DIRECTED).stack

    def fail(*arguments: Any) -> None:
        raise EmulatorError("planted")

    stack.proto.on_receive = fail
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO) as context:
        stack.changed()
        nbl = stack.proto.allocate(pool, stack.mdl(60, PROTO), 0, 60)
        nbl.FirstNetBuffer.CurrentMdl.MappedSystemVa[:6] = OWN
        nbl.SourceHandle = stack.binding
        with pytest.raises(EmulatorError):
            stack.proto.send(stack.binding, nbl, 1 | CHECK)
        assert context.datapath.looping is None
        assert context.nesting == 0
