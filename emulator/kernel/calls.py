"""Calling into a driver: the black box is written before, IRQL and held locks are looked at after.

Law: every entry from NDIS goes through ``call`` or a ``caller``; what they write is readable in any half state.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel.stop import site_of, stop, stop_broken, stop_for_exception, stop_not_implemented
from emulator.layout.machine import CALLBACKS_CELL, ENTERED_CELL, READ_WRITE_ENTRY, ROUTINE_CELL, SystemLock
from emulator.rules.errors import BugCheck, EmulatorError, HostError, MachineStopped, NotImplementedByEmulator
from emulator.rules.irql import irql_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

IRQL_UNEXPECTED_VALUE = 0xC8
CALL_OUT = 2
BROKEN = (EmulatorError, HostError)
PASSED_ON = (BugCheck, MachineStopped, *BROKEN)
"""What a callback may leave with: the machine has stopped, or the fault is none of the driver's."""


def call(context: Context, routine: int, *arguments: Any) -> Any:
    """Call a driver's routine by number, with the black box written around it; its result.

    Raises BugCheck when it returns at another IRQL or with a spin lock held, and for an exception that escapes it.
    """
    cells, irql, held = context.cells, context.irql, len(context.held)
    outer = cells[ROUTINE_CELL]
    cells[ROUTINE_CELL] = context.machine.images.marks[routine]
    if not outer:
        cells[ENTERED_CELL] = context.platform.now()
        cells[CALLBACKS_CELL] = context.next_callback()
    try:
        result = context.routines[routine](*arguments)  # type: ignore[misc]
    except PASSED_ON as error:
        if outer:
            passed_through(context, error, outer, irql, held)
        raise
    except BaseException as error:
        escaped(context, error)
    cells[ROUTINE_CELL] = outer
    if not outer:
        cells[ENTERED_CELL] = 0
    if context.irql != irql:
        returned_at_other_irql(context, routine, irql)
    if len(context.held) != held:
        returned_with_lock(context, routine)
    return result


def caller(context: Context, routine: int, irql: int, *arguments: Any) -> Callable[..., Any]:
    """``call`` of one routine at one IRQL, these arguments in front, time and again where no driver's code is below."""
    handler: Any = context.routines[routine]
    function = functools.partial(handler, *arguments)
    mark, cells, held = context.machine.images.marks[routine], context.cells, context.held
    now, next_callback = context.platform.now, context.next_callback

    def call_it(*more: Any) -> Any:
        cells[ROUTINE_CELL] = mark
        cells[ENTERED_CELL] = now()
        cells[CALLBACKS_CELL] = next_callback()
        try:
            result = function(*more)
        except PASSED_ON:
            raise
        except BaseException as error:
            escaped(context, error)
        cells[ROUTINE_CELL] = cells[ENTERED_CELL] = 0
        if context.irql != irql:
            returned_at_other_irql(context, routine, irql)
        if held:
            returned_with_lock(context, routine)
        return result

    return call_it


def call_with_lock(context: Context, routine: int, irql: int, *arguments: Any) -> None:
    """Call a driver's routine that releases the lock which it is called with, and returns at ``irql``."""
    held, cells = len(context.held) - 1, context.cells
    cells[ROUTINE_CELL] = context.machine.images.marks[routine]
    cells[ENTERED_CELL] = context.platform.now()
    cells[CALLBACKS_CELL] = context.next_callback()
    try:
        context.routines[routine](*arguments)  # type: ignore[misc]
    except PASSED_ON:
        raise
    except BaseException as error:
        escaped(context, error)
    cells[ROUTINE_CELL] = cells[ENTERED_CELL] = 0
    if len(context.held) != held:
        returned_with_lock(context, routine)
    if context.irql != irql:
        returned_at_other_irql(context, routine, irql)


def passed_through(context: Context, error: BaseException, outer: int, irql: int, held: int) -> None:
    """Our own fault leaves a driver for the one above, which may catch it: let that one be itself again.

    ``outer`` is the black box's word for the one above, ``irql`` and ``held`` are the IRQL and the number of held locks
    at the call.  Where these two have changed nobody above can put them right, and we stop as broken.  Of a machine
    that has stopped the black box stays as it is, for the screen: who swallows that gets no further than the next call.
    """
    if not isinstance(error, BROKEN):
        return
    if context.irql != irql or len(context.held) != held:
        stop_broken(error)
    error.add_note(f"It left {context.machine.images.routine_name(context.callback)}.")
    context.cells[ROUTINE_CELL] = outer


def escaped(context: Context, error: BaseException) -> NoReturn:
    """The stop for what left a callback and is none of PASSED_ON."""
    if isinstance(error, NotImplementedByEmulator):
        stop_not_implemented(context, error)
    stop_for_exception(context, error)


def _name(context: Context, routine: int) -> str:
    """A callback in words; the one that has no number is a driver's DriverEntry."""
    images = context.machine.images
    return images.routine_name(routine) or f"{images.driver_name(context.driver)}!DriverEntry"


def blame(context: Context, routine: int) -> None:
    """The screen is about the routine that has just returned."""
    if routine:
        context.cells[ROUTINE_CELL] = context.machine.images.marks[routine]


def returned_at_other_irql(context: Context, routine: int, irql: int) -> None:
    """0xC8 IRQL_UNEXPECTED_VALUE, id 2 (call-out): the routine came back at another level."""
    found = context.irql
    blame(context, routine)
    stop(
        IRQL_UNEXPECTED_VALUE,
        found << 16 | irql << 8 | CALL_OUT,
        routine,
        text=f"{_name(context, routine)} was called at {irql_name(irql)} and returned at {irql_name(found)}.",
        sites=[site_of(context, "last DDI call", context.box.site)] if context.box.site else [],
    )


def returned_with_lock(context: Context, routine: int) -> None:
    """SDV SpinLock: every spin lock is released before the handler returns (shown as 0xC4, our choice of code)."""
    lock, site = context.locks_held()[-1]
    blame(context, routine)
    shared = context.machine.arena.lock_used[lock - SystemLock.FIRST_DRIVER] == READ_WRITE_ENTRY
    kind = "reader/writer" if shared else "spin"
    stop(
        0xC4,
        0x100A,
        lock,
        routine,
        rule="SpinLock",
        text=f"{_name(context, routine)} returned while it holds a {kind} lock.",
        sites=[site_of(context, "acquired", site)],
    )
