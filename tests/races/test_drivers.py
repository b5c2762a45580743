"""Races in tiny drivers, each with its repaired twin: found on the simulated machine, and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.control import ControlOperation
from emulator.rules.limits import VnicLimit
from emulator.simulated import Exploration, explore, replay
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.wire import SECOND
from tests.simulated.scripts import FEW_BUFFERS, NETVMINI, OUTSIDE, TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 2


def total(machine: SimulatedMachine) -> int:
    """What the driver counted, asked outside of every context."""
    return machine.images.images[1].module.Total()  # type: ignore[no-any-return]


def frames_on_both(machine: SimulatedMachine) -> None:
    """The same number of frames for each of two adapters, which two processors serve."""
    machine.wait_running()
    for number in range(FRAMES):
        for adapter, port in enumerate(machine.ports):
            sender = OUTSIDE[:2] + bytes((0, number, adapter, 1))
            assert machine.inject(port.mac + sender + TYPE + bytes(46), adapter, delay=100 * machine.choose(32))
    machine.run_for(SECOND // 100)
    machine.run_until_idle()
    assert total(machine) == 2 * FRAMES


def pause(machine: SimulatedMachine) -> None:
    """The adapter is paused."""
    machine.wait_running()
    assert machine.control(ControlOperation.PAUSE, 0) == 0
    assert total(machine) == 1


PAIRS: list[tuple[str, Callable[[SimulatedMachine], None], Any, int]] = [
    ("lost_update", frames_on_both, AssertionError, 2),
    ("missing_lock", frames_on_both, AssertionError, 2),
    ("lock_order", frames_on_both, VnicLimit.VNIC_DEADLOCK, 2),
    ("missed_wakeup", pause, VnicLimit.VNIC_DEADLOCK, 1),
]
IDS = [pair[0] for pair in PAIRS]
SEEDS = range(200)
# Twenty changes of priority: a machine has many steps beside those of its drivers.
SCHEDULERS = ["random", "pct:20"]


def options(name: str, adapters: int, *, repaired: bool = False) -> dict[str, Any]:
    folder = "repaired" if repaired else "drivers"
    return {
        "machine": SimulatedMachine,
        "drivers": [NETVMINI, f"tests.races.{folder}.{name}"],
        "adapters": adapters,
        "processors": 2,
        "defines": FEW_BUFFERS,
    }


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("name", "script", "expected", "adapters"), PAIRS, ids=IDS)
def test_the_race_is_found_and_found_again(
    scheduler: str, name: str, script: Callable[[SimulatedMachine], None], expected: Any, adapters: int
) -> None:
    found: Exploration = explore(script, SEEDS, scheduler, **options(name, adapters))
    failure = found.failure
    assert failure is not None, f"not found in {found.executions} executions"
    again = replay(script, failure.schedule.to_text(), **options(name, adapters))
    assert again is not None
    assert again.trace_hash == failure.trace_hash
    by_seed = explore(script, [failure.seed], found.scheduler, **options(name, adapters)).failure
    assert by_seed is not None
    assert by_seed.trace_hash == failure.trace_hash
    for one in (failure, again, by_seed):
        if isinstance(expected, VnicLimit):
            assert one.report is not None
            assert one.report.code == expected, one.text
        else:
            assert isinstance(one.error, expected), one.text


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("name", "script", "expected", "adapters"), PAIRS, ids=IDS)
def test_the_repaired_twin_is_clean(
    scheduler: str, name: str, script: Callable[[SimulatedMachine], None], expected: Any, adapters: int
) -> None:
    del expected
    explore(script, range(5), scheduler, **options(name, adapters, repaired=True)).require_none()


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("name", "script", "expected", "adapters"), PAIRS, ids=IDS)
def test_the_repaired_twin_is_clean_for_long(
    scheduler: str, name: str, script: Callable[[SimulatedMachine], None], expected: Any, adapters: int
) -> None:
    del expected
    explore(script, range(200), scheduler, **options(name, adapters, repaired=True)).require_none()
