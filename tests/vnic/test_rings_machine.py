"""The rings as a state machine: driver's end and host's end over one memory, every descriptor accounted for.

The indices start just below 2**32, so that each run wraps them; the model is plain lists of what each side was told.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vnic.device import (
    VNIC_DESCRIPTOR_ADDRESS_MASK,
    VNIC_DESCRIPTOR_LENGTH_SHIFT,
    VNIC_DESCRIPTOR_MORE,
    Vnic,
    VnicDescriptor,
    VnicLayout,
    VnicPostReceive,
    VnicReceive,
    VnicTransmit,
    VnicTransmitCompleted,
    VnicTransmitRoom,
)
from vnic.device.hardware import HostVnic
from vnic.device.layout import CONSUMER, NOTIFY_CONSUMER, PRODUCER, RECLAIMED

if TYPE_CHECKING:
    import random

ENTRIES = 8
SLOTS = 24
OFFSET = 64
FRAMES = (8192, SLOTS * 2048)
CAPACITY = 1920


class Rings(RuleBasedStateMachine):
    """Where each receive buffer is, and which transmit descriptors each side has been told of."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = memoryview(bytearray(FRAMES[0] + FRAMES[1]))
        layout = VnicLayout(1, ENTRIES, ENTRIES)
        self.host = HostVnic(self.memory, OFFSET, layout, [FRAMES])
        self.host.power_on(bytes(6))
        self.bells = 0
        self.nic = Vnic(self.memory, OFFSET, layout, self.ring)
        self.end = self.host.queues[0]
        self.idle = [FRAMES[0] + index * 2048 + 128 for index in range(SLOTS)]
        self.posted: deque[int] = deque()  # in the free ring or fetched by the host, oldest first
        self.filled: deque[int] = deque()  # descriptors in the receive ring
        self.sent: deque[int] = deque()  # transmit descriptors not yet seen finished by the host
        self.finished = 0  # finished, not reclaimed
        self.length = 0

    def ring(self) -> None:
        self.bells += 1

    @initialize(before_wrap=st.integers(0, 20))
    def begin_below_the_wrap(self, before_wrap: int) -> None:
        start = -before_wrap & 0xFFFFFFFF
        for ring in (self.end.receive, self.end.receive_free, self.end.transmit):
            ring.indices[PRODUCER] = ring.indices[CONSUMER] = ring.indices[RECLAIMED] = start
        self.end.receive_head = self.end.receive_tail = self.end.free_tail = self.end.transmit_tail = start

    @rule(count=st.integers(0, ENTRIES + 3))
    def post(self, count: int) -> None:
        addresses = self.idle[:count]
        in_ring = self.end.receive_free.indices[PRODUCER] - self.end.receive_free.indices[CONSUMER] & 0xFFFFFFFF
        taken = VnicPostReceive(self.nic, 0, addresses)
        assert taken == min(len(addresses), ENTRIES - in_ring)
        self.posted += addresses[:taken]
        del self.idle[:taken]

    @rule(order=st.randoms(use_true_random=False))
    def shuffle(self, order: random.Random) -> None:
        order.shuffle(self.idle)

    @rule(asked=st.booleans())
    def ask_for_buffers(self, asked: bool) -> None:
        self.end.ask_for_buffers(asked)

    @precondition(lambda self: self.idle)
    @rule()
    def post_rings_only_when_asked(self) -> None:
        bells, room = self.bells, self.end.receive_free.indices
        asked = self.end.receive_free.indices[NOTIFY_CONSUMER]
        full = room[PRODUCER] - room[CONSUMER] & 0xFFFFFFFF == ENTRIES
        self.post(1)
        assert self.bells - bells == (asked and not full)

    @rule(budget=st.integers(1, ENTRIES + 3), share=st.integers(0, ENTRIES))
    def fill(self, budget: int, share: int) -> None:
        usable = self.end.refill(budget)
        assert usable <= min(budget, ENTRIES - len(self.filled), len(self.posted))
        assert 2 * usable >= min(budget, ENTRIES - len(self.filled), len(self.posted)), "half of what can be is enough"
        if self.posted and len(self.filled) < ENTRIES:
            assert usable, "a buffer and room for it must be enough"
        lengths = []
        for buffer in self.end.empties[: min(usable, share)]:
            address = self.posted.popleft()
            assert len(buffer) == CAPACITY
            self.length = self.length % 1500 + 1
            buffer[0] = self.length % 256
            assert self.memory[address] == self.length % 256, "filled in the order in which they were posted"
            lengths.append(self.length)
            self.filled.append(address | self.length << 32)
        if lengths:
            self.end.deliver(lengths)

    @rule(maximum=st.integers(0, ENTRIES + 3))
    def receive(self, maximum: int) -> None:
        addresses, lengths = VnicReceive(self.nic, 0, maximum)
        got = [VnicDescriptor(*pair) for pair in zip(addresses, lengths, strict=True)]
        assert got == [self.filled.popleft() for _ in range(min(maximum, len(self.filled)))]
        assert all(0 < length <= 1500 for length in lengths)
        self.idle += addresses

    @rule(pieces=st.lists(st.integers(1, 4), max_size=6))
    def transmit(self, pieces: list[int]) -> None:
        descriptors = []
        for count in pieces:
            for place in range(count):
                self.length = self.length % 1500 + 1
                descriptors.append(VnicDescriptor(FRAMES[0], self.length, place < count - 1))
        room = VnicTransmitRoom(self.nic, 0)
        assert room == ENTRIES - len(self.sent) - self.finished
        bells = self.bells
        taken = VnicTransmit(self.nic, 0, descriptors)
        assert taken <= room
        assert self.bells - bells == (taken > 0)
        whole = 0
        for count in pieces:
            if whole + count > room:
                break
            whole += count
        assert taken == whole, "as many whole frames as there is room for, and no part of another"
        self.sent += descriptors[:taken]

    @rule(count=st.integers(1, ENTRIES))
    def send(self, count: int) -> None:
        posted = self.end.posted()
        assert posted == len(self.sent)
        if posted:
            words = self.end.descriptors(min(count, posted))
            assert words == list(self.sent)[: min(count, posted)]
            word = words[0] & ~VNIC_DESCRIPTOR_MORE
            assert len(self.end.fragment(word)) == word >> VNIC_DESCRIPTOR_LENGTH_SHIFT
            self.end.finish(len(words))
            self.finished += len(words)
            for _ in words:
                self.sent.popleft()

    @rule()
    def reclaim(self) -> None:
        assert VnicTransmitCompleted(self.nic, 0) == self.finished
        self.finished = 0

    @rule()
    def reset(self) -> None:
        self.end.reset()
        self.idle += [*self.posted, *(word & VNIC_DESCRIPTOR_ADDRESS_MASK for word in self.filled)]
        self.posted.clear()
        self.filled.clear()
        self.finished += len(self.sent)
        self.sent.clear()

    @invariant()
    def causes_follow_the_rings(self) -> None:
        assert self.nic.causes[0]() & 3 == (1 if self.filled else 0) | (2 if self.finished else 0)

    @invariant()
    def each_buffer_is_known_in_one_place(self) -> None:
        end = self.end
        assert sorted(end.words) == sorted(end.known)
        assert end.filled == end.receive_head - end.receive_tail & 0xFFFFFFFF
        assert 0 <= end.at_hand <= len(end.words) - end.filled
        for word, buffer in zip(end.words, end.buffers, strict=True):
            address = word & VNIC_DESCRIPTOR_ADDRESS_MASK
            self.memory[address + 1] ^= 0xFF
            assert buffer[1] == self.memory[address + 1]
            self.memory[address + 1] ^= 0xFF
            assert buffer[1] == self.memory[address + 1]

    @invariant()
    def no_buffer_is_lost(self) -> None:
        assert len(self.idle) + len(self.posted) + len(self.filled) == SLOTS


TestRings = Rings.TestCase
TestRings.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
