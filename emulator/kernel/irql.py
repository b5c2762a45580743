"""Raising and lowering IRQL, and the processor lock that makes DISPATCH_LEVEL exclusive.

Law: whoever is at DISPATCH_LEVEL or above holds the lock of its processor, taken before any spin lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.stop import raise_if_stopped, stop
from emulator.rules.irql import DISPATCH_LEVEL, irql_name

if TYPE_CHECKING:
    from emulator.kernel.context import Context

VERIFIER = 0xC4
RAISED_TO_LOWER, LOWERED_TO_HIGHER = 0x30, 0x31


def raise_irql(context: Context, level: int) -> int:
    """KeRaiseIrql: go to ``level``, which is not below the current one; the level before."""
    before = context.irql
    if level < before:
        stop(
            VERIFIER,
            RAISED_TO_LOWER,
            before,
            level,
            text=f"IRQL was raised to {irql_name(level)}, which is below the current {irql_name(before)}.",
        )
    if before < DISPATCH_LEVEL <= level:
        raise_if_stopped(context)
        context.platform.acquire(context.processor_lock)
    context.irql = context.box.irql = level
    return before


def lower_irql(context: Context, level: int) -> None:
    """KeLowerIrql: go back to ``level``, which is not above the current one."""
    before = context.irql
    if level > before:
        stop(
            VERIFIER,
            LOWERED_TO_HIGHER,
            before,
            level,
            text=f"IRQL was lowered to {irql_name(level)}, which is above the current {irql_name(before)}.",
        )
    context.irql = context.box.irql = level
    if level < DISPATCH_LEVEL <= before:
        context.platform.release(context.processor_lock)
