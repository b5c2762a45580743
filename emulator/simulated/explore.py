"""Running a scenario under many schedules, and one schedule again.

Law: each execution has a machine of its own, and the first failure ends the search: its schedule is a value that finds
the same failure again, in this process and in any other.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.kernel.stop import StopReport
from emulator.rules.errors import BugCheck, MachineStopped
from emulator.simulated.schedule import Schedule, ScheduleError
from emulator.simulated.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulator.simulated.schedulers import Scheduler

COLLECT_EVERY: Final = 16
TAIL: Final = 60


class LostUpdateFound(AssertionError):
    """A scenario ended well, but one context overwrote what another had written."""


class Failure(msgspec.Struct, kw_only=True):
    """One execution that went wrong."""

    seed: int
    schedule: Schedule
    error: BaseException
    report: StopReport | None
    trace_hash: str
    trace: list[str]
    steps: int

    @property
    def text(self) -> str:
        """What happened, and the word that makes it happen again."""
        lines = [f"seed {self.seed} ({self.schedule.scheduler}, {self.steps} steps) fails: {describe(self.error)}"]
        if self.report is not None:
            lines.append(f"  {self.report.text}")
            lines.extend(f"  {site.what}: {site.where} ({site.context})" for site in self.report.sites)
            lines.extend(f"  {holder}" for holder in self.report.holders)
        lines.append(f"  replay: {self.schedule.to_text()}")
        return "\n".join(lines)


class Exploration(msgspec.Struct, kw_only=True):
    """What a search has found: how many executions ran, and the first that failed."""

    executions: int
    scheduler: str
    failure: Failure | None

    def require_none(self) -> None:
        """Raise the failure, with its schedule as a note, if there is one."""
        if self.failure is not None:
            self.failure.error.add_note(self.failure.text)
            raise self.failure.error


def describe(error: BaseException) -> str:
    """An error in one line."""
    text = str(error)
    return text if isinstance(error, BugCheck) else f"{type(error).__name__}: {text}"


def explore(
    scenario: Callable[[Any], object],
    seeds: Iterable[int] = range(1000),
    scheduler: str = "random",
    *,
    machine: Callable[..., Simulation] = Simulation,
    lost_updates: bool = False,
    **options: Any,
) -> Exploration:
    """Run ``scenario(machine)`` once for each seed, until one execution fails.

    Args:
        scenario: The script; what it raises is the failure.
        seeds: One execution each.
        scheduler: ``random``, ``pct``, ``pct:DEPTH`` or ``pct:DEPTH:STEPS``.  Without STEPS a run in turns is made
            first, to see how long the scenario is.
        machine: What makes the machine; called with ``seed``, ``scheduler`` and ``options``.
        lost_updates: Is an update that was overwritten a failure, though the scenario ends well?
        options: For the machine.
    """
    executions = 0
    if scheduler.startswith("pct") and scheduler.count(":") < 2:
        failure, length = _execute(scenario, machine, "round_robin", 0, lost_updates, options)
        executions += 1
        if failure is not None:
            return Exploration(executions=executions, scheduler="round_robin", failure=failure)
        scheduler = f"{scheduler}{'' if ':' in scheduler else ':3'}:{max(length, 2)}"
    for seed in seeds:
        failure, _ = _execute(scenario, machine, scheduler, seed, lost_updates, options)
        executions += 1
        if failure is not None:
            return Exploration(executions=executions, scheduler=scheduler, failure=failure)
        if executions % COLLECT_EVERY == 0:
            # The machines of the last executions alone: contexts that were left where they stood are there for good.
            gc.collect(1)
    return Exploration(executions=executions, scheduler=scheduler, failure=None)


def replay(
    scenario: Callable[[Any], object],
    schedule: Schedule | str,
    *,
    machine: Callable[..., Simulation] = Simulation,
    lost_updates: bool = False,
    **options: Any,
) -> Failure | None:
    """Run a scenario by a schedule (or its text); the failure, or None when it ends well.

    Raises ScheduleError when the program does not come by the schedule's way: another program, or another version.
    """
    known = Schedule.from_text(schedule) if isinstance(schedule, str) else schedule
    return _execute(scenario, machine, known, known.seed, lost_updates, options)[0]


def _execute(
    scenario: Callable[[Any], object],
    make: Callable[..., Simulation],
    scheduler: str | Scheduler | Schedule,
    seed: int,
    lost_updates: bool,
    options: dict[str, Any],
) -> tuple[Failure | None, int]:
    simulation = make(seed=seed, scheduler=scheduler, **options)
    error: BaseException | None = None
    try:
        scenario(simulation)
        if lost_updates and simulation.updates.lost:
            raise LostUpdateFound(str(simulation.updates.lost[0]))
    except (ScheduleError, KeyboardInterrupt, SystemExit):
        raise
    except (Exception, BugCheck, MachineStopped) as caught:
        error = caught
    finally:
        schedule, steps, digest = simulation.schedule, simulation.platform.steps, simulation.trace_hash
        report = simulation.stopped
        simulation.close()
    length = len(schedule.steps) - simulation.platform.marked
    if error is None:
        return None, length
    # The frames of the error hold the machine; a failure is a value and outlives it.
    return (
        Failure(
            seed=seed,
            schedule=schedule,
            error=error,
            report=report,
            trace_hash=digest,
            trace=simulation.trace.tail(TAIL),
            steps=steps,
        ),
        length,
    )
