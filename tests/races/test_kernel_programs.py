"""Races below NDIS, each with its repaired twin: found by random choice and by PCT, found again by the schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.kernel import events, spinlocks
from emulator.kernel.events import KEVENT
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.spinlocks import KSPIN_LOCK
from emulator.kernel.waits import sleep_until
from emulator.layout.cells import LONG
from emulator.layout.records import u64
from emulator.rules.limits import VnicLimit
from emulator.simulated import Failure, LostUpdateFound, Simulation, explore, replay

SEEDS = range(200)


class SHARED(NONPAGED):
    Count: u64
    Ready: u64
    Cell: LONG
    Lock: KSPIN_LOCK
    Other: KSPIN_LOCK
    Event: KEVENT


def prepare(machine: Simulation) -> SHARED:
    shared: SHARED = machine.make(SHARED)
    spinlocks.initialize(machine.main, shared.Lock)
    spinlocks.initialize(machine.main, shared.Other)
    events.initialize(shared.Event)
    return shared


def twice(machine: Simulation, body: Callable[[SHARED], Any]) -> SHARED:
    shared = prepare(machine)
    for _ in range(2):
        machine.program(lambda: body(machine.of(shared)))
    machine.finish()
    return shared


# -- a lost update on a plain field --------------------------------------------------------------------------------
def plain_update(machine: Simulation) -> None:
    def body(shared: SHARED) -> None:
        shared.Count += 1

    assert twice(machine, body).Count == 2


def interlocked_update(machine: Simulation) -> None:
    def body(shared: SHARED) -> None:
        current.context.platform.fetch_add(shared.Cell, 1)

    assert twice(machine, body).Cell.value == 2


# -- a lock that guards the write but not the read it depends on -------------------------------------------------------
def read_outside_the_lock(machine: Simulation) -> None:
    def body(shared: SHARED) -> None:
        seen = shared.Count
        spinlocks.acquire(current.context, shared.Lock, 0)
        shared.Count = seen + 1
        spinlocks.release(current.context, shared.Lock)

    assert twice(machine, body).Count == 2


def read_inside_the_lock(machine: Simulation) -> None:
    def body(shared: SHARED) -> None:
        spinlocks.acquire(current.context, shared.Lock, 0)
        shared.Count += 1
        spinlocks.release(current.context, shared.Lock)

    assert twice(machine, body).Count == 2


# -- two locks in two orders -------------------------------------------------------------------------------------------
def _both(machine: Simulation, inverted: bool) -> None:
    shared = prepare(machine)

    def body(first: str, second: str) -> None:
        mine = machine.of(shared)
        spinlocks.acquire(current.context, getattr(mine, first), 0)
        spinlocks.acquire(current.context, getattr(mine, second), 0)
        mine.Count += 1
        spinlocks.release(current.context, getattr(mine, second))
        spinlocks.release(current.context, getattr(mine, first))

    machine.program(lambda: body("Lock", "Other"))
    machine.program(lambda: body("Other", "Lock") if inverted else body("Lock", "Other"))
    machine.finish()
    assert shared.Count == 2


def locks_in_two_orders(machine: Simulation) -> None:
    _both(machine, inverted=True)


def locks_in_one_order(machine: Simulation) -> None:
    _both(machine, inverted=False)


# -- a wake-up that is missed ------------------------------------------------------------------------------------------
def _wait_and_signal(machine: Simulation, resets_late: bool) -> None:
    shared = prepare(machine)

    def waiter() -> None:
        mine = machine.of(shared)
        if not mine.Ready:
            if resets_late:
                events.reset_event(current.context, mine.Event)
            events.wait_event(current.context, mine.Event, None)
        assert mine.Ready

    def signaller() -> None:
        mine = machine.of(shared)
        mine.Ready = 1
        events.set_event(current.context, mine.Event)

    machine.program(waiter, "waiter")
    machine.program(signaller, "signaller")
    machine.finish()


def event_reset_after_the_look(machine: Simulation) -> None:
    _wait_and_signal(machine, resets_late=True)


def event_never_reset(machine: Simulation) -> None:
    _wait_and_signal(machine, resets_late=False)


# -- a waiter that sleeps without having said so -----------------------------------------------------------------------
def _bare_sleep(machine: Simulation, flag_first: bool) -> None:
    shared = prepare(machine)

    def waiter() -> None:
        mine, context = machine.of(shared), current.context
        if flag_first:
            sleep_until(context, lambda: mine.Ready != 0)
            return
        while not mine.Ready:
            context.machine.arena.sleeping[context.slot] = 1
            context.platform.sleep(None)

    def signaller() -> None:
        context = current.context
        machine.of(shared).Ready = 1
        waiting = context.slot - 1
        if context.machine.arena.sleeping[waiting]:
            context.machine.arena.sleeping[waiting] = 0
            context.platform.ring(waiting)

    machine.program(waiter, "waiter")
    machine.program(signaller, "signaller")
    machine.finish()


def sleeps_without_a_second_look(machine: Simulation) -> None:
    _bare_sleep(machine, flag_first=False)


def looks_again_before_it_sleeps(machine: Simulation) -> None:
    _bare_sleep(machine, flag_first=True)


PAIRS = [
    (plain_update, interlocked_update, AssertionError),
    (read_outside_the_lock, read_inside_the_lock, AssertionError),
    (locks_in_two_orders, locks_in_one_order, VnicLimit.VNIC_DEADLOCK),
    (event_reset_after_the_look, event_never_reset, VnicLimit.VNIC_DEADLOCK),
    (sleeps_without_a_second_look, looks_again_before_it_sleeps, VnicLimit.VNIC_DEADLOCK),
]
IDS = [buggy.__name__ for buggy, _, _ in PAIRS]


def check_kind(failure: Failure, expected: Any) -> None:
    if isinstance(expected, VnicLimit):
        assert failure.report is not None
        assert failure.report.code == expected
        assert failure.report.holders
    else:
        assert isinstance(failure.error, expected)


@pytest.mark.parametrize("scheduler", ["random", "pct", "pct:2"])
@pytest.mark.parametrize(("buggy", "fixed", "expected"), PAIRS, ids=IDS)
def test_the_bug_is_found_found_again_and_not_in_the_repaired_twin(
    scheduler: str, buggy: Callable[[Any], None], fixed: Callable[[Any], None], expected: Any
) -> None:
    found = explore(buggy, SEEDS, scheduler, processors=2)
    assert found.failure is not None, f"not found in {found.executions} executions"
    check_kind(found.failure, expected)
    again = replay(buggy, found.failure.schedule.to_text(), processors=2)
    assert again is not None
    check_kind(again, expected)
    assert again.trace_hash == found.failure.trace_hash
    explore(fixed, range(60), scheduler, processors=2).require_none()


@pytest.mark.parametrize("seed", range(3))
def test_the_seed_alone_finds_it_again(seed: int) -> None:
    found = explore(plain_update, range(seed * 100, seed * 100 + 100)).failure
    assert found is not None
    again = explore(plain_update, [found.seed]).failure
    assert again is not None
    assert again.trace_hash == found.trace_hash
    assert again.schedule == found.schedule


def test_a_lost_update_is_named_with_both_places() -> None:
    found = explore(lambda machine: twice(machine, _read_then_write), SEEDS, lost_updates=True).failure
    assert found is not None
    assert isinstance(found.error, LostUpdateFound)
    assert "SHARED.Count" in str(found.error)
    assert "_read_then_write" in str(found.error)
    assert any("race" in line for line in found.trace)


def _read_then_write(shared: SHARED) -> None:
    seen = shared.Count
    shared.Count = seen + 1


def test_no_update_is_lost_under_a_lock() -> None:
    explore(read_inside_the_lock, range(60), lost_updates=True).require_none()


def test_a_deadlock_shows_who_waits_for_whom() -> None:
    found = explore(locks_in_two_orders, SEEDS, processors=2).failure
    assert found is not None
    assert found.report is not None
    assert found.report.name == "VNIC_DEADLOCK"
    graph = "\n".join(found.report.holders)
    assert "program 0 waits for spin lock 113, which program 1 holds; it holds processor" in graph
    assert "program 1 waits for spin lock 112, which program 0 holds" in graph


def test_a_livelock_is_named_by_the_step_limit() -> None:
    def waits_by_looking(machine: Simulation) -> None:
        shared = prepare(machine)

        def spin() -> None:
            mine = machine.of(shared)
            while not mine.Ready:
                pass

        machine.program(spin)
        machine.finish()

    found = explore(waits_by_looking, [0], step_limit=2000).failure
    assert found is not None
    assert found.report is not None
    assert found.report.code == VnicLimit.VNIC_STEP_LIMIT
    assert found.report.parameters[0] == 2001
