"""Timer objects: one table in the arena, each processor knows when its earliest one is due.

Law: a timer expires on the processor that it was set on, at DISPATCH_LEVEL, inside that processor's round.  A timer
with a tolerance waits for others: the processor wakes for it only when it may wait no longer, and takes it along before
that, as soon as it is not too early, when it wakes for another one.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import compress
from typing import TYPE_CHECKING, Any

from emulator.kernel.waits import sleep_in_call, wake, wake_all
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SystemLock

if TYPE_CHECKING:
    from emulator.kernel.context import Context

TIMER_BUDGET = 16


class TimerState(IntEnum):
    """Is the timer in the timer queue?"""

    IDLE = 0
    SET = 1


def set_timer(context: Context, timer: Any, due: int, period: int, value: int, site: int, tolerance: int = 0) -> bool:
    """Arm the timer for ``due`` (machine time, ns), then every ``period`` ns; True if it was armed already.

    ``tolerance`` is by how much it may expire sooner or later.
    """
    platform = context.platform
    processor = context.processor
    platform.acquire(SystemLock.TIMERS)
    before: bool = timer.state == TimerState.SET
    timer.due, timer.period, timer.context, timer.tolerance = due, period, value, tolerance
    timer.processor, timer.set_site, timer.state = processor, site, TimerState.SET
    earliest, latest = context.machine.arena.earliest, due + tolerance
    sooner = earliest[processor] == 0 or latest < earliest[processor]
    if sooner:
        earliest[processor] = latest
    platform.release(SystemLock.TIMERS)
    if sooner:
        wake(context, FIRST_PROCESSOR_SLOT + processor)
    return before


def cancel_timer(context: Context, timer: Any) -> bool:
    """Take the timer out of the queue; True if it was there.  Its routine may be running or about to."""
    platform = context.platform
    platform.acquire(SystemLock.TIMERS)
    before: bool = timer.state == TimerState.SET
    timer.state = TimerState.IDLE
    platform.release(SystemLock.TIMERS)
    return before


def flush_timer(context: Context, timer: Any) -> None:
    """Wait at PASSIVE_LEVEL until no processor runs the timer's routine."""
    platform, bit = context.platform, 1 << context.slot
    platform.acquire(SystemLock.TIMERS)
    running = timer.running
    if running:
        timer.waiters |= bit
    platform.release(SystemLock.TIMERS)
    if running:
        # Set anew it may run again by then, which is another wait's affair.
        sleep_in_call(context, lambda: not timer.running or not timer.waiters & bit)


def serve_timers(context: Context) -> bool:
    """Run what is due on this processor, at most TIMER_BUDGET routines; True if one ran."""
    arena = context.machine.arena
    earliest, processor, platform = arena.earliest, context.processor, context.platform
    first = earliest[processor]
    if first == 0 or platform.now() < first:
        return False
    expired: list[tuple[Any, int, int]] = []
    table = context.machine.objects[HandleKind.TIMER]
    platform.acquire(SystemLock.TIMERS)
    now = platform.now()
    following = 0
    # Most are idle: one look for each that is set.
    armed = [t for t in compress(table.records, table.column("state")) if t.processor == processor and t.head.allocated]
    for timer in sorted(armed, key=lambda t: t.due + t.tolerance):
        if timer.due - timer.tolerance <= now and len(expired) < TIMER_BUDGET:
            expired.append((timer, timer.routine, timer.context))
            timer.running += 1
            if timer.period:
                # From this expiry on where it may be early, lest the next interval be longer than the tolerance allows.
                timer.due = now + timer.period if timer.tolerance else max(timer.due + timer.period, now)
            else:
                timer.state = TimerState.IDLE
                continue
        if following == 0 or timer.due + timer.tolerance < following:
            following = timer.due + timer.tolerance
    earliest[processor] = following
    platform.release(SystemLock.TIMERS)
    for timer, routine, value in expired:
        context.machine.services.timer(context, routine, value)
        platform.acquire(SystemLock.TIMERS)
        timer.running -= 1
        waiters = 0 if timer.running else timer.waiters
        if waiters:
            timer.waiters = 0
        platform.release(SystemLock.TIMERS)
        wake_all(context, waiters)
    return bool(expired)
