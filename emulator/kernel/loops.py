"""What each kind of context does from birth to end: rounds of a processor, work items, control operations, requests.

Law: a round serves the stop word, timers, DPCs and interrupts, each with a budget, so that no flood starves the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.devices import serve_devices
from emulator.kernel.dpc import dpcs_pending, serve_dpcs
from emulator.kernel.irql import wanted
from emulator.kernel.lanes import serve_operations, serve_requests
from emulator.kernel.passive import live_as_worker
from emulator.kernel.stop import raise_if_stopped
from emulator.kernel.timers import serve_timers
from emulator.kernel.waits import sleep_until, wake
from emulator.layout.machine import RETIRING_ALL, ContextKind, SlotState
from emulator.rules.irql import DISPATCH_LEVEL, PASSIVE_LEVEL

if TYPE_CHECKING:
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
    machine, box, platform = context.machine, context.box, context.platform
    services, arena = machine.services, machine.arena
    if context.stop_word[0]:
        raise_if_stopped(context)
    platform.acquire(context.processor_lock)
    context.irql = box.irql = DISPATCH_LEVEL
    services.round(context)
    busy = bool(arena.earliest[context.processor]) and serve_timers(context)
    put, take = arena.dpc_ends[context.processor]
    if put != take and serve_dpcs(context):
        busy = True
    if services.interrupts(context):
        busy = True
    # What the round stored for others is published before anybody else can be at DISPATCH_LEVEL on this processor;
    # that is put off as long as nobody asks.
    withheld, asked, published = arena.withheld, wanted(context), False
    if not asked and services.withholds(context):
        withheld[context.slot] = 1
    else:
        services.leave(context)
        if withheld[context.slot]:
            withheld[context.slot] = 0
            published = True
    context.irql = box.irql = PASSIVE_LEVEL
    platform.release(context.processor_lock)
    if published:
        _wake_those_who_raise(context)
    if asked:
        sleep_until(context, lambda: not wanted(context), platform.now() + STEP_ASIDE_NS)
    return busy


def _wake_those_who_raise(context: Context) -> None:
    """Nothing is withheld any more; the lock's release is the fence in between."""
    for slot, flag in enumerate(bytes(context.machine.arena.raising)):
        if flag:
            wake(context, slot)


def _processor(context: Context) -> None:
    arena, services, platform = context.machine.arena, context.machine.services, context.platform
    head, withheld = arena.machine, arena.withheld

    slept_for = 0

    def ready() -> bool:
        first = arena.earliest[context.processor]
        return (
            first != slept_for  # another context has set a timer: the deadline of this sleep is not the right one
            or head.shutting_down != 0
            or dpcs_pending(context)
            or services.interrupts_pending(context)
            or (withheld[context.slot] != 0 and wanted(context))
            or (first != 0 and platform.now() >= first)
        )

    while not head.shutting_down:
        busy = processor_round(context)
        slept_for = arena.earliest[context.processor]
        if not (busy and (ready() or platform.linger(ready))):
            sleep_until(context, ready, slept_for or None)


_LOOPS = {
    ContextKind.PROCESSOR: _processor,
    ContextKind.PASSIVE_WORKER: live_as_worker,
    ContextKind.PNP: serve_operations,
    ContextKind.REQUESTS: serve_requests,
    ContextKind.IO: serve_devices,
}
