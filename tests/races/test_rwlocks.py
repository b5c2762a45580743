"""Reader/writer locks in every order of two programs: an update under the writer's lock is never lost, one under the
reader's is, and readers and writers never wait for each other for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel import rwlocks
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.rwlocks import KLOCK_STATE, KRW_LOCK
from emulator.layout.records import u64
from emulator.simulated import Simulation, explore

if TYPE_CHECKING:
    from collections.abc import Callable


class SHARED(NONPAGED):
    Count: u64
    Lock: KRW_LOCK


def run(machine: Simulation, body: Callable[[SHARED, Any], None]) -> int:
    shared: SHARED = machine.make(SHARED)
    assert rwlocks.initialize(machine.main, shared.Lock)
    for _ in range(3):
        machine.program(lambda: body(machine.of(shared), KLOCK_STATE()))
    machine.finish()
    return shared.Count


def add(shared: SHARED, state: Any, *, write: bool) -> None:
    context = current.context
    rwlocks.acquire(context, shared.Lock, state, 0, write=write)
    shared.Count += 1
    rwlocks.release(context, shared.Lock, state)


def under_the_writers_lock(machine: Simulation) -> None:
    assert run(machine, lambda shared, state: add(shared, state, write=True)) == 3


def under_the_readers_lock(machine: Simulation) -> None:
    assert run(machine, lambda shared, state: add(shared, state, write=False)) == 3


def a_reader_sees_all_or_nothing(machine: Simulation) -> None:
    def body(shared: SHARED, state: Any) -> None:
        context = current.context
        write = context.slot % 2 == 0
        rwlocks.acquire(context, shared.Lock, state, 0, write=write)
        before = shared.Count
        if write:
            shared.Count = before + 1
            shared.Count = before + 2
        assert shared.Count % 2 == 0
        rwlocks.release(context, shared.Lock, state)

    run(machine, body)


def test_no_update_is_lost_under_the_writers_lock() -> None:
    explore(under_the_writers_lock, range(80), processors=2).require_none()


def test_one_is_under_the_readers_lock() -> None:
    assert explore(under_the_readers_lock, range(200), processors=2).failure is not None


def test_readers_see_no_half_of_a_write() -> None:
    explore(a_reader_sees_all_or_nothing, range(80), processors=3).require_none()
