"""The locks: exclusion, the errors of a wrong use, and above all that a killed holder never leaves a stuck survivor."""

from __future__ import annotations

import ctypes
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from emulator.sync import mutex, processes

if TYPE_CHECKING:
    from emulator.sync.memory import Mapping
    from tests.sync.conftest import Fork, Isolated, Until

LOCKS = 8
WAITERS_BIT = 0x80000000


@pytest.fixture
def table(shared: Mapping) -> mutex.LockTable:
    table = mutex.LockTable(shared.address, LOCKS)
    table.initialize()
    return table


def counter_of(shared: Mapping) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(shared.address + LOCKS * mutex.MUTEX_SIZE)


def has_passed(counter: ctypes.c_int64, value: int) -> bool:
    return counter.value > value


def soon() -> int:
    return time.monotonic_ns() + 30_000_000_000


def hold_for_ever(table: mutex.LockTable, *indices: int) -> int:
    for index in indices:
        assert table.acquire(index) == 0
    while True:
        signal.pause()


def test_a_lock_is_taken_and_released(table: mutex.LockTable) -> None:
    acquire, release = table.bound(2)
    assert [table.acquire(1), acquire(), table.release(1), release()] == [0, 0, 0, 0]
    assert [table.holder(1), table.holder(2)] == [0, 0]


def test_a_second_acquire_by_the_holder_is_an_error_and_not_a_hang(table: mutex.LockTable, isolated: Isolated) -> None:
    def body() -> None:
        assert table.acquire(0) == 0
        assert table.acquire(0) == mutex.EDEADLK
        assert table.acquire_until(0, soon()) == mutex.EDEADLK
        assert table.release(0) == 0
        assert table.acquire(0) == 0

    isolated(body)


def test_a_release_of_what_is_not_held_is_an_error(table: mutex.LockTable) -> None:
    assert table.release(0) == mutex.EPERM


def test_another_process_is_excluded(table: mutex.LockTable, fork: Fork, until: Until) -> None:
    child = fork(lambda: hold_for_ever(table, 3))
    until(lambda: table.holder(3) == child.pid)
    assert table.try_acquire(3) == mutex.EBUSY
    assert table.release(3) == mutex.EPERM
    before = time.monotonic_ns()
    assert table.acquire_until(3, before + 5_000_000) == mutex.ETIMEDOUT
    assert time.monotonic_ns() >= before + 5_000_000
    assert table.try_acquire(4) == 0
    assert table.release(4) == 0


def test_the_next_taker_is_told_that_the_holder_was_killed(table: mutex.LockTable, fork: Fork, until: Until) -> None:
    child = fork(lambda: hold_for_ever(table, 5, 6))
    until(lambda: table.holder(6) == child.pid)
    processes.kill(child.pidfd)
    processes.reap(child.pid)
    assert table.try_acquire(5) == mutex.EOWNERDEAD
    assert table.make_consistent(5) == 0
    assert table.release(5) == 0
    assert [table.try_acquire(5), table.release(5)] == [0, 0]
    assert table.acquire_until(6, soon()) == mutex.EOWNERDEAD
    # The C library lists the robust locks that a thread holds: were one's memory unmapped, the next taker would crash.
    assert table.release(6) == 0


def test_a_lock_that_nobody_made_consistent_is_lost_for_good(table: mutex.LockTable, fork: Fork, until: Until) -> None:
    child = fork(lambda: hold_for_ever(table, 5))
    until(lambda: table.holder(5) == child.pid)
    processes.kill(child.pidfd)
    processes.reap(child.pid)
    assert table.try_acquire(5) == mutex.EOWNERDEAD
    assert table.release(5) == 0
    assert table.try_acquire(5) == mutex.ENOTRECOVERABLE


def test_who_waits_already_is_told_that_the_holder_was_killed(
    table: mutex.LockTable, shared: Mapping, fork: Fork, until: Until
) -> None:
    word = ctypes.c_uint32.from_address(shared.address)
    holder = fork(lambda: hold_for_ever(table, 0))
    until(lambda: table.holder(0) == holder.pid)
    waiter = fork(lambda: table.acquire(0))
    until(lambda: word.value & WAITERS_BIT)
    processes.kill(holder.pidfd)
    assert processes.reap(waiter.pid).code == mutex.EOWNERDEAD


def test_nothing_is_lost_under_a_lock(table: mutex.LockTable, shared: Mapping, fork: Fork) -> None:
    counter = counter_of(shared)

    def count() -> int:
        for _ in range(5_000):
            table.acquire(0)
            counter.value += 1
            table.release(0)
        return 0

    children = [fork(count) for _ in range(2)]
    assert [processes.reap(child.pid).code for child in children] == [0, 0]
    assert counter.value == 10_000


def test_no_kill_at_any_moment_leaves_a_stuck_survivor(
    table: mutex.LockTable, shared: Mapping, fork: Fork, until: Until
) -> None:
    counter = counter_of(shared)

    def take_and_give() -> int:
        while True:
            table.acquire(0)
            counter.value += 1
            table.release(0)

    dead = 0
    for _ in range(25):
        child = fork(take_and_give)
        until(partial(has_passed, counter, counter.value + 50))
        processes.kill(child.pidfd)
        processes.reap(child.pid)
        result = table.acquire_until(0, soon())
        if result == mutex.EOWNERDEAD:
            dead += 1
            assert table.make_consistent(0) == 0
        else:
            assert result == 0
        assert table.release(0) == 0
    assert dead > 0, "no kill hit a holder: the test has shown nothing"


def test_an_acquire_blocks_until_the_release(table: mutex.LockTable, shared: Mapping, isolated: Isolated) -> None:
    word = ctypes.c_uint32.from_address(shared.address)

    def body() -> None:
        assert table.acquire(0) == 0
        child = processes.fork_child(lambda: table.acquire(0), keep=(), name="waiter")
        while not word.value & WAITERS_BIT:
            assert not processes.wait_exit(child.pidfd, 1_000_000)
        assert table.release(0) == 0
        assert processes.reap(child.pid).code == 0

    isolated(body)


def test_a_lock_that_lies_wrong_is_refused(shared: Mapping) -> None:
    with pytest.raises(ValueError, match="eight-byte"):
        mutex.initialize(shared.address + 4)
    with pytest.raises(ValueError, match="cannot lie"):
        mutex.LockTable(shared.address + 4, 1)
    with pytest.raises(IndexError):
        mutex.LockTable(shared.address, 2).acquire(2)
