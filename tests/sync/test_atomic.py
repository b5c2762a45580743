"""Interlocked operations by libatomic and by a lock: what they return, how they wrap, that no update is lost."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

import pytest

from emulator.sync import atomic, mutex, processes

if TYPE_CHECKING:
    from emulator.sync.memory import Mapping
    from tests.sync.conftest import Fork

needs_libatomic = pytest.mark.skipif(
    atomic.load() is None, reason="this computer has no libatomic (package libatomic1)"
)


class Derived(ctypes.c_int32):
    pass


class Record(ctypes.Structure):
    _fields_ = (("before", ctypes.c_int32), ("cell", Derived), ("after", ctypes.c_int32))


def locked(shared: Mapping) -> atomic.LockedAtomics:
    table = mutex.LockTable(shared.address, 1)
    table.initialize()
    return atomic.LockedAtomics(*table.bound(0))


@pytest.fixture(params=[pytest.param("libatomic", marks=needs_libatomic), "lock"])
def operations(request: pytest.FixtureRequest, shared: Mapping) -> atomic.Interlocked:
    if request.param == "lock":
        return locked(shared)
    by_processor = atomic.load()
    assert by_processor is not None
    return by_processor


@pytest.mark.parametrize("kind", [ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64, Derived])
def test_each_operation_returns_what_was_there(operations: atomic.Interlocked, kind: type[ctypes.c_int32]) -> None:
    cell = kind(0b1100)
    assert (operations.fetch_add(cell, 3), cell.value) == (12, 15)
    assert (operations.exchange(cell, 0b1010), cell.value) == (15, 10)
    assert (operations.or_(cell, 0b0101), cell.value) == (10, 15)
    assert (operations.and_(cell, 0b0110), cell.value) == (15, 6)
    assert (operations.compare_exchange(cell, 5, 9), cell.value) == (6, 6)
    assert (operations.compare_exchange(cell, 6, 9), cell.value) == (6, 9)
    operations.fence()


@pytest.mark.parametrize(
    ("kind", "start", "added", "end"),
    [
        (ctypes.c_int32, 0x7FFFFFFF, 1, -0x80000000),
        (ctypes.c_uint32, 0, -1, 0xFFFFFFFF),
        (ctypes.c_int64, 0x7FFFFFFFFFFFFFFF, 1, -0x8000000000000000),
        (ctypes.c_uint64, 0, -1, 0xFFFFFFFFFFFFFFFF),
        (ctypes.c_int64, 1, 1 << 40, (1 << 40) + 1),
        (ctypes.c_uint32, 1, 0xFFFFFFFF, 0),
    ],
)
def test_values_wrap_as_the_type_does(
    operations: atomic.Interlocked, kind: type[ctypes.c_int32], start: int, added: int, end: int
) -> None:
    cell = kind(start)
    assert operations.fetch_add(cell, added) == start
    assert cell.value == end


def test_a_comparison_is_made_in_the_type_of_the_cell(operations: atomic.Interlocked) -> None:
    cell = ctypes.c_int32(-1)
    assert operations.compare_exchange(cell, 0xFFFFFFFF, 7) == -1
    assert cell.value == 7


def test_the_neighbours_of_a_field_are_left_alone(operations: atomic.Interlocked) -> None:
    record = Record(before=-1, cell=0x7FFFFFFF, after=-1)
    operations.fetch_add(record.cell, 1)
    operations.exchange(record.cell, 5)
    assert (record.before, record.cell.value, record.after) == (-1, 5, -1)


@pytest.mark.parametrize("not_a_cell", [ctypes.c_int16(), ctypes.c_double(), Record()])
def test_what_is_no_cell_is_refused(operations: atomic.Interlocked, not_a_cell: ctypes.c_int32) -> None:
    with pytest.raises(TypeError):
        operations.compare_exchange(not_a_cell, 0, 0)


@pytest.mark.parametrize("kind", [ctypes.c_int32, ctypes.c_int64])
def test_two_processes_lose_no_update(
    operations: atomic.Interlocked, shared: Mapping, fork: Fork, kind: type[ctypes.c_int32]
) -> None:
    cell = kind.from_address(shared.address + 1024)
    started = ctypes.c_int32.from_address(shared.address + 1536)
    each = 100_000 if operations.available else 20_000

    def count() -> int:
        operations.fetch_add(started, 1)
        while started.value < 2:
            os.sched_yield()
        add = operations.fetch_add
        for _ in range(each):
            add(cell, 1)
        return 0

    children = [fork(count) for _ in range(2)]
    assert [processes.reap(child.pid).code for child in children] == [0, 0]
    assert cell.value == 2 * each


def test_a_plain_addition_does_lose_updates(shared: Mapping, fork: Fork) -> None:
    """Why the operations exist; if this ever fails, the test above shows nothing."""
    cell = ctypes.c_int64.from_address(shared.address + 1024)

    def count() -> int:
        while True:
            cell.value += 1

    # One process counts without end; this one sees its own addition overwritten.
    fork(count)
    for _ in range(2_000_000):
        seen = cell.value
        cell.value += 1_000_000_000
        if cell.value < seen + 1_000_000_000 - 1:
            return
    pytest.fail("two million additions and none was lost")


def test_without_the_library_the_lock_is_used(shared: Mapping) -> None:
    assert atomic.load("libatomic.so.none") is None
    by_lock = locked(shared)
    assert not by_lock.available
    chosen = atomic.interlocked(by_lock._acquire, by_lock._release)
    assert chosen.available == (atomic.load() is not None)


def test_a_lock_that_cannot_be_had_leaves_the_cell_alone() -> None:
    def acquire() -> None:
        raise RuntimeError("the holder died")

    cell = ctypes.c_int32(1)
    broken = atomic.LockedAtomics(acquire, lambda: pytest.fail("released what was never taken"))
    with pytest.raises(RuntimeError, match="holder died"):
        broken.fetch_add(cell, 1)
    assert cell.value == 1
