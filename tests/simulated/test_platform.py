"""Turns, virtual time, locks, sleeping and the end of an execution, with the kernel's own loops."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from emulator.kernel import events, spinlocks
from emulator.kernel.dpc import queue_dpc
from emulator.kernel.events import KEVENT
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.spinlocks import KSPIN_LOCK
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SlotState
from emulator.layout.records import u64
from emulator.rules.errors import BugCheck, EmulatorError
from emulator.rules.limits import VnicLimit
from emulator.simulated import NotReached, ScheduleError, Simulation
from emulator.simulated.platform import CLOCK_NS, FIELD_NS
from emulator.simulated.simulation import NoServices
from emulator.simulated.tasks import TaskState
from emulator.trace import EventKind


class BLOCK(NONPAGED):
    Count: u64
    Lock: KSPIN_LOCK
    Event: KEVENT


class Noting(NoServices):
    """Services that note who served what; a work item sleeps for as long as its context says."""

    def __init__(self) -> None:
        self.served: list[tuple[str, int]] = []

    def deferred(self, context: Any, kind: int, target: int, argument: int) -> None:
        assert context is current.context
        self.served.append((context.name, argument))

    def runner(self, context: Any) -> Any:
        def run(taken: Any) -> int:
            assert context is current.context
            self.served.append((context.name, taken[1]))
            return 0

        return run

    def control(self, context: Any, operation: Any) -> int:
        self.served.append((context.name, operation.argument))
        return 0


def put_work(machine: Simulation, value: int) -> None:
    context = current.context
    made = machine.machine.objects[HandleKind.WORK_ITEM].allocate(HandleKind.WORK_ITEM, driver=0, parent=0, site=0)
    assert made is not None
    machine.machine.queues[0].put(context, made[0], 0, value, 0)


@pytest.mark.parametrize("scheduler", ["random", "pct", "round_robin"])
def test_the_kernels_loops_live_and_leave(scheduler: str) -> None:
    machine = Simulation(scheduler=scheduler, processors=2, passive_workers=2)
    machine.bear_all()
    machine.run_until_idle()
    assert {machine.arena.slots[slot].state for slot in (2, 3, 4, 5, 6, 7)} == {SlotState.RUNNING}
    machine.close()
    assert all(task.state is TaskState.DONE for task in machine.platform.tasks.values())


@pytest.mark.parametrize("seed", range(20))
def test_dpcs_and_work_items_reach_their_contexts(seed: int) -> None:
    services = Noting()
    machine = Simulation(seed=seed, services=services, processors=2, passive_workers=2)
    machine.bear_all()
    for value in range(6):
        queue_dpc(machine.main, value % 2, 0, 0, value)
        put_work(machine, 100 + value)
    machine.run_until(lambda: len(services.served) == 12)
    assert sorted(v for name, v in services.served if name == "processor 0") == [0, 2, 4]
    assert sorted(v for name, v in services.served if name == "processor 1") == [1, 3, 5]
    assert sorted(v for name, v in services.served if name.startswith("passive")) == list(range(100, 106))
    machine.close()


def test_time_costs_what_is_done_and_nothing_else() -> None:
    machine = Simulation()
    block = machine.make(BLOCK)
    before = machine.now

    def body() -> None:
        mine = machine.of(block)
        mine.Count += 1
        current.context.platform.now()

    machine.program(body)
    machine.finish()
    assert machine.now - before == 2 * FIELD_NS + CLOCK_NS
    machine.close()


def test_time_moves_to_the_next_deadline_when_nobody_runs() -> None:
    machine = Simulation()
    woken: list[int] = []

    def body(until: int) -> None:
        while machine.platform.now() < until:
            machine.platform.sleep(until)
        woken.append(until)

    start = machine.now
    machine.program(lambda: body(start + 5_000_000))
    machine.program(lambda: body(start + 2_000_000))
    machine.run_for(1_000_000)
    assert woken == []
    assert machine.now == start + 1_000_000
    machine.finish()
    assert woken == [start + 2_000_000, start + 5_000_000]
    assert machine.now < start + 5_001_000
    machine.close()


def test_a_ring_before_the_sleep_is_not_lost() -> None:
    for seed in range(30):
        machine = Simulation(seed=seed)
        slot = machine.program(lambda m=machine: m.platform.sleep(None)).slot  # type: ignore[misc]
        machine.program(lambda m=machine, s=slot: m.platform.ring(s))  # type: ignore[misc]
        machine.finish()
        machine.close()


def test_a_lock_is_held_by_one_at_a_time() -> None:
    for seed in range(30):
        machine = Simulation(seed=seed, processors=2)
        block = machine.make(BLOCK)
        spinlocks.initialize(machine.main, block.Lock)
        inside: list[int] = []

        def body(machine: Simulation = machine, inside: list[int] = inside, block: Any = block) -> None:
            mine, context = machine.of(block), current.context
            spinlocks.acquire(context, mine.Lock, 0)
            inside.append(context.slot)
            mine.Count += 1
            assert inside == [context.slot]
            inside.pop()
            spinlocks.release(context, mine.Lock)

        for _ in range(3):
            machine.program(body)
        machine.finish()
        assert block.Count == 3
        machine.close()


def test_a_script_waits_in_vain_and_hears_what_everybody_does() -> None:
    machine = Simulation()
    machine.bear_all()
    with pytest.raises(NotReached, match="processor 0 has nothing to do"):
        machine.run_until(lambda: False)
    machine.close()


def test_a_wait_that_nobody_ends_is_a_deadlock_with_its_callback() -> None:
    machine = Simulation()
    block = machine.make(BLOCK)
    events.initialize(block.Event)
    machine.program(lambda: events.wait_event(current.context, machine.of(block).Event, None), "waiter")
    with pytest.raises(BugCheck) as stopped:
        machine.finish()
    assert stopped.value.code == VnicLimit.VNIC_DEADLOCK
    assert machine.stopped is not None
    assert any("waiter waits inside its program" in line for line in machine.stopped.holders)
    machine.close()


def test_what_a_program_raises_reaches_the_script() -> None:
    machine = Simulation()

    def body() -> None:
        raise LookupError("here")

    machine.program(body)
    with pytest.raises(LookupError, match="here"):
        machine.finish()
    machine.close()


def test_the_first_stop_ends_everything_at_once() -> None:
    from emulator.kernel.stop import stop

    machine = Simulation()
    later: list[int] = []

    def runs_on() -> None:
        while True:
            machine.platform.now()
            later.append(1)

    machine.program(lambda: stop(0xC4, 1, text="A rule was broken."))
    machine.program(runs_on)
    with pytest.raises(BugCheck) as stopped:
        machine.finish()
    assert stopped.value.code == 0xC4
    count = len(later)
    with pytest.raises(BugCheck):
        machine.run_until_idle()
    assert len(later) == count
    machine.close()


def test_a_context_that_is_left_runs_no_finally() -> None:
    unwound: list[str] = []

    def body() -> None:
        try:
            while True:
                current.context.platform.sleep(None)
        except BaseException:
            unwound.append("except")
            raise
        finally:
            unwound.append("finally")

    machine = Simulation()
    machine.program(body)
    machine.run_until_idle()
    machine.close()
    del machine
    Simulation().close()  # or the current context would still hold the first machine
    gc.collect()
    assert unwound == []


def test_two_machines_take_turns_in_one_script() -> None:
    services = [Noting(), Noting()]
    machines = [Simulation(seed=n, services=services[n]) for n in range(2)]
    for machine in machines:
        machine.bear_all()
    for number, machine in enumerate(machines):
        current.context = machine.main
        put_work(machine, 7 + number)
        machine.run_until_idle()
    assert [noting.served for noting in services] == [
        [("passive worker 0", 7)],
        [("passive worker 0", 8)],
    ]
    for machine in machines:
        machine.close()


def test_a_choice_comes_from_the_seed_and_is_replayed() -> None:
    def choices(scheduler: Any, seed: int) -> tuple[list[int], Any]:
        machine = Simulation(seed=seed, scheduler=scheduler)
        made: list[int] = []
        machine.program(lambda: made.extend(machine.platform.choose(5, "here") for _ in range(10)))
        machine.finish()
        schedule = machine.schedule
        assert len(machine.trace.events(EventKind.CHOICE)) == 10
        machine.close()
        return made, schedule

    made, schedule = choices("random", 1)
    assert made != choices("random", 2)[0]
    assert choices(schedule, 0)[0] == made


def test_a_schedule_of_another_program_is_refused() -> None:
    def run(programs: int, scheduler: Any) -> Any:
        machine = Simulation(scheduler=scheduler)
        for _ in range(programs):
            machine.program(lambda: [machine.platform.now() for _ in range(20)])
        try:
            machine.finish()
            return machine.schedule
        finally:
            machine.close()

    schedule = run(4, "random")
    with pytest.raises(ScheduleError, match="does not fit"):
        run(2, schedule)


def test_a_script_may_not_sleep_or_take_what_is_held() -> None:
    machine = Simulation()
    with pytest.raises(EmulatorError, match="the script sleeps"):
        machine.platform.sleep(None)
    machine.platform.acquire(3)
    with pytest.raises(EmulatorError, match="wants lock 3"):
        machine.platform.acquire(3)
    machine.platform.release(3)
    machine.close()


def test_who_lingers_on_the_simulated_machine_neither_looks_nor_takes_time() -> None:
    machine = Simulation()
    platform, looks, lingered = machine.platform, [], []

    def ready() -> bool:
        looks.append(platform.time)
        return True

    def program() -> None:
        before = platform.time, len(platform.choices)
        lingered.append(platform.linger(ready))
        assert (platform.time, len(platform.choices)) == before

    machine.program(program)
    machine.finish()
    assert (lingered, looks) == ([False], [])
