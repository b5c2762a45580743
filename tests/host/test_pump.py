"""The host's frame loop on a pair of sockets: both ways, back-pressure, refusals, removal, bad descriptors."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

import pytest

from emulator.host.pump import AdapterPump
from vnic.device import (
    VNIC_ALL_ONES,
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_RESET,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    VNIC_DESCRIPTOR_MORE,
    VNIC_INTERRUPT_ALL,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_TRANSMIT,
    VNIC_MAXIMUM_FRAGMENTS,
    VNIC_REGISTER_CONTROL,
    VNIC_REGISTER_DEVICE_PRESENT,
    VNIC_REGISTER_INTERRUPT_CAUSE,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_LINK_ACKNOWLEDGE,
    VNIC_REGISTER_RECEIVE_BYTES,
    VNIC_REGISTER_RECEIVE_DISCARDS,
    VNIC_REGISTER_RECEIVE_ERRORS,
    VNIC_REGISTER_RECEIVE_FRAMES,
    VNIC_REGISTER_RECEIVE_NO_BUFFER,
    VNIC_REGISTER_TRANSMIT_BYTES,
    VNIC_REGISTER_TRANSMIT_ERRORS,
    VNIC_REGISTER_TRANSMIT_FRAMES,
    Vnic,
    VnicDescriptor,
    VnicLayout,
    VnicPostReceive,
    VnicReadRegister,
    VnicReceive,
    VnicTransmit,
    VnicTransmitCompleted,
    VnicWriteRegister,
)
from vnic.device.hardware import DeviceFault, HostVnic
from vnic.device.layout import PRODUCER
from vnic.device.registers import WORD_CONTROL, WORD_RESET_DONE

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES = 128
OFFSET = 4096
SLOTS = 256
FRAMES = (32768, SLOTS * 2048)
SLOT = [FRAMES[0] + index * 2048 + 128 for index in range(SLOTS)]
BOTH = VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE


class Station:
    """A host's pump and a driver's adapter over one memory, with a socket as the far end of the wire."""

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(FRAMES[0] + FRAMES[1]))
        layout = VnicLayout(1, ENTRIES, ENTRIES)
        self.hardware = HostVnic(self.memory, OFFSET, layout, [FRAMES])
        self.hardware.power_on(b"\x02\0\0\0\0\x01", link_up=True)
        self.bells = self.wakes = 0
        self.nic = Vnic(self.memory, OFFSET, layout, self.ring)
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.near, self.far):
            end.setblocking(False)
        self.pump = AdapterPump(self.hardware, self.near.fileno(), self.wake)
        self.enable(BOTH)

    def ring(self) -> None:
        self.bells += 1

    def wake(self) -> None:
        self.wakes += 1

    def asserted(self) -> tuple[bool, bool]:
        return self.nic.asserted(), self.hardware.asserted()

    def enable(self, directions: int) -> None:
        VnicWriteRegister(self.nic, VNIC_REGISTER_CONTROL, directions)

    def post(self, addresses: list[int]) -> None:
        assert VnicPostReceive(self.nic, 0, addresses) == len(addresses)

    def arrive(self, *frames: bytes) -> None:
        for frame in frames:
            self.far.send(frame)

    def received(self) -> list[bytes]:
        return [self.bytes_of(*place) for place in zip(*VnicReceive(self.nic, 0, ENTRIES), strict=True)]

    def bytes_of(self, address: int, length: int) -> bytes:
        return bytes(self.memory[address : address + length])

    def send(self, *frames: bytes, first: int = 200, more: bool = False) -> int:
        words = []
        for place, frame in enumerate(frames):
            address = SLOT[first + place % (SLOTS - first)]
            self.memory[address : address + len(frame)] = frame
            words.append(VnicDescriptor(address, len(frame), more and place < len(frames) - 1))
        return VnicTransmit(self.nic, 0, words)

    def left(self) -> list[bytes]:
        frames: list[bytes] = []
        while True:
            try:
                frame = self.far.recv(65536)
            except BlockingIOError:
                return frames
            if not frame:
                return frames
            frames.append(frame)

    def counter(self, register: int) -> int:
        self.pump.count()
        return VnicReadRegister(self.nic, register)


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.near.close()
    station.far.close()


def frame(number: int, length: int = 60) -> bytes:
    return number.to_bytes(4, "big").rjust(18, b"\x02").ljust(length, b"\xa5")


def test_frames_arrive_in_order_in_the_buffers_posted(station: Station) -> None:
    station.post(SLOT[:10])
    station.arrive(*(frame(n, 60 + n) for n in range(7)))
    assert not station.pump.service()
    assert station.wakes == 1
    assert station.received() == [frame(n, 60 + n) for n in range(7)]
    assert station.counter(VNIC_REGISTER_RECEIVE_FRAMES) == 7
    assert station.counter(VNIC_REGISTER_RECEIVE_BYTES) == sum(60 + n for n in range(7))
    assert station.pump.wants_read
    station.pump.service()
    assert station.wakes == 1, "nothing came, nobody is woken"


def test_a_budget_is_kept_and_more_is_said(station: Station) -> None:
    station.post(SLOT[:20])
    station.arrive(*map(frame, range(10)))
    assert station.pump.service(4)
    assert len(station.received()) == 4
    assert station.pump.service(4)
    assert not station.pump.service(4)
    assert len(station.received()) == 6


def test_frames_leave_in_order_and_are_completed_once_a_batch(station: Station) -> None:
    assert station.send(*(frame(n, 60 + n) for n in range(9))) == 9
    assert station.bells == 2, "enabling and sending"
    station.pump.service()
    assert station.left() == [frame(n, 60 + n) for n in range(9)]
    station.pump.settle()
    assert station.wakes == 1
    assert VnicTransmitCompleted(station.nic, 0) == 9
    assert station.counter(VNIC_REGISTER_TRANSMIT_FRAMES) == 9
    assert station.counter(VNIC_REGISTER_TRANSMIT_BYTES) == sum(60 + n for n in range(9))


def test_sent_frames_interrupt_only_when_the_host_settles(station: Station) -> None:
    VnicWriteRegister(station.nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, 1)
    VnicWriteRegister(station.nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    station.send(frame(0), frame(1))
    station.pump.service()
    assert (station.wakes, station.asserted()) == (0, (False, False))
    station.pump.settle()
    assert (station.wakes, station.asserted()) == (1, (True, True))
    station.pump.settle()
    assert station.wakes == 1, "told once"
    assert VnicTransmitCompleted(station.nic, 0) == 2
    assert station.asserted() == (False, False)


def test_a_receive_brings_along_the_frames_that_were_sent(station: Station) -> None:
    VnicWriteRegister(station.nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, 1)
    VnicWriteRegister(station.nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    station.post(SLOT[:4])
    station.send(frame(0))
    station.pump.service()
    station.arrive(frame(1))
    station.pump.service()
    assert station.wakes == 1
    both = VNIC_INTERRUPT_RECEIVE | VNIC_INTERRUPT_TRANSMIT
    assert VnicReadRegister(station.nic, VNIC_REGISTER_INTERRUPT_CAUSE) == both
    assert VnicTransmitCompleted(station.nic, 0) == 1
    assert station.received() == [frame(1)]
    station.pump.settle()
    assert station.asserted() == (False, False), "it has been seen already"


def test_half_a_ring_of_sent_frames_does_not_wait_for_the_host_to_settle(station: Station) -> None:
    VnicWriteRegister(station.nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_TRANSMIT)
    half = ENTRIES // 2
    assert station.send(*map(frame, range(half - 1)), first=0) == half - 1
    station.pump.service()
    assert (station.wakes, station.asserted()) == (0, (False, False))
    station.send(frame(half - 1))
    station.pump.service()
    assert (station.wakes, station.asserted()) == (1, (True, True))
    assert len(station.left()) == half


def test_a_pump_says_once_that_a_frame_has_moved(station: Station) -> None:
    station.pump.service()
    assert not station.pump.activity.moved
    station.post(SLOT[:2])
    station.arrive(frame(0))
    station.pump.service()
    assert station.pump.activity.moved
    station.pump.activity.moved = False
    station.pump.service()
    assert not station.pump.activity.moved
    station.send(frame(1))
    station.pump.service()
    assert station.pump.activity.moved


def test_buffers_used_again_carry_the_new_frame(station: Station) -> None:
    for turn in range(5):
        station.send(*(frame(turn * 100 + n) for n in range(70)), first=100)
        while station.pump.service():
            pass
        assert station.left() == [frame(turn * 100 + n) for n in range(70)]
        assert VnicTransmitCompleted(station.nic, 0) == 70


def test_a_frame_in_pieces_is_gathered(station: Station) -> None:
    whole = frame(1, 1000)
    station.send(frame(0))
    station.send(whole[:14], whole[14:15], whole[15:], more=True, first=210)
    station.send(frame(2), first=220)
    station.pump.service()
    assert station.left() == [frame(0), whole, frame(2)]
    assert VnicTransmitCompleted(station.nic, 0) == 5
    assert station.counter(VNIC_REGISTER_TRANSMIT_FRAMES) == 3


def test_a_frame_whose_end_lies_beyond_the_budget_is_sent_whole(station: Station) -> None:
    station.send(*map(frame, range(62)), first=100)
    station.send(frame(62)[:14], frame(62)[14:20], frame(62)[20:], more=True, first=180)
    assert station.pump.service(64)
    assert len(station.left()) == 62
    assert not station.pump.service(64)
    assert station.left() == [frame(62)]


def test_a_frame_without_an_end_waits_for_it_and_the_host_may_sleep(station: Station) -> None:
    word = VnicDescriptor(SLOT[200], 20, True)
    VnicTransmit(station.nic, 0, [word])
    assert station.pump.pending()
    assert not station.pump.service()
    assert not station.pump.pending()
    assert station.left() == []
    station.send(frame(1)[20:])
    assert station.pump.pending()
    station.pump.service()
    assert len(station.left()) == 1
    assert VnicTransmitCompleted(station.nic, 0) == 2


def test_a_frame_of_too_many_pieces_is_a_fault(station: Station) -> None:
    VnicTransmit(station.nic, 0, [VnicDescriptor(SLOT[200], 20, True)] * (VNIC_MAXIMUM_FRAGMENTS + 1))
    with pytest.raises(DeviceFault, match="more than 64 descriptors"):
        station.pump.service(8)


def test_a_frame_outside_the_frame_memory_is_a_fault_and_nothing_is_sent(station: Station) -> None:
    VnicTransmit(station.nic, 0, [VnicDescriptor(OFFSET, 60)])
    with pytest.raises(DeviceFault, match="no memory of the driver's"):
        station.pump.service()
    assert station.left() == []


@pytest.mark.parametrize("lengths", [[0], [1], [13], [0, 13], [7, 0, 6]])
def test_a_frame_too_short_is_completed_and_counted_and_not_sent(station: Station, lengths: list[int]) -> None:
    for turn in range(1, 3):
        station.send(frame(0), first=150)
        station.send(*(b"x" * length for length in lengths), more=True)
        station.send(frame(1), first=160)
        station.pump.service()
        assert station.left() == [frame(0), frame(1)]
        assert VnicTransmitCompleted(station.nic, 0) == 2 + len(lengths)
        assert station.counter(VNIC_REGISTER_TRANSMIT_ERRORS) == turn


def test_without_buffers_frames_stay_in_the_wire(station: Station) -> None:
    station.arrive(*map(frame, range(3)))
    assert not station.pump.service()
    assert not station.pump.wants_read, "or the host would spin on a readable wire"
    assert not station.pump.pending()
    assert not station.pump.service()
    assert station.counter(VNIC_REGISTER_RECEIVE_NO_BUFFER) == 1, "once until it has buffers again"
    bells = station.bells
    station.post(SLOT[:2])
    assert station.bells == bells + 1
    assert station.pump.pending()
    station.pump.service()
    assert station.pump.wants_read
    assert station.received() == [frame(0), frame(1)]
    bells = station.bells
    station.pump.service()
    station.post(SLOT[2:3])
    assert station.bells == bells + 1
    station.pump.service()
    station.post(SLOT[3:4])
    assert station.bells == bells + 1, "with buffers at hand no bell is wanted"
    assert station.received() == [frame(2)]


def test_a_full_receive_ring_holds_the_host_back_too(station: Station) -> None:
    station.post(SLOT[:ENTRIES])
    station.arrive(*map(frame, range(ENTRIES)))
    while station.pump.service():
        pass
    station.post(SLOT[ENTRIES : ENTRIES + 4])
    station.arrive(frame(999))
    station.pump.service()
    assert not station.pump.wants_read
    assert not station.pump.pending()
    assert len(station.received()) == ENTRIES
    station.post(SLOT[:1])
    assert station.pump.pending()
    station.pump.service()
    assert station.received() == [frame(999)]


def test_a_wire_that_takes_no_more_keeps_the_frames_posted(station: Station) -> None:
    posted, more = 0, True
    while not station.pump.wants_write:
        posted += station.send(*(frame(n, 1500) for n in range(posted, posted + 32)))
        VnicTransmitCompleted(station.nic, 0)
        more = station.pump.service()
    assert not more
    assert not station.pump.pending()
    taken = station.left()
    assert 0 < len(taken) < posted
    while station.pump.service() or station.pump.wants_write:
        taken += station.left()
    taken += station.left()
    assert taken == [frame(n, 1500) for n in range(posted)]
    assert station.counter(VNIC_REGISTER_TRANSMIT_FRAMES) == posted


def test_a_frame_as_long_as_its_buffer_is_dropped(station: Station) -> None:
    VnicPostReceive(station.nic, 0, SLOT[:2], 100)
    station.arrive(frame(0, 99), frame(1, 100), frame(2, 200), frame(3, 60))
    while station.pump.service():
        pass
    assert station.received() == [frame(0, 99), frame(3, 60)]
    assert station.counter(VNIC_REGISTER_RECEIVE_ERRORS) == 2
    assert bytes(station.memory[SLOT[1] + 100 : SLOT[1] + 200]) == bytes(100)


def test_a_receiver_that_is_off_drops_what_comes(station: Station) -> None:
    station.post(SLOT[:4])
    station.enable(VNIC_CONTROL_TRANSMIT_ENABLE)
    station.arrive(*map(frame, range(3)))
    assert station.pump.service(2)
    assert not station.pump.service(2)
    assert station.counter(VNIC_REGISTER_RECEIVE_DISCARDS) == 3
    station.arrive(frame(4))
    station.enable(BOTH)
    assert station.pump.pending()
    station.pump.service()
    assert station.received() == [frame(4)]


def test_a_transmitter_that_is_off_keeps_the_frames(station: Station) -> None:
    station.enable(VNIC_CONTROL_RECEIVE_ENABLE)
    station.send(frame(0))
    assert not station.pump.service()
    assert not station.pump.pending()
    assert station.left() == []
    station.enable(BOTH)
    station.pump.service()
    assert station.left() == [frame(0)]


def test_a_reset_throws_away_what_was_posted(station: Station) -> None:
    station.post(SLOT[:4])
    station.pump.service()
    station.send(frame(0), frame(1))
    station.enable(VNIC_CONTROL_RESET)
    station.pump.service()
    assert station.left() == []
    assert VnicTransmitCompleted(station.nic, 0) == 2
    station.enable(BOTH)
    station.arrive(frame(5))
    station.pump.service()
    assert not station.pump.wants_read
    bells = station.bells
    station.post(SLOT[:4])
    assert station.bells == bells + 1, "starved since the reset: the bell is wanted"
    station.pump.service()
    assert station.received() == [frame(5)]


def test_the_wish_for_buffers_is_said_again_whatever_the_driver_wrote_over_it(station: Station) -> None:
    station.pump.service()
    station.hardware.queues[0].ask_for_buffers(False)
    station.pump.service()
    bells = station.bells
    station.post(SLOT[:1])
    assert station.bells == bells + 1


@pytest.mark.parametrize("directions", [0, BOTH])
def test_the_end_of_the_wire_removes_the_adapter(station: Station, directions: int) -> None:
    station.post(SLOT[:4])
    station.enable(directions)
    station.arrive(frame(0))
    station.far.close()
    while station.pump.service():
        pass
    assert station.pump.removed == "the wire is gone"
    assert not station.pump.wants_read
    assert not station.pump.pending()
    assert station.wakes >= 1
    assert station.counter(VNIC_REGISTER_DEVICE_PRESENT) == VNIC_ALL_ONES
    if directions:
        assert station.received() == [frame(0)], "what came before the end is delivered"
    station.send(frame(1))
    assert not station.pump.service()
    assert VnicTransmitCompleted(station.nic, 0) == 0


def test_gathering_waits_for_room_too(station: Station) -> None:
    while not station.pump.wants_write:
        station.send(frame(0, 900), frame(1, 600), more=True)
        station.pump.service()
        VnicTransmitCompleted(station.nic, 0)
    station.left()
    station.pump.service()
    assert not station.pump.wants_write
    assert station.left() == [frame(0, 900) + frame(1, 600)]


def test_statistics_that_the_driver_overwrites_do_not_harm_the_host(station: Station) -> None:
    station.post(SLOT[:4])
    for _ in range(2):
        station.arrive(frame(0))
        station.send(frame(1))
        station.pump.service()
        queue = station.hardware.queues[0]
        for word in range(8):
            queue.statistics[word] = 0xFFFFFFFFFFFFFFFF
    station.arrive(frame(0))
    station.pump.service()
    assert station.counter(VNIC_REGISTER_RECEIVE_FRAMES) == 3


def test_a_reserved_flag_stops_before_anything_is_written(station: Station) -> None:
    VnicTransmit(station.nic, 0, [VnicDescriptor(SLOT[0], 60) | VNIC_DESCRIPTOR_MORE << 1])
    with pytest.raises(DeviceFault, match="reserved flags"):
        station.pump.service()
    assert station.left() == []


def test_frames_are_counted_when_the_host_settles(station: Station) -> None:
    station.post(SLOT[:40])
    station.send(frame(0))
    station.arrive(frame(1), frame(2, 70))
    station.pump.service()
    station.arrive(frame(3))
    station.pump.service()
    station.pump.settle()
    read = partial(VnicReadRegister, station.nic)
    assert (read(VNIC_REGISTER_RECEIVE_FRAMES), read(VNIC_REGISTER_RECEIVE_BYTES)) == (3, 190)
    assert (read(VNIC_REGISTER_TRANSMIT_FRAMES), read(VNIC_REGISTER_TRANSMIT_BYTES)) == (1, 60)
    station.pump.settle()
    assert read(VNIC_REGISTER_RECEIVE_FRAMES) == 3, "once"


@pytest.mark.parametrize("length", [100, 200])
def test_a_lone_frame_as_long_as_its_buffer_is_dropped(station: Station, length: int) -> None:
    VnicPostReceive(station.nic, 0, SLOT[:64], 100)
    station.pump.service()
    station.arrive(frame(0, length))
    station.pump.service()
    station.arrive(frame(1))
    station.pump.service()
    assert station.received() == [frame(1)]
    assert station.counter(VNIC_REGISTER_RECEIVE_ERRORS) == 1


def test_a_lone_frame_behind_an_unfinished_one_is_not_taken_for_it(station: Station) -> None:
    station.send(frame(0))  # known from now on
    station.pump.service()
    VnicTransmit(station.nic, 0, [VnicDescriptor(SLOT[210], 20, True)])
    assert not station.pump.service()
    station.send(frame(1)[20:], first=211)
    station.pump.service()
    assert len(station.left()) == 2
    station.send(frame(0))
    assert station.pump.pending(), "one is posted, as when the other had no end"
    station.pump.service()
    assert station.left() == [frame(0)]


def test_a_power_cycle_makes_a_control_word_new_though_it_is_the_same(station: Station) -> None:
    station.enable(VNIC_CONTROL_RESET)
    station.pump.service()
    station.enable(BOTH)
    station.pump.service()
    word = station.nic.words[WORD_CONTROL]
    station.hardware.power_on(b"\x02\0\0\0\0\x01", link_up=True)
    station.pump.power_cycled()
    station.nic.words[WORD_CONTROL] = word
    station.pump.service()
    assert station.nic.words[WORD_RESET_DONE] == 1


def test_a_full_wire_is_not_polled_for_frames_that_are_no_longer_posted(station: Station) -> None:
    while not station.pump.wants_write:
        station.send(*(frame(n, 1500) for n in range(32)))
        VnicTransmitCompleted(station.nic, 0)
        station.pump.service()
    station.nic.transmit[0].indices[PRODUCER] = station.hardware.queues[0].transmit_tail
    assert not station.pump.service()
    assert not station.pump.pending()
    assert not station.pump.wants_write
