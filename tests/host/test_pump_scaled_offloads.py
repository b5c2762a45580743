"""The frame loop of several queues with headers: where super-frames go, what is parked, what is sent."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from emulator.host.pump_scaled_offloads import ScaledOffloadPump
from tests.host.test_pump_scaled import ENTRIES, EVERYTHING, QUEUES, SLOT, Station
from tests.vnic.test_toeplitz import KEY, ipv4, segment
from vnic.device import (
    VNIC_CHECKSUM_OFFSET_TCP,
    VNIC_DESCRIPTOR_OFFLOAD,
    VNIC_HEADER_NEEDS_CHECKSUM,
    VNIC_LENGTH_MORE,
    VNIC_OFFLOAD_CHECKSUM,
    VNIC_OFFLOAD_HEADERS,
    VNIC_OFFLOAD_TCP4,
    VNIC_OFFLOAD_UDP,
    VNIC_RECEIVE_CAPACITY,
    VNIC_REGISTER_OFFLOADS,
    VNIC_REGISTER_RECEIVE_BYTES,
    VNIC_REGISTER_RECEIVE_ERRORS,
    VNIC_REGISTER_RECEIVE_FRAMES,
    VNIC_REGISTER_RECEIVE_NO_BUFFER,
    VNIC_SEGMENTS_TCP4,
    VnicDescriptor,
    VnicOffload,
    VnicPostReceive,
    VnicReadHeader,
    VnicReceive,
    VnicReceiveScaled,
    VnicTransmitCompleted,
    VnicTransmitOffloads,
    VnicWriteRegister,
)
from vnic.device.hardware import DeviceFault
from vnic.device.toeplitz import FrameHash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.host.pump_scaled import ScaledPump

SUPPORTED = VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_TCP4 | VNIC_OFFLOAD_UDP
LARGE_FRAMES = VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_TCP4
TABLE = [0, 1, 2, 3]
NONE = bytes(10)
LARGE = struct.pack("<BBHHHH", 1, 1, 54, 1460, 34, 16)
WORD = VnicOffload(VNIC_HEADER_NEEDS_CHECKSUM, VNIC_SEGMENTS_TCP4, 1460, 34, VNIC_CHECKSUM_OFFSET_TCP, 20)


class OffloadStation(Station):
    """A station whose wire has headers; `told` is what the wire was told."""

    offloads = SUPPORTED

    def make_pump(self, descriptors: list[int]) -> ScaledPump:
        self.told: list[int] = []
        return ScaledOffloadPump(self.hardware, descriptors, self.wake, QUEUES, self.told.append)

    def offer(self, offloads: int) -> None:
        VnicWriteRegister(self.nic, VNIC_REGISTER_OFFLOADS, offloads)

    def taken(self, queue: int, most: int = ENTRIES) -> list[tuple[int, bytes, int]]:
        """Each frame that was filled in: where it begins, its bytes, and its hash."""
        addresses, lengths, values, _ = VnicReceiveScaled(self.nic, queue, most)
        found: list[tuple[int, bytes, int]] = []
        start, data = 0, b""
        for address, length, value in zip(addresses, lengths, values, strict=True):
            start = start or address
            data += bytes(self.memory[address : address + (length & 0xFFFF)])
            if not length & VNIC_LENGTH_MORE:
                found.append((start, data, value))
                start, data = 0, b""
        assert not data
        if addresses:
            assert VnicPostReceive(self.nic, queue, addresses) == len(addresses)
        return found


@pytest.fixture
def station() -> Iterator[OffloadStation]:
    station = OffloadStation()
    yield station
    station.close()


def flow(number: int, size: int = 60) -> bytes:
    """A frame of a flow with that many bytes."""
    return ipv4(segment(1000 + number, 53) + bytes(place % 251 for place in range(size - 54)))


def hash_of(frame: bytes) -> int:
    return FrameHash(EVERYTHING, KEY)(memoryview(frame), len(frame))[0]


def on(queue: int, after: int = 0) -> int:
    """The number of a flow that belongs to a queue."""
    return next(number for number in range(after, 1000) if TABLE[hash_of(flow(number)) % 4] == queue)


def test_a_super_frame_comes_to_its_queue_behind_its_header(station: OffloadStation) -> None:
    station.offer(LARGE_FRAMES)
    assert station.pump.pending()
    station.post_all()
    station.scale(TABLE)
    station.service()
    assert station.told == [VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_TCP4]
    assert not station.pump.pending()
    for queue in range(QUEUES):
        number = on(queue)
        sizes = (60, 2 * VNIC_RECEIVE_CAPACITY, 2 * VNIC_RECEIVE_CAPACITY + 1, 65549)
        sent = [flow(number, size) for size in sizes]
        station.arrive(*[(LARGE if len(frame) > 60 else NONE) + frame for frame in sent])
        station.service()
        found = station.taken(queue)
        assert [(data, value) for _, data, value in found] == [(frame, hash_of(frame)) for frame in sent]
        headers = [VnicReadHeader(station.memory, start).SegmentSize for start, _, _ in found]
        assert headers == [0, 1460, 1460, 1460]
    assert station.counter(VNIC_REGISTER_RECEIVE_FRAMES) == 16
    assert station.counter(VNIC_REGISTER_RECEIVE_BYTES) == 4 * (60 + 4 * VNIC_RECEIVE_CAPACITY + 1 + 65549)


def test_a_frame_over_two_buffers_says_that_it_goes_on(station: OffloadStation) -> None:
    station.offer(LARGE_FRAMES)
    station.post_all()
    station.arrive(LARGE + flow(1, VNIC_RECEIVE_CAPACITY + 7))
    station.service()
    _, lengths = VnicReceive(station.nic, 0, ENTRIES)
    assert lengths == [VNIC_RECEIVE_CAPACITY | VNIC_LENGTH_MORE, 7]


def test_a_driver_that_knows_no_offloads_sees_frames_alone(station: OffloadStation) -> None:
    station.post_all()
    station.scale(TABLE)
    before = bytes(station.memory[SLOT[0] - 128 : SLOT[0]])
    station.arrive(NONE + flow(on(0)), NONE + flow(on(0), VNIC_RECEIVE_CAPACITY))
    station.service()
    assert [data for _, data, _ in station.taken(0)] == [flow(on(0))]
    assert bytes(station.memory[SLOT[0] - 128 : SLOT[0]]) == before
    assert station.counter(VNIC_REGISTER_RECEIVE_ERRORS) == 1
    assert station.told == []


def test_a_super_frame_without_buffers_enough_is_parked_with_its_header(station: OffloadStation) -> None:
    station.offer(LARGE_FRAMES)
    station.scale(TABLE)
    first, other = on(0), on(1)
    station.post(0, 3)
    station.post(1, ENTRIES)
    sent = [flow(first), flow(first, 2 * VNIC_RECEIVE_CAPACITY + 1), flow(first, 61)]
    station.arrive(NONE + sent[0], LARGE + sent[1], NONE + sent[2], LARGE + flow(other, 9000))
    station.service()
    assert [data for _, data, _ in station.taken(1)] == [flow(other, 9000)]
    addresses, *_ = VnicReceiveScaled(station.nic, 0, ENTRIES)
    assert len(addresses) == 1  # the other two buffers are too few for the next, and nothing overtakes it
    assert station.counter(VNIC_REGISTER_RECEIVE_NO_BUFFER) == 1
    assert not station.pump.pending()
    bells = station.bells
    station.post(0, 2, first=3)
    assert station.bells > bells
    assert station.pump.pending()
    station.service()
    found = station.taken(0)
    assert [(data, value) for _, data, value in found] == [(frame, hash_of(frame)) for frame in sent[1:]]
    assert VnicReadHeader(station.memory, found[0][0]).SegmentSize == 1460
    assert VnicReadHeader(station.memory, found[1][0]).SegmentSize == 0


def test_what_was_parked_for_more_than_the_driver_takes_now_is_dropped(station: OffloadStation) -> None:
    station.offer(LARGE_FRAMES)
    station.scale([0])
    station.service()
    station.arrive(LARGE + flow(1, 9000), NONE + flow(1))
    station.service()
    station.offer(VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM)
    station.post(0, 1)
    assert station.pump.pending()
    station.service()
    assert [data for _, data, _ in station.taken(0)] == [flow(1)]
    assert station.counter(VNIC_REGISTER_RECEIVE_ERRORS) == 1
    station.pump.power_cycled()
    assert station.told[-1] == 0


def test_each_queue_sends_large_frames_with_their_offload_words(station: OffloadStation) -> None:
    for queue in range(QUEUES):
        station.memory[SLOT[queue] : SLOT[queue] + 1900] = flow(queue, 1900)
        words = [
            VnicDescriptor(SLOT[queue], 54, True) | VNIC_DESCRIPTOR_OFFLOAD,
            VnicDescriptor(SLOT[queue] + 54, 1846),
            VnicDescriptor(SLOT[queue], 60),
        ]
        assert VnicTransmitOffloads(station.nic, queue, words, [WORD, 0, 0]) == 3
    station.service()
    sent = [station.pairs[0][1].recv(4096) for _ in range(2 * QUEUES)]
    assert sorted(sent) == sorted(
        each for queue in range(QUEUES) for each in (LARGE + flow(queue, 1900), NONE + flow(queue, 1900)[:60])
    )
    station.pump.settle()
    assert [VnicTransmitCompleted(station.nic, queue) for queue in range(QUEUES)] == [3] * QUEUES


def test_what_the_adapter_has_not_is_a_fault(station: OffloadStation) -> None:
    station.offer(VNIC_OFFLOAD_HEADERS | 8)
    with pytest.raises(DeviceFault, match="register OFFLOADS"):
        station.pump.service()


def test_a_buffer_without_room_for_a_header_is_a_fault(station: OffloadStation) -> None:
    station.offer(LARGE_FRAMES)
    assert VnicPostReceive(station.nic, 0, [SLOT[0] - 128]) == 1
    station.arrive(NONE + flow(1))
    with pytest.raises(DeviceFault, match="no room for a header"):
        station.pump.service()
