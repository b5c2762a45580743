"""The host's frame loop of several queues: where frames go, in which order, and how a new table takes effect."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from emulator.host.pump_scaled import MOST_PARKED, ScaledPump
from tests.vnic.test_toeplitz import KEY, UDP, VECTORS, ipv4, ipv6, segment
from vnic.device import (
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    VNIC_HASH_FUNCTION_TOEPLITZ,
    VNIC_HASH_IPV4,
    VNIC_HASH_TCP_IPV4,
    VNIC_HASH_TCP_IPV6,
    VNIC_HASH_TYPES,
    VNIC_INTERRUPT_ALL,
    VNIC_REGISTER_CONTROL,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_RECEIVE_DISCARDS,
    VNIC_REGISTER_RECEIVE_ERRORS,
    VNIC_REGISTER_RECEIVE_FRAMES,
    VNIC_REGISTER_SCALING_DONE,
    Vnic,
    VnicDescriptor,
    VnicLayout,
    VnicPostReceive,
    VnicReadRegister,
    VnicReceiveScaled,
    VnicSetReceiveScaling,
    VnicTransmit,
    VnicTransmitCompleted,
    VnicWriteRegister,
)
from vnic.device.hardware import HostVnic
from vnic.device.toeplitz import FrameHash

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUES = 4
ENTRIES = 64
OFFSET = 4096
SLOTS = 512
FRAMES = (65536, SLOTS * 2048)
SLOT = [FRAMES[0] + index * 2048 + 128 for index in range(SLOTS)]
BOTH = VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE
EVERYTHING = VNIC_HASH_TYPES | VNIC_HASH_FUNCTION_TOEPLITZ
ROUND_ROBIN = [place % QUEUES for place in range(128)]


class Station:
    """A host's pump and a driver's adapter with several queues over one memory; `wires` sockets are the wire."""

    offloads = 0

    def __init__(self, wires: int = 1) -> None:
        self.memory = memoryview(bytearray(FRAMES[0] + FRAMES[1]))
        layout = VnicLayout(QUEUES, ENTRIES, ENTRIES)
        self.hardware = HostVnic(self.memory, OFFSET, layout, [FRAMES])
        self.hardware.power_on(b"\x02\0\0\0\0\x01", link_up=True, offloads=self.offloads)
        self.bells = self.wakes = 0
        self.now = 0
        self.nic = Vnic(self.memory, OFFSET, layout, self.ring)
        self.pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(wires)]
        for pair in self.pairs:
            for end in pair:
                end.setblocking(False)
        self.steering: list[bytes] = []
        self.steered_to: list[int] | None = None
        self.longest_queue = 8
        self.pump = self.make_pump([near.fileno() for near, _ in self.pairs])
        VnicWriteRegister(self.nic, VNIC_REGISTER_CONTROL, BOTH)
        for queue in range(QUEUES):
            self.mask(queue, VNIC_INTERRUPT_ALL)

    def make_pump(self, descriptors: list[int]) -> ScaledPump:
        return ScaledPump(
            self.hardware,
            descriptors,
            self.wake,
            QUEUES,
            steered=self if len(descriptors) > 1 else None,  # type: ignore[arg-type]
            clock=lambda: self.now,
        )

    def steer(self, information: int, key: bytes) -> None:
        self.steering.append(key)

    def steer_to_first(self) -> None:
        self.steering.append(b"first")

    def ring(self) -> None:
        self.bells += 1

    def wake(self) -> None:
        self.wakes += 1

    def mask(self, queue: int, causes: int) -> None:
        VnicWriteRegister(self.nic, VNIC_REGISTER_INTERRUPT_MASK, causes, queue)

    def post(self, queue: int, count: int, first: int | None = None) -> None:
        start = queue * (SLOTS // QUEUES) if first is None else first
        assert VnicPostReceive(self.nic, queue, SLOT[start : start + count]) == count

    def post_all(self, count: int = ENTRIES) -> None:
        for queue in range(QUEUES):
            self.post(queue, count)

    def arrive(self, *frames: bytes, wire: int = 0) -> None:
        for frame in frames:
            self.pairs[wire][1].send(frame)

    def service(self) -> None:
        while self.pump.service():
            pass

    def received(self, queue: int) -> list[tuple[bytes, int, int]]:
        lists = VnicReceiveScaled(self.nic, queue, ENTRIES)
        frames = [bytes(self.memory[address : address + length]) for address, length in zip(*lists[:2], strict=True)]
        if frames:
            assert VnicPostReceive(self.nic, queue, lists[0]) == len(frames)
        return list(zip(frames, *lists[2:], strict=True))

    def scale(self, table: list[int], information: int = EVERYTHING, key: bytes = KEY) -> None:
        VnicSetReceiveScaling(self.nic, information, key, table)

    @property
    def scaled(self) -> int:
        return VnicReadRegister(self.nic, VNIC_REGISTER_SCALING_DONE)

    def counter(self, register: int) -> int:
        self.pump.count()
        return VnicReadRegister(self.nic, register)

    def close(self) -> None:
        for pair in self.pairs:
            for end in pair:
                end.close()


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.close()


def flow(number: int, sequence: int = 0) -> bytes:
    """A numbered datagram of a flow."""
    return ipv4(segment(1000 + number, 53)[:8] + sequence.to_bytes(4, "big"), UDP)


def home(number: int, table: list[int], key: bytes = KEY) -> int:
    """The queue where a flow belongs."""
    frame = flow(number)
    value, _ = FrameHash(EVERYTHING, key)(memoryview(frame), len(frame))
    return table[value & (len(table) - 1)]


def sequences(frames: list[tuple[bytes, int, int]]) -> dict[int, list[int]]:
    """What was received of each flow, in order."""
    found: dict[int, list[int]] = {}
    for frame, _, _ in frames:
        number = int.from_bytes(frame[34:36], "big") - 1000
        found.setdefault(number, []).append(int.from_bytes(frame[42:46], "big"))
    return found


def test_without_scaling_every_frame_is_queue_0_s_and_has_no_hash(station: Station) -> None:
    station.post_all()
    frames = [flow(number) for number in range(20)]
    station.arrive(*frames)
    station.service()
    assert station.received(0) == [(frame, 0, 0) for frame in frames]
    assert station.wakes == 1


def test_frames_go_where_their_hashes_say_and_bring_them(station: Station) -> None:
    station.post_all()
    station.scale(ROUND_ROBIN)
    station.service()
    assert station.scaled == 1
    expected: list[list[tuple[bytes, int, int]]] = [[] for _ in range(QUEUES)]
    for destination, to, source, since, addresses, ports in VECTORS:
        six = ":" in destination
        build = ipv6 if six else ipv4
        tcp = build(segment(since, to), source=source, destination=destination)
        kind = VNIC_HASH_TCP_IPV6 if six else VNIC_HASH_TCP_IPV4
        expected[ports % QUEUES].append((tcp, ports, kind | VNIC_HASH_FUNCTION_TOEPLITZ))
        station.arrive(tcp)
        if not six:
            ping = ipv4(bytes(30), 1, source=source, destination=destination)
            hashed = VNIC_HASH_IPV4 | VNIC_HASH_FUNCTION_TOEPLITZ
            expected[addresses % QUEUES].append((ping, addresses, hashed))
            station.arrive(ping)
    arp = bytes(12) + b"\x08\x06" + bytes(46)
    expected[0].append((arp, 0, 0))
    station.arrive(arp)
    station.service()
    assert [station.received(queue) for queue in range(QUEUES)] == expected
    assert station.counter(VNIC_REGISTER_RECEIVE_FRAMES) == 14 == station.pump.statistics[0]


def test_scaling_is_switched_off_again(station: Station) -> None:
    station.post_all()
    station.scale([3])
    station.service()
    station.arrive(flow(1))
    station.service()
    assert [information for _, _, information in station.received(3)] != [0]
    VnicSetReceiveScaling(station.nic, 0, b"", ())
    station.arrive(flow(1))
    station.service()
    assert station.received(0) == [(flow(1), 0, 0)]


def test_a_queue_without_buffers_parks_its_frames_and_the_others_go_on(station: Station) -> None:
    station.scale([0, 1, 2, 3])
    station.service()
    starving = home(0, [0, 1, 2, 3])
    for queue in range(QUEUES):
        if queue != starving:
            station.post(queue, ENTRIES)
    other = next(number for number in range(1, 50) if home(number, [0, 1, 2, 3]) != starving)
    for number in range(30):
        station.arrive(flow(0, number), flow(other, number))
    station.service()
    assert sequences(station.received(home(other, [0, 1, 2, 3]))) == {other: list(range(30))}
    assert station.pump.wants_read
    assert not station.pump.pending()
    bells = station.bells
    station.post(starving, 10)
    assert station.bells == bells + 1
    assert station.pump.pending()
    station.service()
    station.post(starving, 30, first=starving * 128 + 10)
    station.arrive(flow(0, 30))
    station.service()
    assert sequences(station.received(starving)) == {0: list(range(31))}


def test_with_too_many_parked_the_wire_is_read_no_more(station: Station) -> None:
    station.scale([1])
    station.service()
    sent = 0
    for _ in range(15):
        for _ in range(30):
            station.arrive(flow(0, sent))
            sent += 1
        station.pump.service()
    station.service()
    assert not station.pump.wants_read
    assert len(station.pump.queues[1].parked) == MOST_PARKED
    station.post(1, ENTRIES)
    got: list[int] = []
    for _ in range(30):
        station.service()
        got += sequences(station.received(1)).get(0, [])
    assert got == list(range(sent))
    assert station.pump.wants_read


def test_what_is_parked_is_thrown_away_when_receive_goes_off(station: Station) -> None:
    station.scale([1])
    station.service()
    station.arrive(flow(0), flow(0))
    station.service()
    VnicWriteRegister(station.nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_TRANSMIT_ENABLE)
    station.arrive(flow(0))
    station.service()
    assert station.counter(VNIC_REGISTER_RECEIVE_DISCARDS) == 3
    VnicWriteRegister(station.nic, VNIC_REGISTER_CONTROL, BOTH)
    station.post_all()
    station.service()
    assert station.received(1) == []


def test_a_frame_as_long_as_its_buffer_is_dropped(station: Station) -> None:
    station.scale([2])
    station.post_all()
    station.arrive(flow(0, 1), flow(0) + bytes(2000), flow(0, 2), bytes(40000))
    station.service()
    assert sequences(station.received(2)) == {0: [1, 2]}
    assert station.counter(VNIC_REGISTER_RECEIVE_ERRORS) == 2


def test_a_new_table_waits_until_nothing_is_under_way(station: Station) -> None:
    station.post_all()
    station.scale([1])
    station.service()
    station.mask(1, 0)  # as its ISR does
    station.arrive(flow(0, 0), flow(0, 1))
    station.service()
    station.scale([2])
    station.arrive(flow(0, 2))
    station.service()
    assert station.scaled == 1
    assert not station.pump.wants_read
    assert station.pump.activity.moved  # so the host does not sleep yet
    bells = station.bells
    assert sequences(station.received(1)) == {0: [0, 1]}
    assert station.bells > bells  # it posted buffers: the host looks again
    station.service()
    assert station.scaled == 1  # taken, but its DPC is not done
    assert not station.pump.pending()
    bells = station.bells
    station.mask(1, VNIC_INTERRUPT_ALL)
    assert station.bells == bells + 1  # the host may sleep meanwhile
    assert station.pump.pending()
    station.service()
    assert station.scaled == 2
    assert station.pump.wants_read
    assert sequences(station.received(2)) == {0: [2]}
    assert station.received(1) == []
    bells = station.bells
    assert station.received(3) == []
    station.arrive(flow(0, 3))
    station.service()
    assert len(station.received(2)) == 1
    assert station.bells == bells  # nobody rings for buffers any more


def fill(end: socket.socket) -> int:
    """Send until the other end takes no more; how many frames."""
    for count in range(100_000):
        try:
            end.send(bytes(60))
        except BlockingIOError:
            return count
    raise AssertionError("there is always room")


def test_a_new_table_waits_until_the_wire_has_what_was_posted_and_for_nothing_that_is_posted_later(
    station: Station,
) -> None:
    station.post_all()
    near, far = station.pairs[0]
    stuffing = fill(near)
    VnicTransmit(station.nic, 1, [VnicDescriptor(SLOT[0], 60), VnicDescriptor(SLOT[1], 60)])
    station.scale([1])
    station.service()
    assert station.scaled == 0
    assert not station.pump.wants_read
    assert not station.pump.pending()  # until the wire can be written again
    for _ in range(stuffing):
        far.recv(100)
    for _ in range(3):  # somebody sends all the time
        VnicTransmit(station.nic, 2, [VnicDescriptor(SLOT[2], 60)] * 10)
        station.pump.service()
    assert station.scaled == 1
    assert station.pump.wants_read


def test_a_queue_that_the_driver_does_not_use_keeps_no_table_waiting(station: Station) -> None:
    station.post_all()
    station.mask(3, 0)
    station.scale([1, 2])
    station.service()
    assert station.scaled == 1
    bells = station.bells
    station.mask(3, VNIC_INTERRUPT_ALL)
    assert station.bells == bells


def test_the_host_does_not_wait_awake_for_a_driver_that_never_unmasks(station: Station) -> None:
    station.post_all()
    station.service()
    station.arrive(flow(0))
    station.service()
    station.mask(0, 0)
    station.scale([1])
    station.pump.activity.moved = False
    station.service()
    assert station.pump.activity.moved
    station.now += 1_000_000_000
    station.pump.activity.moved = False
    station.service()
    assert not station.pump.activity.moved
    assert not station.pump.pending()
    assert station.scaled == 0
    station.received(0)
    station.service()
    assert station.pump.activity.moved  # it has taken frames: there is hope again
    assert station.scaled == 0


def test_a_table_that_is_asked_for_while_another_waits_takes_its_place(station: Station) -> None:
    station.post_all()
    station.arrive(flow(0))
    station.service()
    station.scale([1])
    station.service()
    station.scale([3])
    station.service()
    assert station.scaled == 0
    station.received(0)
    station.arrive(flow(0))
    station.service()
    assert station.scaled == 2
    assert sequences(station.received(3)) == {0: [0]}


@pytest.mark.parametrize("wires", [1, QUEUES])
def test_tables_change_under_traffic_and_nothing_is_lost_or_reordered(wires: int) -> None:
    station = Station(wires)
    station.post_all()
    got: dict[int, list[int]] = {}
    flows, sent = 16, 0
    for turn in range(60):
        if turn % 5 == 0:
            station.scale([(turn // 5 + place * 3) % QUEUES for place in range(8)])
        for _ in range(3):
            for number in range(flows):
                station.arrive(flow(number, sent), wire=number % wires)
            sent += 1
        station.pump.service()
        for queue in range(QUEUES):
            if (turn + queue) % 3:
                for number, numbers in sequences(station.received(queue)).items():
                    got.setdefault(number, []).extend(numbers)
    for _ in range(20):
        station.service()
        for queue in range(QUEUES):
            for number, numbers in sequences(station.received(queue)).items():
                got.setdefault(number, []).extend(numbers)
    assert got == {number: list(range(sent)) for number in range(flows)}
    assert station.scaled > 5
    station.close()


def test_a_wire_that_steers_is_told_of_a_key_in_two_steps() -> None:
    station = Station(QUEUES)
    station.post_all()
    # What the kernel has steered by nothing yet lies anywhere; then flow 1 is steered to the first, then to the third.
    station.arrive(flow(1, 0), wire=2)
    station.scale([1])
    station.arrive(flow(1, 1), wire=0)
    station.pump.service(QUEUES)
    assert station.steering == [b"first"]
    assert sequences(station.received(1)) == {1: [0]}
    while len(station.steering) < 2:
        station.pump.service(QUEUES)
    assert station.steering == [b"first", KEY]
    station.arrive(flow(1, 2), wire=2)
    station.pump.service(QUEUES)
    assert sequences(station.received(1)) == {1: [1]}
    station.service()
    assert sequences(station.received(1)) == {1: [2]}
    station.scale([2])  # the same key: nothing changes in the kernel
    station.service()
    assert station.scaled == 2
    assert len(station.steering) == 2
    station.close()


def test_under_a_flood_the_first_descriptor_is_read_as_far_as_the_old_frames_can_reach() -> None:
    station = Station(QUEUES)
    station.post_all()
    station.scale([1])
    station.arrive(flow(1, 0), wire=3)
    for number in range(20):
        station.arrive(flow(2, number), wire=0)
    while len(station.steering) < 2:
        station.pump.service(4)
    assert sequences(station.received(1)) == {1: [0]}
    station.arrive(flow(1, 1), wire=3)
    for _ in range(2):  # as many as lie in front of a descriptor at most
        station.pump.service(4)
    assert sequences(station.received(1)) == {2: list(range(8))}
    station.pump.service(4)
    assert sequences(station.received(1)) == {1: [1], 2: [8]}
    station.close()


def test_every_queue_sends(station: Station) -> None:
    for queue in range(QUEUES):
        address = SLOT[queue]
        self_made = flow(queue)
        station.memory[address : address + len(self_made)] = self_made
        assert VnicTransmit(station.nic, queue, [VnicDescriptor(address, len(self_made))]) == 1
    assert station.pump.pending()
    station.service()
    assert not station.pump.pending()
    assert [station.pairs[0][1].recv(2000) for _ in range(QUEUES)] == [flow(queue) for queue in range(QUEUES)]
    assert [VnicTransmitCompleted(station.nic, queue) for queue in range(QUEUES)] == [1] * QUEUES
    assert not station.hardware.asserted(2)
    station.pump.settle()
    assert station.wakes == QUEUES


def test_the_wire_s_end_is_a_removal(station: Station) -> None:
    station.pairs[0][1].close()
    station.service()
    assert station.pump.removed == "the wire is gone"
    assert not station.hardware.present
    assert (station.pump.wants_read, station.pump.wants_write) == (False, False)
    assert not station.pump.pending()


def test_switched_off_and_on_it_has_forgotten(station: Station) -> None:
    station.scale([1])
    station.service()
    station.arrive(flow(0))
    station.service()
    station.hardware.power_on(b"\x02\0\0\0\0\x01", link_up=True)
    station.pump.power_cycled()
    VnicWriteRegister(station.nic, VNIC_REGISTER_CONTROL, BOTH)
    station.post_all()
    station.arrive(flow(5))
    station.service()
    assert station.received(0) == [(flow(5), 0, 0)]
    assert station.received(1) == []
