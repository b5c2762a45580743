"""NDIS timer objects: one-shot and periodic, run at DISPATCH_LEVEL.

Law: there is one instance of a timer; setting it again re-arms it, and a periodic one is cancelled at PASSIVE_LEVEL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel import timers
from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.gates.callback_numbers import number_of
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.gates.live_handles import find_live
from emulator.ndis.gates.refusals import header_refused, tell_refusal
from emulator.ndis.headers.handles import NDIS_HANDLE, TimerHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.services.memory import pool_tag
from emulator.rules.irql import AT_MOST_DISPATCH, PASSIVE_LEVEL

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures import NDIS_TIMER_CHARACTERISTICS

_RULES = ("Irql_Timer_Function",)
_TICK = 100
"""DueTime counts 100 ns."""


class AllocatedTimer(NamedTuple):
    """What NdisAllocateTimerObject gives."""

    Status: NDIS_STATUS
    pTimerObject: TimerHandle | None


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, acquires="timer")
def NdisAllocateTimerObject(
    NdisHandle: NDIS_HANDLE, TimerCharacteristics: NDIS_TIMER_CHARACTERISTICS, /
) -> AllocatedTimer:
    """Allocate a timer; BAD_CHARACTERISTICS for a wrong header, no tag or no function, RESOURCES when none is left."""
    context = current.context
    function = TimerCharacteristics.TimerFunction
    if header_refused(context, "NdisAllocateTimerObject", TimerCharacteristics):
        return AllocatedTimer(NDIS_STATUS_BAD_CHARACTERISTICS, None)
    if function is None or not TimerCharacteristics.AllocationTag:
        missing = "TimerFunction is NULL" if function is None else "AllocationTag is 0"
        tell_refusal(context, "NdisAllocateTimerObject", missing)
        return AllocatedTimer(NDIS_STATUS_BAD_CHARACTERISTICS, None)
    routine = number_of(function, "NdisAllocateTimerObject", "NDIS_TIMER_FUNCTION")
    owner = owner_of(context, NdisHandle, "NdisAllocateTimerObject", needed=True)
    made = context.machine.objects[HandleKind.TIMER].allocate(
        HandleKind.TIMER, driver=context.driver, parent=owner, site=context.site
    )
    if made is None:
        return AllocatedTimer(NDIS_STATUS_RESOURCES, None)
    handle, timer = made
    timer.state = timers.TimerState.IDLE
    timer.routine = routine
    timer.running = timer.waiters = 0
    timer.period = 0
    timer.set_site = 0
    timer.tag = pool_tag(TimerCharacteristics.AllocationTag)
    timer.default_context = encode(context, TimerCharacteristics.FunctionContext)
    return AllocatedTimer(NDIS_STATUS_SUCCESS, TimerHandle(handle))


@ddi(irql=AT_MOST_DISPATCH, rules=("Irql_Timer_Function", "PeriodicTimer"))
def NdisSetTimerObject(
    TimerObject: TimerHandle, DueTime: int, MillisecondsPeriod: int, FunctionContext: Any, /
) -> bool:
    """Arm the timer: ``DueTime`` in 100 ns units, negative is relative; True if it was armed already."""
    context = current.context
    return _set(context, TimerObject, DueTime, MillisecondsPeriod, FunctionContext)


@ddi(irql=AT_MOST_DISPATCH)
def NdisSetCoalescableTimerObject(
    TimerObject: TimerHandle, DueTime: int, MillisecondsPeriod: int, FunctionContext: Any, Tolerance: int, /
) -> bool:
    """Arm a timer that may expire up to ``Tolerance`` milliseconds sooner or later, each time; True if it was armed.

    It expires with another one that is due within that time, and without one at its end.
    """
    context = current.context
    return _set(context, TimerObject, DueTime, MillisecondsPeriod, FunctionContext, max(Tolerance, 0) * 1_000_000)


def _set(context: Context, handle: TimerHandle, due_time: int, period: int, argument: Any, tolerance: int = 0) -> bool:
    timer = _timer(context, handle, "set")
    platform = context.platform
    if due_time <= 0:
        due = platform.now() - due_time * _TICK
    else:
        due = platform.now() + max(0, due_time - platform.system_time()) * _TICK
    value = encode(context, argument) if argument is not None else timer.default_context
    return timers.set_timer(context, timer, due, period * 1_000_000, value, context.site, tolerance)


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("CancelTimerObject", "Irql_Timer_Function", "PeriodicTimer"),
    note="CancelTimerObject is on the rule's page, not on the function's",
)
def NdisCancelTimerObject(TimerObject: TimerHandle, /) -> bool:
    """Take the timer out of the queue; True if it was there.

    A one-shot timer's routine may still be running or about to.  A periodic one is cancelled at PASSIVE_LEVEL only
    (rule PeriodicTimer, shown as 0xC4/0xE5), and its running routines have returned when the call does.
    """
    context = current.context
    timer = _timer(context, TimerObject, "cancelled")
    if timer.period and context.irql != PASSIVE_LEVEL:
        stop(
            0xC4,
            0xE5,
            context.irql,
            rule="PeriodicTimer",
            ddi="NdisCancelTimerObject",
            text="A timer that was set with a period was cancelled above PASSIVE_LEVEL.",
            sites=[site_of(context, "set", timer.set_site)],
        )
    before = timers.cancel_timer(context, timer)
    if timer.period:
        timers.flush_timer(context, timer)
    return before


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, releases="timer")
def NdisFreeTimerObject(TimerObject: TimerHandle, /) -> None:
    """Free a timer that is not armed.  Bug check 0xC7 when it is in the timer queue."""
    context = current.context
    timer = _timer(context, TimerObject, "freed")
    if timer.state == timers.TimerState.SET:
        stop(
            0xC7,
            0,
            TimerObject,
            rule="CancelTimerObject",
            text="A timer was freed while it is set.",
            sites=[
                site_of(context, "allocated", timer.head.allocated_site),
                site_of(context, "set", timer.set_site),
            ],
        )
    context.machine.objects[HandleKind.TIMER].free(TimerObject, site=context.site)


def _timer(context: Context, handle: int | None, done: str) -> Any:
    return find_live(context, handle, HandleKind.TIMER, "a timer", done, code=(0xC7, 0))


__all__ = [
    "NdisAllocateTimerObject",
    "NdisCancelTimerObject",
    "NdisFreeTimerObject",
    "NdisSetCoalescableTimerObject",
    "NdisSetTimerObject",
]
