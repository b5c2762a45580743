"""The frame loop with headers, on a pair of sockets: what lies where, super-frames, refusals, what no driver may do."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from emulator.host.pump_offloads import OffloadPump
from tests.host.test_pump import SLOT, Station, frame
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
    VNIC_REGISTER_TRANSMIT_ERRORS,
    VNIC_REGISTER_TRANSMIT_FRAMES,
    VNIC_SEGMENTS_TCP4,
    VnicDescriptor,
    VnicHeader,
    VnicOffload,
    VnicPostReceive,
    VnicReadHeader,
    VnicReceive,
    VnicTransmit,
    VnicTransmitCompleted,
    VnicTransmitOffloads,
    VnicWriteRegister,
)
from vnic.device.hardware import DeviceFault

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPPORTED = VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_TCP4 | VNIC_OFFLOAD_UDP
NONE = bytes(10)
PARTIAL = struct.pack("<BBHHHH", 1, 0, 0, 0, 34, 16)
LARGE = struct.pack("<BBHHHH", 1, 1, 3054, 1460, 34, 16)
WORD = VnicOffload(VNIC_HEADER_NEEDS_CHECKSUM, VNIC_SEGMENTS_TCP4, 1460, 34, VNIC_CHECKSUM_OFFSET_TCP, 20)


class OffloadStation(Station):
    """A station whose wire has headers."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []
        self.hardware.power_on(b"\x02\0\0\0\0\x01", link_up=True, offloads=SUPPORTED)
        self.pump = OffloadPump(self.hardware, self.near.fileno(), self.wake, self.told.append)
        self.enable(3)

    def offer(self, offloads: int) -> None:
        VnicWriteRegister(self.nic, VNIC_REGISTER_OFFLOADS, offloads)


@pytest.fixture
def station() -> Iterator[OffloadStation]:
    station = OffloadStation()
    yield station
    station.near.close()
    station.far.close()


def test_a_driver_that_knows_no_offloads_sees_frames_alone(station: OffloadStation) -> None:
    before = bytes(station.memory)
    station.post([SLOT[0]])
    station.arrive(NONE + frame(1))
    station.pump.service()
    assert station.received() == [frame(1)]
    assert bytes(station.memory[SLOT[0] - 128 : SLOT[0]]) == before[SLOT[0] - 128 : SLOT[0]]
    station.send(frame(2), frame(3))
    station.pump.service()
    assert station.left() == [NONE + frame(2), NONE + frame(3)]
    assert station.told == []


def test_a_lone_frame_is_sent_behind_a_header_whether_it_is_known_or_not(station: OffloadStation) -> None:
    for _ in range(3):
        station.send(frame(1))
        station.pump.service()
        assert station.left() == [NONE + frame(1)]
        assert VnicTransmitCompleted(station.nic, 0) == 1
    while not station.pump.wants_write:
        station.send(frame(1))
        station.pump.service()
        VnicTransmitCompleted(station.nic, 0)
    left = len(station.left())
    station.pump.service()
    assert len(station.left()) == 1
    assert station.counter(VNIC_REGISTER_TRANSMIT_FRAMES) == left + 4


def test_a_header_lies_in_front_of_its_frame(station: OffloadStation) -> None:
    station.offer(VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM)
    assert station.pump.pending()
    station.post(SLOT[:3])
    station.arrive(PARTIAL + frame(1), NONE + frame(2, 1514))
    station.pump.service()
    assert station.told == [VNIC_OFFLOAD_CHECKSUM]
    assert not station.pump.pending()
    assert station.received() == [frame(1), frame(2, 1514)]
    assert VnicReadHeader(station.memory, SLOT[0]) == VnicHeader(1, 0, 0, 0, 34, 16)
    assert station.counter(VNIC_REGISTER_RECEIVE_BYTES) == 60 + 1514
    station.pump.power_cycled()
    assert station.told[-1] == 0


def test_a_super_frame_lies_in_several_buffers(station: OffloadStation) -> None:
    station.offer(VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_TCP4)
    station.post(SLOT[:100])
    for size in (3 * VNIC_RECEIVE_CAPACITY, 2 * VNIC_RECEIVE_CAPACITY + 1, 65549):
        sent = frame(size, size)
        station.arrive(LARGE + sent, NONE + frame(2))
        while station.pump.service():
            pass
        addresses, lengths = VnicReceive(station.nic, 0, 128)
        assert all(length & VNIC_LENGTH_MORE for length in lengths[:-2])
        assert not any(length & VNIC_LENGTH_MORE for length in lengths[-2:])
        assert VnicReadHeader(station.memory, addresses[0]).SegmentSize == 1460
        data = b"".join(
            bytes(station.memory[address : address + (length & 0xFFFF)])
            for address, length in zip(addresses, lengths, strict=True)
        )
        assert data == sent + frame(2)
        assert VnicPostReceive(station.nic, 0, addresses) == len(addresses)
    assert station.counter(VNIC_REGISTER_RECEIVE_FRAMES) == 6


def test_too_few_buffers_for_the_longest_frame_read_nothing(station: OffloadStation) -> None:
    station.offer(VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM | VNIC_OFFLOAD_TCP4)
    station.post(SLOT[:34])
    station.arrive(NONE + frame(1))
    assert not station.pump.service()
    assert station.received() == []
    assert not station.pump.wants_read
    assert station.counter(VNIC_REGISTER_RECEIVE_NO_BUFFER) == 1
    assert not station.pump.pending()  # else the host looks again and again for what does not come
    station.post(SLOT[34:35])
    assert station.bells
    station.pump.service()
    assert station.received() == [frame(1)]


def test_a_super_frame_after_the_driver_wants_none_is_dropped(station: OffloadStation) -> None:
    station.offer(VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM)
    station.post(SLOT[:10])
    station.arrive(LARGE + frame(1, 4000), NONE + frame(2))
    station.pump.service()
    assert station.received() == [frame(2)]
    assert station.counter(VNIC_REGISTER_RECEIVE_ERRORS) == 1


def test_a_large_frame_is_sent_in_pieces_behind_its_header(station: OffloadStation) -> None:
    sent = [frame(number, 1900) for number in range(3)]
    for place, piece in enumerate(sent):
        station.memory[SLOT[place] : SLOT[place] + 1900] = piece
    words = [VnicDescriptor(SLOT[place], 1900, place < 2) for place in range(3)]
    words[0] |= VNIC_DESCRIPTOR_OFFLOAD
    plain = VnicDescriptor(SLOT[0], 1900)
    assert VnicTransmitOffloads(station.nic, 0, [*words, plain], [WORD, 0, 0, 0]) == 4
    station.pump.service()
    first, second = station.left()
    assert first == struct.pack("<BBHHHH", 1, 1, 54, 1460, 34, 16) + b"".join(sent)
    assert second == NONE + sent[0]
    assert VnicTransmitCompleted(station.nic, 0) == 4
    assert station.counter(VNIC_REGISTER_TRANSMIT_FRAMES) == 2


def test_a_copy_of_the_headers_and_the_rest_are_one_frame(station: OffloadStation) -> None:
    whole = frame(7, 1900)
    station.memory[SLOT[1] : SLOT[1] + 54] = whole[:54]
    station.memory[SLOT[0] : SLOT[0] + 1900] = bytes(54) + whole[54:]
    words = [
        VnicDescriptor(SLOT[1], 54, True) | VNIC_DESCRIPTOR_OFFLOAD,
        VnicDescriptor(SLOT[0] + 54, 1846),
        VnicDescriptor(SLOT[1], 54, True) | VNIC_DESCRIPTOR_OFFLOAD,
        VnicDescriptor(SLOT[0], 7),
        VnicDescriptor(SLOT[0], 60),
    ]
    for _ in range(2):  # known by now
        assert VnicTransmitOffloads(station.nic, 0, words, [WORD, 0, WORD, 0, 0]) == 5
        station.pump.service()
        header = struct.pack("<BBHHHH", 1, 1, 54, 1460, 34, 16)
        assert station.left() == [header + whole, header + whole[:54] + bytes(7), NONE + bytes(54) + whole[54:60]]
        assert VnicTransmitCompleted(station.nic, 0) == 5
    assert station.counter(VNIC_REGISTER_TRANSMIT_FRAMES) == 6


@pytest.mark.parametrize("flag", range(50, 64))
def test_a_reserved_flag_is_a_fault_in_any_descriptor(station: OffloadStation, flag: int) -> None:
    first, rest = VnicDescriptor(SLOT[1], 54, True) | VNIC_DESCRIPTOR_OFFLOAD, VnicDescriptor(SLOT[0], 1846)
    VnicTransmitOffloads(station.nic, 0, [first, rest], [WORD, 0])
    station.pump.service()
    for words in ([first | 1 << flag, rest], [first, rest | 1 << flag]):
        VnicTransmitOffloads(station.nic, 0, words, [WORD, 0])
        with pytest.raises(DeviceFault, match="reserved flags"):
            station.pump.service()
        station.hardware.queues[0].complete(2)


def test_the_rest_of_a_frame_is_waited_for(station: OffloadStation) -> None:
    words = [VnicDescriptor(SLOT[0], 60, True) | VNIC_DESCRIPTOR_OFFLOAD]
    assert VnicTransmitOffloads(station.nic, 0, [*words, VnicDescriptor(SLOT[1], 60)], [WORD, 0]) == 2
    station.nic.transmit[0].indices[0] -= 1
    assert not station.pump.service()
    assert station.left() == []
    station.nic.transmit[0].indices[0] += 1
    station.pump.service()
    assert [len(found) for found in station.left()] == [130]


def test_what_is_no_frame_is_counted(station: OffloadStation) -> None:
    assert VnicTransmit(station.nic, 0, [VnicDescriptor(SLOT[0], 13), VnicDescriptor(SLOT[0], 60)]) == 2
    station.pump.service()
    assert len(station.left()) == 1
    assert station.counter(VNIC_REGISTER_TRANSMIT_ERRORS) == 1


@pytest.mark.parametrize("offloads", [1, 0x1002, 0x1009, 0x1021, 0x1003 | 1 << 40])
def test_offloads_that_the_adapter_has_not_are_a_fault(station: OffloadStation, offloads: int) -> None:
    station.offer(offloads)
    with pytest.raises(DeviceFault, match="register OFFLOADS"):
        station.pump.service()


def test_a_word_that_cannot_be_right_is_a_fault(station: OffloadStation) -> None:
    word = VnicDescriptor(SLOT[0], 60) | VNIC_DESCRIPTOR_OFFLOAD
    VnicTransmitOffloads(station.nic, 0, [word], [WORD & ~0xFF])
    with pytest.raises(DeviceFault, match="offload word"):
        station.pump.service()


def test_a_buffer_without_room_for_a_header_is_a_fault(station: OffloadStation) -> None:
    station.offer(VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_CHECKSUM)
    station.post([SLOT[0] - 128])
    station.arrive(NONE + frame(1))
    with pytest.raises(DeviceFault, match="no room for a header"):
        station.pump.service()
