"""What a context looks at again when it wakes: its deadline, and what has changed while it slept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel import timers
from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.loops import run_context
from emulator.kernel.waits import look_until
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.handles import HandleKind
from emulator.rules.errors import EmulatorError
from emulator.rules.irql import DISPATCH_LEVEL, PASSIVE_LEVEL
from tests.fake_platform import FakeMachine, driver_module

if TYPE_CHECKING:
    from emulator.kernel.context import Context

MILLISECOND = 1_000_000
ROUTINE = """
    ran = []

    @callback
    def OnTimer(first, context, second, third):
        ran.append(now())
"""


def timer_of(fake: FakeMachine, driver: Any) -> Any:
    made = fake.machine.objects[HandleKind.TIMER].allocate(HandleKind.TIMER, driver=1, parent=0, site=0)
    assert made is not None
    timer = made[1]
    timer.routine, timer.state = driver.OnTimer.__ndis_routine__, timers.TimerState.IDLE
    timer.running = timer.waiters = 0
    return timer


@pytest.mark.parametrize("earlier", [None, 500], ids=["no timer", "a later timer"])
def test_a_timer_set_while_the_processor_sleeps_is_not_late(earlier: int | None) -> None:
    """The sleep had the deadline of what was set before it; the new timer's was looked at when that had passed."""
    driver = driver_module("timed", ROUTINE)
    fake = FakeMachine([driver])
    driver.now = lambda: fake.platform.time
    processor, pnp = fake.processor(), fake.pnp()
    timer, later, deadlines = timer_of(fake, driver), timer_of(fake, driver), list[int | None]()

    def set_timer(which: Any, milliseconds: int) -> int:
        due = fake.platform.time + milliseconds * MILLISECOND
        timers.set_timer(pnp, which, due, 0, 0, 0)
        return due

    def on_sleep(context: Context, deadline: int | None) -> None:
        """The first time somebody else sets a timer and rings; then time passes, half a second at the most."""
        deadlines.append(deadline)
        if len(deadlines) == 1:
            fake.platform.rings.clear()
            with fake.running(pnp):
                set_timer(timer, 1)
            assert fake.platform.rings == [FIRST_PROCESSOR_SLOT]
            return
        longest = fake.platform.time + 500 * MILLISECOND
        fake.platform.time = longest if deadline is None else min(deadline, longest)
        if len(deadlines) == 3 or driver.ran:
            fake.arena.machine.shutting_down = 1

    fake.platform.on_sleep = on_sleep
    first = None
    if earlier is not None:
        with fake.running(pnp):
            first = set_timer(later, earlier)
    due = fake.platform.time + MILLISECOND
    with fake.running(processor):
        run_context(processor)
    assert deadlines[:2] == [first, due]
    assert driver.ran[:1] == [due]


def test_who_slept_on_the_way_to_dispatch_level_sees_what_has_changed() -> None:
    """A sleeper counts as one that has seen a change; it must have, when the driver goes on."""
    fake = FakeMachine()
    worker = fake.passive_worker()
    fake.processor()
    rounds: list[int] = []
    fake.services.on_round = lambda context: rounds.append(context.slot)

    def published(context: Context, deadline: int | None) -> None:
        del deadline
        assert context is worker
        assert not fake.platform.owners
        rounds.clear()
        fake.arena.withheld[FIRST_PROCESSOR_SLOT] = 0

    fake.platform.on_sleep = published
    fake.arena.withheld[FIRST_PROCESSOR_SLOT] = 1
    with fake.running(worker):
        raise_irql(worker, DISPATCH_LEVEL)
        lower_irql(worker, PASSIVE_LEVEL)
    assert rounds == [worker.slot]


def test_who_waited_for_a_timer_sees_what_has_changed() -> None:
    driver = driver_module("timed", ROUTINE, now=lambda: 0)
    fake = FakeMachine([driver])
    pnp, timer = fake.pnp(), timer_of(fake, driver)
    rounds: list[int] = []
    fake.services.on_round = lambda context: rounds.append(context.slot)

    def returned(context: Context, deadline: int | None) -> None:
        del context, deadline
        if not timer.running:
            raise EmulatorError("the routine has returned already")
        rounds.clear()
        timer.running = 0

    fake.platform.on_sleep = returned
    timer.running = 1
    with fake.running(pnp):
        timers.flush_timer(pnp, timer)
    assert rounds == [pnp.slot]


@pytest.mark.parametrize("comes_after", [2, 9], ids=["in time", "too late"])
def test_who_looks_again_and_again_sees_what_has_changed(comes_after: int) -> None:
    """It sleeps a millisecond at a time, up to its deadline, and is up to date whichever way the wait ends."""
    fake = FakeMachine()
    pnp = fake.pnp()
    begun, slept, rounds, helped = fake.platform.time, list[int](), list[int](), list[int]()
    fake.services.on_round = lambda context: rounds.append(len(slept))

    def on_sleep(context: Context, deadline: int | None) -> None:
        assert context is pnp
        assert deadline is not None
        slept.append(deadline - begun)
        fake.platform.time = deadline

    def help_out() -> bool:
        helped.append(len(slept))
        return len(helped) == 1

    fake.platform.on_sleep = on_sleep
    with fake.running(pnp):
        reached = look_until(pnp, lambda: len(slept) >= comes_after, begun + 7 * MILLISECOND // 2, help_out)
    expected = [MILLISECOND, 2 * MILLISECOND, 3 * MILLISECOND, 7 * MILLISECOND // 2]
    assert reached == (comes_after == 2)
    assert slept == expected[:comes_after]
    assert helped == [0, *range(len(slept))], "before each sleep, and once more where there was something to do"
    assert rounds == [len(slept)]
