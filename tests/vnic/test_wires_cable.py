"""The cable in memory: frames whole and in order, drops counted, carrier and removal seen from the other end."""

from __future__ import annotations

import io
import mmap
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.patience import DEADLINE
from vnic.wires.cable import Cable, FarEnd
from vnic.wires.wire import DROP_ERRORS, Wire, is_removal

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[Cable, FarEnd]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = Cable.create()
    yield near, far
    near.close()
    far.close()


@pytest.fixture
def linked(pair: Pair) -> Pair:
    pair[0].set_carrier(True)
    assert pair[1].wait_carrier(True, DEADLINE)
    return pair


def frame_of(number: int, length: int = 64) -> bytes:
    return number.to_bytes(4, "big").rjust(18, b"\x02").ljust(length, b"\xa5")


def test_a_cable_is_a_wire(pair: Pair) -> None:
    near, _ = pair
    assert isinstance(near, Wire)
    assert near.name == "cable"
    assert near.descriptors() == (near.fileno(),)
    assert near.mtu == 1500
    assert not os.get_blocking(near.fileno())
    assert not os.get_inheritable(near.fileno())


def test_one_read_is_one_frame_and_one_write_is_one_frame(linked: Pair) -> None:
    near, far = linked
    frames = [frame_of(n, length) for n, length in enumerate((18, 64, 1514))]
    for frame in frames:
        assert far.send(frame)
    reader = io.FileIO(near.fileno(), "r", closefd=False)
    slot = bytearray(2048)
    for frame in frames:
        assert reader.readinto(slot) == len(frame)
        assert slot[: len(frame)] == frame
    assert reader.readinto(slot) is None  # nothing more: no exception on the hot path
    for frame in frames:
        os.writev(near.fileno(), [frame[:14], frame[14:]])
    assert [far.receive(DEADLINE) for _ in frames] == frames
    assert far.receive() is None
    assert (far.sent, far.received, far.dropped) == (3, 3, 0)


def test_a_scapy_packet_is_sent_as_its_bytes(linked: Pair) -> None:
    class Packet:
        def __bytes__(self) -> bytes:
            return frame_of(7)

    near, far = linked
    assert far.send(Packet())
    assert os.read(near.fileno(), 2048) == frame_of(7)


def test_what_has_no_ethernet_header_is_refused(linked: Pair) -> None:
    with pytest.raises(ValueError, match="13 bytes"):
        linked[1].send(bytes(13))


def test_a_full_near_end_drops_and_counts(linked: Pair) -> None:
    near, far = linked
    accepted = 0
    while far.send(frame_of(accepted, 1514)):
        accepted += 1
        assert accepted < 100_000, "the cable never filled"
    assert accepted >= 100
    assert (far.sent, far.dropped) == (accepted, 1)
    got = [os.read(near.fileno(), 2048) for _ in range(accepted)]
    assert got == [frame_of(n, 1514) for n in range(accepted)]
    assert far.send(frame_of(0))


def test_a_full_far_end_is_a_drop_for_the_writer(linked: Pair) -> None:
    near, far = linked

    def fill() -> int:
        for written in range(100_000):
            try:
                os.write(near.fileno(), frame_of(written))
            except OSError as error:
                if error.errno in DROP_ERRORS and not is_removal(error):
                    return written
                raise
        raise AssertionError("the cable never filled")

    written = fill()
    assert written >= 256  # a window of 256 frames fits
    # A full far end learns of the carrier all the same: it has something to read, and then looks.
    near.set_carrier(False)
    assert not far.carrier
    assert [far.receive() for _ in range(written)] == [frame_of(n) for n in range(written)]
    assert far.receive() is None


def test_a_send_with_a_timeout_waits_for_room(linked: Pair) -> None:
    near, far = linked
    count = 5000
    child = os.fork()
    if child == 0:
        far.close()
        seen = 0
        os.set_blocking(near.fileno(), True)
        while seen < count and os.read(near.fileno(), 2048):
            seen += 1
        os._exit(0 if seen == count else 1)
    assert all(far.send(frame_of(n), timeout=DEADLINE) for n in range(count))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert far.dropped == 0


def test_without_carrier_no_frame_passes(pair: Pair) -> None:
    near, far = pair
    assert not near.carrier
    assert not far.carrier
    assert not far.send(frame_of(1), timeout=DEADLINE)
    assert far.dropped == 1
    near.set_carrier(True)
    assert far.send(frame_of(1))
    near.set_carrier(False)
    assert not far.wait_carrier(True, 0.0)
    assert not far.send(frame_of(1))


def test_frames_that_arrive_while_waiting_for_carrier_are_kept(linked: Pair) -> None:
    near, far = linked
    os.write(near.fileno(), frame_of(1))
    near.set_carrier(False)
    assert far.wait_carrier(False, DEADLINE)
    near.set_carrier(True)
    assert far.wait_carrier(True, DEADLINE)
    assert far.receive() == frame_of(1)
    assert far.receive() is None  # doorbells are no frames


def test_another_process_s_carrier_wakes_the_far_end(pair: Pair) -> None:
    near, far = pair
    child = os.fork()
    if child == 0:
        near.set_carrier(True)
        os._exit(0)
    assert far.wait_carrier(True, DEADLINE)
    os.waitpid(child, 0)


def test_ends_are_made_of_descriptors_that_were_handed_over() -> None:
    near_socket, far_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    page = os.memfd_create("flag")
    os.ftruncate(page, mmap.PAGESIZE)
    near = Cable(near_socket, mmap.mmap(page, mmap.PAGESIZE), "cable", 1500)
    far = FarEnd(far_socket, mmap.mmap(page, mmap.PAGESIZE))
    os.close(page)
    near.set_carrier(True)
    assert far.wait_carrier(True, DEADLINE)
    assert all(far.send(frame_of(n)) for n in range(256))
    assert all(os.write(near.fileno(), frame_of(n)) for n in range(256))
    near.close()
    far.close()


def test_a_near_end_killed_is_a_pulled_plug(pair: Pair) -> None:
    near, far = pair
    child = os.fork()
    if child == 0:
        far.close()
        os.write(near.fileno(), frame_of(9))
        near.set_carrier(True)
        signal.pause()
        os._exit(0)
    near.close()
    assert far.wait_carrier(True, DEADLINE)
    assert far.send(frame_of(1))  # unread by the one that dies
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert far.wait_carrier(False, DEADLINE)
    assert far.gone
    assert not far.wait_carrier(True, DEADLINE)
    assert far.receive(DEADLINE) == frame_of(9)  # what it wrote before is not lost
    assert far.receive(DEADLINE) is None
    assert not far.send(frame_of(2), timeout=DEADLINE)


def test_a_cable_torn_out_is_a_removal(linked: Pair) -> None:
    near, far = linked
    assert not near.poll_removed()
    far.remove()
    assert near.poll_removed()
    assert io.FileIO(near.fileno(), "r", closefd=False).readinto(bytearray(2048)) == 0
    with pytest.raises(OSError, match=r".") as caught:
        os.write(near.fileno(), frame_of(1))
    assert is_removal(caught.value)
    near.set_carrier(False)  # no crash on the way down
    far.remove()


def test_closing_the_far_end_is_a_removal_too(linked: Pair) -> None:
    near, far = linked
    far.close()
    assert near.poll_removed()
    near.close()
    near.close()
    assert near.poll_removed()
