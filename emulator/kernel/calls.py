"""Calling into a driver: the black box is written before, IRQL and held locks are looked at after.

Law: every entry from NDIS goes through ``call``; what it writes is readable in any half state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.stop import site_of, stop, stop_for_exception, stop_not_implemented
from emulator.rules.errors import BugCheck, EmulatorError, HostError, MachineStopped, NotImplementedByEmulator
from emulator.rules.irql import irql_name

if TYPE_CHECKING:
    from emulator.kernel.context import Context

IRQL_UNEXPECTED_VALUE = 0xC8
CALL_OUT = 2


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
    image = context.machine.images.routines[routine].image  # type: ignore[union-attr]
    box = context.box
    outer_callback, outer_driver = context.callback, context.driver
    context.callback = box.routine = routine
    context.driver = box.driver = image
    if not outer_callback:
        box.entered = context.entered = context.platform.now()
        box.callbacks += 1
    try:
        result = context.routines[routine](*arguments)  # type: ignore[misc]
    except (BugCheck, MachineStopped, EmulatorError, HostError):
        raise
    except NotImplementedByEmulator as error:
        stop_not_implemented(context, error)
    except BaseException as error:
        stop_for_exception(context, error)
    context.callback = box.routine = outer_callback
    context.driver = box.driver = outer_driver
    if not outer_callback:
        box.entered = 0
    return result


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
