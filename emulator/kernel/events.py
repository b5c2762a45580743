"""Dispatcher events: a signal that contexts of other processes wait for.

Law: the waiters' bitmap changes under the dispatcher lock; signal and bitmap are read without it, after every wake-up.
Who waits when the event is set is released, even if it is reset before the waiter looks, as on Windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.waits import sleep_until, wake_all
from emulator.layout.machine import SystemLock
from emulator.layout.records import Record, u32, u64

if TYPE_CHECKING:
    from emulator.kernel.context import Context


class KEVENT(Record):
    """A notification event as it lies in memory: signalled or not, and a bitmap of the slots that wait."""

    magic: u32
    signalled: u32
    waiters: u64


EVENT_MAGIC = 0x54564545


def initialize(event: Any) -> None:
    """Make the event: not signalled, nobody waits."""
    event.signalled = 0
    event.waiters = 0
    event.magic = EVENT_MAGIC


def set_event(context: Context, event: Any) -> None:
    """Signal the event and wake everybody who waits for it."""
    platform = context.platform
    platform.acquire(SystemLock.DISPATCHER)
    event.signalled = 1
    waiters = event.waiters
    event.waiters = 0
    platform.release(SystemLock.DISPATCHER)
    wake_all(context, waiters)


def reset_event(context: Context, event: Any) -> None:
    """Take the signal away."""
    context.platform.acquire(SystemLock.DISPATCHER)
    event.signalled = 0
    context.platform.release(SystemLock.DISPATCHER)


def wait_event(context: Context, event: Any, deadline: int | None) -> bool:
    """Wait until the event is signalled or the deadline (machine time, ns) has passed; was it signalled?"""
    platform = context.platform
    bit = 1 << context.slot
    platform.acquire(SystemLock.DISPATCHER)
    if event.signalled:
        platform.release(SystemLock.DISPATCHER)
        return True
    event.waiters |= bit
    platform.release(SystemLock.DISPATCHER)
    # Only set_event takes a waiter out of the bitmap.
    released = sleep_until(context, lambda: bool(event.signalled or not event.waiters & bit), deadline)
    if not released:
        platform.acquire(SystemLock.DISPATCHER)
        released = not event.waiters & bit
        event.waiters &= ~bit
        platform.release(SystemLock.DISPATCHER)
    return released
