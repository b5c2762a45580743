"""Raising and lowering IRQL, and the processor lock that makes DISPATCH_LEVEL exclusive.

Law: whoever is at DISPATCH_LEVEL or above holds the lock of its processor, taken before any spin lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.stop import raise_if_stopped, stop
from emulator.kernel.waits import sleep_in_call, wake
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.machine import ContextKind
from emulator.rules.irql import DISPATCH_LEVEL, irql_name

if TYPE_CHECKING:
    from emulator.kernel.context import Context

VERIFIER = 0xC4
ASK_AGAIN_NS = 1_000_000
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
        if context.kind is ContextKind.PROCESSOR:
            context.platform.acquire(context.processor_lock)
        else:
            _take_processor(context)
    if context.held:
        context.watch_releases()
    context.irql = context.box.irql = level
    return before


def _take_processor(context: Context) -> None:
    """A passive context's way to its processor's lock.

    A processor keeps what it stored private from round to round.  Whoever finds it so, or in a round, says that he
    wants its lock; it then publishes at the end of its round and steps aside, so that it neither withholds anything nor
    starves anybody.
    """
    arena, platform, lock = context.machine.arena, context.platform, context.processor_lock
    processor = FIRST_PROCESSOR_SLOT + context.processor
    if platform.try_acquire(lock):
        if not arena.withheld[processor]:
            return
        platform.release(lock)
    arena.raising[context.slot] = arena.summoned[processor] = 1
    while True:
        platform.acquire(lock)
        if not arena.withheld[processor]:
            break
        platform.release(lock)
        wake(context, processor)
        sleep_in_call(context, lambda: not arena.withheld[processor], platform.now() + ASK_AGAIN_NS)
    arena.raising[context.slot] = 0
    platform.fence()
    wake(context, processor)


def wanted(context: Context) -> bool:
    """Does a passive context wait for this processor?"""
    arena = context.machine.arena
    raising, processors = bytes(arena.raising), arena.geometry.processors
    return 1 in raising and any(flag and slot % processors == context.processor for slot, flag in enumerate(raising))


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
    if context.held:
        context.watch_releases()
    context.irql = context.box.irql = level
    if level < DISPATCH_LEVEL <= before:
        context.platform.release(context.processor_lock)
