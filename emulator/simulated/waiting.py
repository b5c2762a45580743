"""Who waits for whom: the graph that a deadlock's report shows, and who did what when a schedule ran out of steps.

Law: reads only; it runs outside of every context, when none of them can go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.lanes import operations_under_way
from emulator.kernel.sites import SITE_MASK, describe_site
from emulator.kernel.stop import CallSite, StopReport, write_stop
from emulator.layout.machine import DRIVER_LOCKS, ContextKind, SystemLock
from emulator.rules.irql import irql_name
from emulator.rules.limits import VnicLimit, limit_entry
from emulator.simulated.tasks import NEVER, Task, TaskState

if TYPE_CHECKING:
    from emulator.kernel.machine import Machine
    from emulator.simulated.platform import SimulatedPlatform


def lock_name(machine: Machine, lock: int) -> str:
    """A lock in words."""
    if lock >= SystemLock.FIRST_DRIVER:
        mark = machine.arena.lock_used[lock - SystemLock.FIRST_DRIVER]
        return f"{DRIVER_LOCKS.get(mark, 'spin lock')} {lock}"
    if SystemLock.PROCESSOR <= lock < SystemLock.PROCESSOR + machine.geometry.processors:
        return f"processor {lock - SystemLock.PROCESSOR} (DISPATCH_LEVEL)"
    known = [entry for entry in SystemLock if entry <= lock]
    base = max(known)
    return f"the kernel's {base.name} lock" + (f" {lock - base}" if lock > base else "")


def hung(machine: Machine, platform: SimulatedPlatform) -> list[Task]:
    """Tasks that wait in the middle of something, with no deadline: nobody will ever wake them."""
    return [
        task
        for task in platform.tasks.values()
        if task.state is TaskState.LOCKED
        or (task.state is TaskState.SLEEPING and task.deadline == NEVER and in_the_middle(machine, task))
    ]


def in_the_middle(machine: Machine, task: Task) -> bool:
    """Does a sleeping task wait inside a callback, an operation or a program, and not at the top of its loop?"""
    if not task.settles:
        return True
    context = task.context
    if context is None:
        return False
    if context.callback or context.irql:
        return True
    mine = context.kind is ContextKind.PNP
    return mine and any(entry.slot == context.slot for entry in operations_under_way(machine.arena))


def wait_graph(machine: Machine, platform: SimulatedPlatform) -> list[str]:
    """One line for each context: what it waits for, who has that, and what it holds itself."""
    lines = []
    for task in platform.tasks.values():
        if task.state is TaskState.DONE:
            continue
        line = f"{task.name} {_doing(machine, platform, task)}"
        held = [lock_name(machine, lock) for lock, owner in platform.owners.items() if owner == task.number]
        if held:
            line += f"; it holds {' and '.join(held)}"
        lines.append(line)
    return lines


def _doing(machine: Machine, platform: SimulatedPlatform, task: Task) -> str:
    if task.state is TaskState.LOCKED:
        owner = platform.tasks.get(platform.owners.get(task.wanted, -1))
        return f"waits for {lock_name(machine, task.wanted)}, which {owner.name if owner else 'nobody'} holds"
    if task.state is TaskState.SLEEPING:
        what = "waits inside " + _where(machine, task) if in_the_middle(machine, task) else "has nothing to do"
        if task.deadline != NEVER:
            what += f" until {task.deadline}"
        return what
    return f"can run, at {irql_name(task.context.irql)}" if task.context is not None else "can run"


def _where(machine: Machine, task: Task) -> str:
    context = task.context
    if context is None or not context.callback:
        return "its loop" if task.settles else "its program"
    return machine.images.routine_name(context.callback)


def stop_deadlock(machine: Machine, platform: SimulatedPlatform, waiting: list[Task]) -> StopReport:
    """Write the stop for contexts that wait for each other, or for what nobody will do."""
    chief = next((task for task in waiting if task.context is not None), waiting[0])
    if chief.state is TaskState.LOCKED:
        text = "Contexts wait for each other's locks: " + ", ".join(
            f"{task.name} waits for {lock_name(machine, task.wanted)}" for task in waiting
        )
    else:
        text = f"{chief.name} waits inside {_where(machine, chief)} for what nobody is left to do"
    return _stop(machine, platform, VnicLimit.VNIC_DEADLOCK, text + ".", chief, waiting)


def stop_step_limit(machine: Machine, platform: SimulatedPlatform) -> StopReport:
    """Write the stop for an execution that came to no end."""
    busy = [task for task in platform.tasks.values() if task.state is TaskState.RUNNABLE and task.begun]
    chief = next((task for task in busy if task.context is not None and task.context.callback), None)
    chief = chief or next((task for task in busy if task.context is not None), next(iter(platform.tasks.values())))
    text = (
        f"{platform.step_limit} steps brought the machine to no end; "
        f"{', '.join(task.name for task in busy) or 'nobody'} could still run."
    )
    return _stop(machine, platform, VnicLimit.VNIC_STEP_LIMIT, text, chief, busy)


def _stop(
    machine: Machine, platform: SimulatedPlatform, limit: VnicLimit, text: str, chief: Task, involved: list[Task]
) -> StopReport:
    context = chief.context
    entry = limit_entry(limit)
    report = StopReport(
        code=limit,
        parameters=(platform.steps, 0, 0, 0),
        name=limit.name,
        family="emulator",
        text=text,
        remedy=entry.remedy if entry else "",
        context=chief.name,
        slot=chief.number,
        holders=wait_graph(machine, platform),
        traceback=driver_lines(machine, chief),
        sites=[site for task in involved for site in _sites(machine, task)],
        time=platform.time - machine.arena.machine.started,
    )
    if context is not None:
        report.irql, report.processor = context.irql, context.processor
        report.driver = machine.images.driver_name(context.driver)
        report.callback = machine.images.routine_name(context.callback)
        write_stop(machine, context, report)
    return report


def _sites(machine: Machine, task: Task) -> list[CallSite]:
    context = task.context
    if context is None:
        return []
    sites = []
    for lock, site in context.locks_held():
        if site & SITE_MASK:
            where, _ = describe_site(machine, site)
            sites.append(CallSite(f"acquired {lock_name(machine, lock)}", where, task.name))
    if context.box.site and task.state is not TaskState.RUNNABLE:
        where, _ = describe_site(machine, context.box.site)
        sites.append(CallSite("waits", where, task.name))
    return sites


def driver_lines(machine: Machine, task: Task) -> list[str]:
    """The stack of a task that does not run: driver frames only, oldest first."""
    frame: Any = task.frame()
    lines: list[str] = []
    while frame is not None:
        code = frame.f_code
        if machine.images.owns(code):
            lines.append(f"{machine.images.short_path(code.co_filename)}:{frame.f_lineno} in {code.co_qualname}")
        frame = frame.f_back
    return lines[::-1]
