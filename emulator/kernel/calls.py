"""Calling into a driver: the black box is written before, IRQL and held locks are looked at after.

Law: every entry from NDIS goes through ``call``; what it writes is readable in any half state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.stop import exception_frames, site_of, stop, stop_for_exception
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
    images = context.machine.images
    entry = images.routines[routine]
    assert entry is not None
    box = context.box
    outer_callback, outer_driver = context.callback, context.driver
    irql, held = context.irql, len(context.held)
    context.callback, context.driver = routine, entry.image
    outer_entered = box.entered
    box.routine, box.driver = routine, entry.image
    if not outer_callback:
        box.entered = context.platform.now()
        box.callbacks += 1
    try:
        result = context.routines[routine](*arguments)  # type: ignore[misc]
    except (BugCheck, MachineStopped, EmulatorError, HostError, NotImplementedByEmulator):
        raise
    except BaseException as error:
        stop_for_exception(context, error)
    if context.irql != irql:
        returned_at_other_irql(context, routine, irql)
    if len(context.held) != held:
        returned_with_lock(context, routine)
    context.callback, context.driver = outer_callback, outer_driver
    box.routine, box.driver = outer_callback, outer_driver
    box.entered = outer_entered if outer_callback else 0
    return result


def returned_at_other_irql(context: Context, routine: int, irql: int) -> None:
    """0xC8 IRQL_UNEXPECTED_VALUE, id 2 (call-out): the routine came back at another level."""
    found, context.irql = context.irql, irql
    stop(
        IRQL_UNEXPECTED_VALUE,
        found << 16 | irql << 8 | CALL_OUT,
        routine,
        text=f"{context.machine.images.routine_name(routine)} was called at {irql_name(irql)} and returned at "
        f"{irql_name(found)}.",
    )


def returned_with_lock(context: Context, routine: int) -> None:
    """SDV SpinLock: every spin lock is released before the handler returns (shown as 0xC4, our choice of code)."""
    from emulator.kernel.spinlocks import acquired_site

    lock = context.held[-1]
    stop(
        0xC4,
        0x1008,
        lock,
        routine,
        rule="SpinLock",
        text=f"{context.machine.images.routine_name(routine)} returned while it holds a spin lock.",
        sites=[site_of(context, "acquired", acquired_site(context, lock))],
    )


__all__ = ["call", "exception_frames", "returned_at_other_irql", "returned_with_lock"]
