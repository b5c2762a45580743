"""The doorbell: no ring is ever lost, rings are taken once, and a wait ends for the right reason."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import time
from typing import TYPE_CHECKING

import pytest

from emulator.sync import processes
from emulator.sync.doorbell import Doorbell
from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.sync.memory import Mapping
    from tests.sync.conftest import Fork, Isolated

LONG_NS = 10_000_000_000


@pytest.fixture
def bell() -> Iterator[Doorbell]:
    bell = Doorbell.create()
    yield bell
    bell.close()


def test_a_ring_before_the_wait_counts(bell: Doorbell) -> None:
    bell.ring()
    assert bell.wait(LONG_NS)
    assert not bell.wait(0)


def test_many_rings_are_one(bell: Doorbell) -> None:
    for _ in range(5):
        bell.ring()
    assert bell.drain()
    assert not bell.drain()
    assert not bell.wait(0)


def test_a_wait_is_never_short(bell: Doorbell) -> None:
    before = time.monotonic_ns()
    assert not bell.wait(2_100_000)
    assert time.monotonic_ns() - before >= 2_100_000
    assert not bell.wait(-1)


def test_no_ring_is_lost_between_two_processes(shared: Mapping, fork: Fork, bell: Doorbell) -> None:
    rounds = 3_000
    other = Doorbell.create()
    ping = ctypes.c_uint32.from_address(shared.address)
    pong = ctypes.c_uint32.from_address(shared.address + 64)

    def answer() -> int:
        while pong.value < rounds:
            if pong.value == ping.value and not other.wait(LONG_NS):
                return 1
            if pong.value != ping.value:
                pong.value = ping.value
                bell.ring()
        return 0

    child = fork(answer, keep={bell.fd, other.fd})
    for number in range(1, rounds + 1):
        ping.value = number
        other.ring()
        while pong.value != number:
            assert bell.wait(LONG_NS), f"the ring of round {number} was lost"
    assert processes.reap(child.pid).code == 0
    other.close()


def test_a_signal_does_not_end_the_wait(isolated: Isolated) -> None:
    def body() -> None:
        seen: list[int] = []
        bell = Doorbell.create()
        me = os.getpid()
        signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))

        def disturb() -> int:
            os.kill(me, signal.SIGUSR1)
            bell.ring()
            return 0

        for _ in range(20):
            child = processes.fork_child(disturb, keep={bell.fd}, name="disturber")
            assert bell.wait(LONG_NS)
            processes.reap(child.pid)
        assert len(seen) == 20

    isolated(body)


def test_a_watched_descriptor_ends_the_wait_without_a_ring(bell: Doorbell) -> None:
    reading, writing = os.pipe()
    bell.watch(reading)
    os.write(writing, b"x")
    assert not bell.wait(LONG_NS)
    assert bell.ready == [reading]
    bell.ring()
    assert bell.wait(LONG_NS)
    assert bell.ready == [reading]
    bell.unwatch(reading)
    assert not bell.wait(0)
    assert bell.ready == []
    os.close(reading)
    os.close(writing)


def test_a_ring_never_blocks_or_fails_when_the_counter_is_full(bell: Doorbell) -> None:
    os.eventfd_write(bell.fd, 0xFFFFFFFFFFFFFFFE)
    bell.ring()
    assert bell.wait(0)


def test_a_closed_doorbell_is_an_error_and_not_a_busy_loop() -> None:
    bell = Doorbell.create()
    bell.close()
    with pytest.raises(OSError, match="closed") as caught:
        bell.wait(0)
    assert caught.value.errno == errno.EBADF


def test_no_descriptor_left_is_told_with_what_mends_it(isolated: Isolated) -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        with pytest.raises(SharedMemoryError, match="making a doorbell") as caught:
            Doorbell.create()
        assert caught.value.mend == "ulimit -n 4096"

    isolated(body)
