"""The live platform by itself: locks that tell of the dead, sleeps that end, logs that never block."""

from __future__ import annotations

import os
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from emulator.host import messages
from emulator.host import platform as module
from emulator.host.platform import LivePlatform, lock_table, private_fence
from emulator.kernel.context import Context
from emulator.kernel.images import Images
from emulator.kernel.machine import Machine
from emulator.kernel.platform import PATIENCE_NS, current
from emulator.layout.arena import Arena, Geometry, offsets_of
from emulator.layout.cells import LONG
from emulator.layout.machine import ContextKind
from emulator.rules.errors import EmulatorError, MachineStopped
from emulator.sync import atomic, memory, processes
from tests.host.toy import ToyServices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = 1_000_000_000
GEOMETRY = Geometry(work_items=64, frame_slots=64, pool_bytes=1 << 20, timers=32)
SLOT = 4


class Bench:
    """A platform with its machine in this process."""

    def __init__(self) -> None:
        descriptor = memory.create("test", offsets_of(GEOMETRY)["size"])
        self.mapping = memory.map(descriptor)
        os.close(descriptor)
        self.arena = Arena(self.mapping.view, GEOMETRY)
        self.locks = lock_table(self.mapping, self.arena)
        self.locks.initialize()
        self.doorbells = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(GEOMETRY.slots)]
        self.reader, self.writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.reader.setblocking(False)
        self.platform = LivePlatform(SLOT, self.locks, self.doorbells, self.writer)
        self.machine = Machine(self.arena, Images(), ToyServices())
        self.context = Context(self.machine, self.platform, SLOT, ContextKind.PROCESSOR, 0)
        current.context = self.context

    def close(self) -> None:
        for fd in self.doorbells:
            os.close(fd)
        self.reader.close()
        self.writer.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def killed_with(bench: Bench, lock: int) -> None:
    """Let a child die with the lock in its hands."""

    def run() -> int:
        bench.locks.acquire(lock)
        os.kill(os.getpid(), 9)
        return 0

    child = processes.fork_child(run, keep=[], name="dies")
    processes.reap(child.pid)
    os.close(child.pidfd)


def test_a_lock_is_taken_tried_and_given_back(bench: Bench) -> None:
    platform = bench.platform
    platform.acquire(7)
    assert bench.locks.holder(7) == os.getpid()
    platform.release(7)
    assert platform.try_acquire(7) is True
    platform.release(7)


def test_a_lock_of_another_process_is_busy(bench: Bench) -> None:
    ready, wait = os.pipe(), os.pipe()

    def run() -> int:
        bench.locks.acquire(7)
        os.write(ready[1], b"x")
        os.read(wait[0], 1)
        return 0

    child = processes.fork_child(run, keep=[ready[1], wait[0]], name="holds")
    os.read(ready[0], 1)
    assert bench.platform.try_acquire(7) is False
    os.write(wait[1], b"x")
    processes.reap(child.pid)
    for fd in (*ready, *wait, child.pidfd):
        os.close(fd)


@pytest.mark.parametrize("way", ["acquire", "try_acquire"])
def test_the_lock_of_a_dead_owner_makes_its_taker_leave(bench: Bench, way: str) -> None:
    killed_with(bench, 9)
    with pytest.raises(MachineStopped):
        getattr(bench.platform, way)(9)
    assert bench.arena.machine.owner_deaths == 1
    bench.locks.release(9)  # this process does not end now, as a context would: the memory goes before the lock


def test_misuse_of_a_lock_is_our_fault(bench: Bench) -> None:
    bench.platform.acquire(7)
    with pytest.raises(EmulatorError, match="lock 7 in slot 4"):
        bench.platform.acquire(7)
    bench.platform.release(7)
    with pytest.raises(EmulatorError):
        bench.platform.release(7)


def test_a_sleep_ends_at_its_deadline_or_when_it_is_rung(bench: Bench) -> None:
    platform = bench.platform
    begun = platform.now()
    platform.sleep(begun + 20_000_000)
    assert platform.now() - begun >= 20_000_000
    platform.ring(SLOT)
    begun = platform.now()
    platform.sleep(begun + 5_000_000_000)
    assert platform.now() - begun < 1_000_000_000
    assert bench.context.box.wakes == 2


def test_a_ring_wakes_the_slot_that_is_meant(bench: Bench) -> None:
    bench.platform.ring(3)
    assert os.eventfd_read(bench.doorbells[3]) == 1
    with pytest.raises(BlockingIOError):
        os.eventfd_read(bench.doorbells[SLOT])


def test_interlocked_operations_and_the_fence(bench: Bench) -> None:
    cell: Any = LONG()
    cell.value = 5
    platform = bench.platform
    assert platform.fetch_add(cell, 3) == 5
    assert platform.exchange(cell, 1) == 8
    assert platform.compare_exchange(cell, 1, 2) == 1
    assert cell.value == 2
    platform.fence()


def test_without_libatomic_a_lock_does_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "load", lambda: None)
    platform = LivePlatform(SLOT, bench.locks, bench.doorbells, bench.writer)
    cell: Any = LONG()
    cell.value = 5
    assert platform.fetch_add(cell, -1) == 5
    assert cell.value == 4
    platform.fence()
    fence = private_fence()
    fence()
    assert fence is not platform.fence


def test_the_clocks(bench: Bench) -> None:
    assert abs(bench.platform.now() - time.monotonic_ns()) < 1_000_000_000
    year = bench.platform.system_time() / 1e7 / 86400 / 365.2425 + 1601
    assert year == pytest.approx(1970 + time.time() / 86400 / 365.2425, abs=0.01)


def test_a_log_record_is_one_datagram(bench: Bench) -> None:
    bench.platform.log(20, "driver", "hello")
    record = msgspec.msgpack.decode(bench.reader.recv(65536), type=messages.ToLog)
    assert record == messages.LogRecord(20, "driver", "hello", SLOT, 0)
    bench.platform.grow()
    assert msgspec.msgpack.decode(bench.reader.recv(65536), type=messages.ToLog) == messages.Grow(SLOT)


def test_a_full_log_drops_and_counts_and_never_waits(bench: Bench) -> None:
    for _ in range(2000):
        bench.platform.log(20, "driver", "x" * 500)
    arrived = 0
    try:
        while True:
            bench.reader.recv(65536)
            arrived += 1
    except BlockingIOError:
        pass
    assert 0 < arrived < 2000
    bench.platform.log(20, "driver", "y" * 100_000)
    record = msgspec.msgpack.decode(bench.reader.recv(65536), type=messages.ToLog)
    assert isinstance(record, messages.LogRecord)
    assert record.dropped == 2000 - arrived
    assert len(record.text) < 10_000


def test_records_below_the_level_are_not_sent(bench: Bench) -> None:
    platform = LivePlatform(SLOT, bench.locks, bench.doorbells, bench.writer, level=30)
    platform.log(20, "driver", "no")
    with pytest.raises(BlockingIOError):
        bench.reader.recv(10)


@pytest.mark.parametrize("processors", [1, 2])
def test_it_lingers_for_a_moment_where_somebody_else_can_make_it_ready(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    clock = SimpleNamespace(now=START, looks=0, steps=0)

    def step_aside() -> None:
        clock.now += PATIENCE_NS // 4
        clock.steps += 1

    def ready_at(look: int) -> Callable[[], bool]:
        def ready() -> bool:
            clock.looks += 1
            return bool(clock.looks >= look)

        clock.looks = clock.steps = 0
        return ready

    monkeypatch.setattr(module, "LINGER_NS", PATIENCE_NS if processors > 1 else 0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: clock.now))
    monkeypatch.setattr(module, "os", SimpleNamespace(sched_yield=step_aside))
    assert bench.platform.linger(ready_at(1)) is (processors > 1)
    assert clock.looks == clock.steps == (1 if processors > 1 else 0)
    assert bench.platform.linger(ready_at(4)) is (processors > 1)
    assert clock.looks == clock.steps == (4 if processors > 1 else 0)
    assert not bench.platform.linger(ready_at(100))
    assert clock.steps == (4 if processors > 1 else 0)
