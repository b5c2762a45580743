"""Sleeping and waking between contexts: flags in the arena, one doorbell a slot, bounded sleeps.

Law: a sleeper sets its flag, fences and looks again before it blocks; a waker publishes, fences and reads the flag.  A
sleeper that gets up clears its flag, fences and looks at what was published, because whoever saw the flag counts on it.
docs/design.md has the table of all pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.stop import raise_if_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context


ASLEEP = 1
"""The flag of a context that waits for something of its own: in a callback, for a lock of sorts, for an answer."""
IDLE = 2
"""The flag of a passive worker that waits for work, and for nothing else."""
LOOK_AGAIN_NS = 1_000_000


def sleep_until(context: Context, ready: Callable[[], bool], deadline: int | None = None, flag: int = ASLEEP) -> bool:
    """Block the context until ``ready()`` or the deadline (machine time, ns); what ``ready`` said last.

    ``ready`` reads shared state only and is called again after every wake-up.  Raises MachineStopped.
    """
    sleeping, slot, platform = context.machine.arena.sleeping, context.slot, context.platform
    stop_word = context.stop_word
    while True:
        sleeping[slot] = flag
        platform.fence()
        if ready():
            sleeping[slot] = 0
            platform.fence()
            return True
        if stop_word[0]:
            sleeping[slot] = 0
            raise_if_stopped(context)
        if deadline is not None and platform.now() >= deadline:
            sleeping[slot] = 0
            platform.fence()
            # Whoever has seen the flag since the last look has rung, and believes that it was heard.
            return ready()
        platform.sleep(deadline)
        sleeping[slot] = 0


def sleep_in_call(context: Context, ready: Callable[[], bool], deadline: int | None = None) -> bool:
    """``sleep_until`` for a wait inside a driver's call: the driver goes on with what has changed meanwhile.

    Whoever publishes a change takes a sleeper for one that has seen it.
    """
    result = sleep_until(context, ready, deadline)
    context.machine.services.round(context)
    return result


def look_until(
    context: Context,
    ready: Callable[[], bool],
    deadline: int | None = None,
    beside: Callable[[], object] | None = None,
) -> bool:
    """``sleep_in_call`` for what changes and rings nobody: looks again every millisecond; what ``ready`` said last.

    ``beside`` is done before each sleep, and instead of it where it says that it has done something.
    """
    platform = context.platform
    while not (reached := ready()):
        if beside is not None and beside():
            continue
        again = platform.now() + LOOK_AGAIN_NS
        sleep_until(context, ready, again if deadline is None else min(again, deadline))
        if deadline is not None and platform.now() >= deadline:
            reached = ready()
            break
    context.machine.services.round(context)
    return reached


def wake(context: Context, slot: int) -> None:
    """Wake a slot if it sleeps.  The caller has published the reason and passed a fence (a lock's release is one)."""
    sleeping = context.machine.arena.sleeping
    if sleeping[slot]:
        sleeping[slot] = 0
        context.platform.ring(slot)


def wake_all(context: Context, waiters: int) -> None:
    """Wake the slots of a bitmap, each if it sleeps; as ``wake`` else."""
    for slot in range(waiters.bit_length()):
        if waiters >> slot & 1:
            wake(context, slot)


def wake_one(context: Context, first: int, last: int) -> bool:
    """Wake one idle slot of a range; False when none is.

    One that waits in a routine of its own is none: rung, it would look and sleep again, and the work would wait.
    """
    sleeping = context.machine.arena.sleeping
    place = sleeping[first:last].tobytes().find(IDLE)  # a third of what a loop over the flags costs
    if place < 0:
        return False
    sleeping[first + place] = 0
    context.platform.ring(first + place)
    return True
