"""What each kind of context does from birth to end: rounds of a processor, work items, control operations, requests.

Law: a round serves the stop word, timers, DPCs and interrupts, each with a budget, so that no flood starves the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.devices import serve_devices
from emulator.kernel.dpc import serve_dpcs
from emulator.kernel.irql import wanted
from emulator.kernel.lanes import serve_operations, serve_requests
from emulator.kernel.passive import live_as_worker
from emulator.kernel.platform import looks_after
from emulator.kernel.stop import raise_if_stopped
from emulator.kernel.timers import serve_timers
from emulator.kernel.waits import sleep_until, wake
from emulator.layout.machine import RETIRING_ALL, ContextKind, SlotState
from emulator.rules.irql import DISPATCH_LEVEL, PASSIVE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

STEP_ASIDE_NS = 1_000_000


def run_context(context: Context) -> None:
    """Live as a context until the machine shuts down (returns) or stops (MachineStopped, BugCheck)."""
    context.enter_state(SlotState.RUNNING)
    context.machine.services.attach(context)
    _LOOPS[context.kind](context)
    if context.machine.arena.machine.shutting_down == RETIRING_ALL:
        context.machine.services.retire(context)
    if context.box.state != SlotState.RETIRING:
        context.enter_state(SlotState.EXITED)


def processor_round(context: Context) -> bool:
    """One dispatch round under the processor's lock; True if anything was served."""
    return (context.serve_round or _round_of(context))()


def _round_of(context: Context) -> Callable[[], bool]:
    """The round of one processor: it is gone through so often that it has looked up already what it needs."""
    arena, box, platform = context.machine.arena, context.box, context.platform
    slot, processor, lock = context.slot, context.processor, context.processor_lock
    acquire, release = platform.bound(lock)
    stop_word, summoned, earliest = context.stop_word, arena.summoned, arena.earliest
    withheld, stored = arena.withheld, context.stored
    summoned[slot] = 1  # what has been published before there was this round

    def serve_round() -> bool:
        if stop_word[0]:
            raise_if_stopped(context)
        if number := acquire():
            platform.lock_failed(lock, number)
        context.irql = box.irql = DISPATCH_LEVEL
        busy = summoned[slot] != 0 and _heed(context)
        if earliest[processor] and serve_timers(context):
            busy = True
        if context.serve_lines():
            busy = True
        # What the round stored for others is published before anybody else can be at DISPATCH_LEVEL on this processor;
        # that is put off as long as nobody wants to.
        if summoned[slot] and wanted(context):
            _step_aside(context)
            return busy
        withheld[slot] = 1 if stored else 0
        context.irql = box.irql = PASSIVE_LEVEL
        if number := release():
            platform.lock_failed(lock, number)
        return busy

    context.serve_round = serve_round
    return serve_round


def _heed(context: Context) -> bool:
    """Look for whatever has been published for this processor; True if a DPC ran."""
    summoned, services = context.machine.arena.summoned, context.machine.services
    summoned[context.slot] = 0
    context.platform.fence()
    services.round(context)
    busy = serve_dpcs(context)
    if wanted(context):
        summoned[context.slot] = 1  # as long as somebody raises: for the end of this round, and for the next one
    return busy


def _step_aside(context: Context) -> None:
    """End a round: publish what is withheld, and let those have the processor who raise."""
    arena, slot, platform = context.machine.arena, context.slot, context.platform
    withheld = arena.withheld
    context.machine.services.leave(context)
    awaited, withheld[slot] = withheld[slot], 0
    context.irql = context.box.irql = PASSIVE_LEVEL
    platform.release(context.processor_lock)
    if awaited:
        for other, flag in enumerate(bytes(arena.raising)):
            if flag:
                wake(context, other)
    sleep_until(context, lambda: not wanted(context), platform.now() + STEP_ASIDE_NS)


def _processor(context: Context) -> None:
    arena, slot, now, linger = context.machine.arena, context.slot, context.platform.now, context.platform.linger
    summoned, earliest, shutting_down = arena.summoned, arena.earliest, arena.shutting_down
    processor, slept_for = context.processor, 0

    def ready() -> bool:
        first = earliest[processor]
        return (
            context.lines_asserted()
            or summoned[slot] != 0
            or first != slept_for  # another context has set a timer: the deadline of this sleep is not the right one
            or shutting_down[0] != 0
            or (first != 0 and now() >= first)
        )

    serve_round, looks = _round_of(context), 1
    while not shutting_down[0]:
        busy = serve_round()
        slept_for = earliest[processor]
        if busy and ready():
            continue
        idle_since = now()
        if not (busy and any(linger(ready) for _ in range(looks))):
            sleep_until(context, ready, slept_for or None)
        looks = max(1, looks_after(now() - idle_since))


_LOOPS = {
    ContextKind.PROCESSOR: _processor,
    ContextKind.PASSIVE_WORKER: live_as_worker,
    ContextKind.PNP: serve_operations,
    ContextKind.REQUESTS: serve_requests,
    ContextKind.IO: serve_devices,
}
