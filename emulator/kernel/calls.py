"""Calling into a driver: the black box is written before, IRQL and held locks are looked at after.

Law: every entry from NDIS goes through ``call``; what it writes is readable in any half state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel.stop import site_of, stop, stop_for_exception, stop_not_implemented
from emulator.layout.machine import CALLBACKS_CELL, ENTERED_CELL, ROUTINE_CELL
from emulator.rules.errors import BugCheck, EmulatorError, HostError, MachineStopped, NotImplementedByEmulator
from emulator.rules.irql import irql_name

if TYPE_CHECKING:
    from emulator.kernel.context import Context

IRQL_UNEXPECTED_VALUE = 0xC8
CALL_OUT = 2
PASSED_ON = (BugCheck, MachineStopped, EmulatorError, HostError)
"""What a callback may leave with: the machine has stopped, or the fault is none of the driver's."""


def call(context: Context, routine: int, *arguments: Any) -> Any:
    """Call a driver's routine by number, with the black box written around it; its result.

    Raises BugCheck when it returns at another IRQL or with a spin lock held, and for an exception that escapes it.
    """
    irql, held = context.irql, len(context.held)
    result = enter(context, routine, *arguments)
    if context.irql != irql:
        returned_at_other_irql(context, routine, irql)
    if len(context.held) != held:
        returned_with_lock(context, routine)
    return result


def enter(context: Context, routine: int, *arguments: Any) -> Any:
    """``call`` without the checks on return, for callers that have bug checks of their own for them."""
    cells = context.cells
    outer_callback, outer_driver = context.callback, context.driver
    context.callback = routine
    context.driver, cells[ROUTINE_CELL] = context.machine.images.marks[routine]
    if not outer_callback:
        cells[ENTERED_CELL] = context.entered = context.platform.now()
        cells[CALLBACKS_CELL] += 1
    try:
        result = context.routines[routine](*arguments)  # type: ignore[misc]
    except PASSED_ON:
        raise
    except BaseException as error:
        escaped(context, error)
    context.callback = outer_callback
    context.driver = outer_driver
    cells[ROUTINE_CELL] = outer_driver << 32 | outer_callback
    if not outer_callback:
        cells[ENTERED_CELL] = 0
    return result


def escaped(context: Context, error: BaseException) -> NoReturn:
    """The stop for what left a callback and is none of PASSED_ON."""
    if isinstance(error, NotImplementedByEmulator):
        stop_not_implemented(context, error)
    stop_for_exception(context, error)


def returned_at_other_irql(context: Context, routine: int, irql: int) -> None:
    """0xC8 IRQL_UNEXPECTED_VALUE, id 2 (call-out): the routine came back at another level."""
    found = context.irql
    stop(
        IRQL_UNEXPECTED_VALUE,
        found << 16 | irql << 8 | CALL_OUT,
        routine,
        text=f"{context.machine.images.routine_name(routine)} was called at {irql_name(irql)} and returned at "
        f"{irql_name(found)}.",
    )


def returned_with_lock(context: Context, routine: int) -> None:
    """SDV SpinLock: every spin lock is released before the handler returns (shown as 0xC4, our choice of code)."""
    lock = context.held[-1]
    stop(
        0xC4,
        0x100A,
        lock,
        routine,
        rule="SpinLock",
        text=f"{context.machine.images.routine_name(routine)} returned while it holds a spin lock.",
        sites=[site_of(context, "acquired", context.held_sites[-1])],
    )
