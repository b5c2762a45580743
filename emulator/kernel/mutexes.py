"""Mutexes of the kernel: owned by a context, which may take one again, and waited for at PASSIVE_LEVEL.

Law: owner, depth and waiters change under the dispatcher lock; who frees one wakes all who wait, and they look again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.stop import site_of, stop
from emulator.kernel.waits import sleep_in_call, wake_all
from emulator.layout.machine import SystemLock
from emulator.layout.records import Record, u32, u64

if TYPE_CHECKING:
    from emulator.kernel.context import Context

MUTEX_MAGIC: Final = 0x5854554D
STATUS_MUTANT_NOT_OWNED: Final = 0xC000_0046


class KMUTEX(Record):
    """A mutex as it lies in memory."""

    magic: u32
    owner: u32
    depth: u32
    site: u32
    waiters: u64


def initialize(mutex: Any) -> None:
    """Make the mutex: free, nobody waits."""
    mutex.owner = mutex.depth = mutex.site = 0
    mutex.waiters = 0
    mutex.magic = MUTEX_MAGIC


def acquire(context: Context, mutex: Any, site: int) -> None:
    """Take the mutex, however long it takes."""
    if mutex.magic != MUTEX_MAGIC:
        stop(0xC4, 0x1002, 0, text="A mutex was waited for that NDIS_INIT_MUTEX has not initialised.")
    me, bit, platform = context.slot + 1, 1 << context.slot, context.platform
    while True:
        platform.acquire(SystemLock.DISPATCHER)
        owner = mutex.owner
        if owner in (0, me):
            mutex.owner = me
            mutex.depth += 1
            mutex.waiters &= ~bit
            if not owner:
                mutex.site = site
            platform.release(SystemLock.DISPATCHER)
            return
        mutex.waiters |= bit
        platform.release(SystemLock.DISPATCHER)
        sleep_in_call(context, lambda: not mutex.owner)


def release(context: Context, mutex: Any) -> None:
    """Give the mutex back as often as it was taken.  Another's is an exception on Windows, which nothing catches."""
    if mutex.magic != MUTEX_MAGIC or mutex.owner != context.slot + 1:
        owned = mutex.magic == MUTEX_MAGIC and mutex.owner
        stop(
            0x7E,
            STATUS_MUTANT_NOT_OWNED,
            text="A mutex was released that this context does not own (STATUS_MUTANT_NOT_OWNED).",
            sites=[site_of(context, "acquired", mutex.site)] if owned else [],
        )
    platform = context.platform
    platform.acquire(SystemLock.DISPATCHER)
    mutex.depth -= 1
    waiters = 0
    if not mutex.depth:
        waiters = mutex.waiters
        mutex.owner = 0
    platform.release(SystemLock.DISPATCHER)
    wake_all(context, waiters)
