"""Spin locks: an index into the lock table, the old IRQL kept in the lock, and who holds it since where.

Law: the processor's lock comes before any spin lock; a lock lives in the kernel region, so no stray write can break it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.pointers import publish_escaped
from emulator.kernel.stop import raise_if_stopped, site_of, stop, stop_limit
from emulator.layout.machine import MAXIMUM_HELD_LOCKS, SPIN_LOCK_ENTRY, SystemLock
from emulator.layout.records import Record, u32
from emulator.rules.irql import DISPATCH_LEVEL, irql_name
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context

VERIFIER = 0xC4
FIRST_DRIVER_LOCK = int(SystemLock.FIRST_DRIVER)
COUNT = 0
HELD = 2
"""Places among a context's ``held_cells``."""


class KSPIN_LOCK(Record):
    """A spin lock as it lies in a driver's memory: only the index of its entry in the lock table, and the old IRQL."""

    index: u32
    old_irql: u32
    site: u32
    owner: u32


def initialize(context: Context, lock: Any, site: int) -> None:
    """Give the lock an entry of the lock table."""
    used = context.machine.arena.lock_used
    platform = context.platform
    platform.acquire(SystemLock.LOCKS)
    index = bytes(used).find(0)
    if index >= 0:
        used[index] = SPIN_LOCK_ENTRY
    platform.release(SystemLock.LOCKS)
    if index < 0:
        stop_limit(
            VnicLimit.VNIC_TABLE_FULL,
            f"The machine has {len(used)} spin locks and all are in use.",
            remedy="Free locks with NdisFreeSpinLock, or give the machine more: driver_locks in its [machine] table.",
        )
    lock.index = SystemLock.FIRST_DRIVER + index
    lock.old_irql = 0
    lock.owner = 0
    lock.site = site


def free(context: Context, lock: Any) -> None:
    """Give the entry back.  0xC4/0x100B when the lock is held."""
    if lock.owner:
        stop(
            VERIFIER,
            0x100B,
            lock.index,
            text="A spin lock was freed while it is held.",
            sites=[site_of(context, "acquired", lock.site)],
        )
    index = lock.index - SystemLock.FIRST_DRIVER
    lock.index = 0
    if 0 <= index < len(context.machine.arena.lock_used):
        context.machine.arena.lock_used[index] = 0


def acquire(context: Context, lock: Any, site: int, *, raises: bool = True) -> None:
    """Take the lock; with ``raises`` go to DISPATCH_LEVEL first and keep the old IRQL in the lock."""
    index = lock.index
    if index < FIRST_DRIVER_LOCK:
        stop(VERIFIER, 0x1002, index, text="A spin lock was acquired that NdisAllocateSpinLock has not initialised.")
    held = context.held
    if index in held:
        stop(
            VERIFIER,
            0x1000,
            index,
            rule="SpinLock",
            text="A spin lock was acquired again by the context that holds it: it would wait for itself for ever.",
            sites=[site_of(context, "acquired the first time", lock.site)],
        )
    before = context.irql
    if raises and before < DISPATCH_LEVEL:
        raise_irql(context, DISPATCH_LEVEL)
    elif context.stop_word[0]:
        raise_if_stopped(context)
    platform = context.platform
    if not platform.try_acquire(index):
        context.box.lock_wanted = index
        platform.acquire(index)
        context.box.lock_wanted = 0
    cells, count = context.held_cells, len(held)
    if count < MAXIMUM_HELD_LOCKS:
        cells[HELD + count] = index
    held.append(index)
    context.held_sites.append(site)
    cells[COUNT] = count + 1
    lock.old_irql = before
    lock.owner = context.slot + 1
    lock.site = site


def release(context: Context, lock: Any, *, lowers: bool = True) -> None:
    """Give the lock back; with ``lowers`` return to the IRQL kept in *this* lock, right order or not."""
    held, index = context.held, lock.index
    if held and held[-1] == index and context.irql == DISPATCH_LEVEL:
        held.pop()
        context.held_sites.pop()
    else:
        _let_go_of_another(context, lock, index)
    context.held_cells[COUNT] = len(held)
    if context.escaped:
        publish_escaped(context)
    old = lock.old_irql
    lock.owner = 0
    context.platform.release(index)
    if lowers and old < DISPATCH_LEVEL:
        lower_irql(context, old)


def _let_go_of_another(context: Context, lock: Any, index: int) -> None:
    """Forget a lock that is not the last one taken; the stop for one that may not be released."""
    held, cells = context.held, context.held_cells
    if context.irql != DISPATCH_LEVEL:
        stop(
            VERIFIER,
            0x32,
            index,
            context.irql,
            rule="SpinLockRelease",
            text=f"A spin lock was released at {irql_name(context.irql)}; a holder is at DISPATCH_LEVEL.",
        )
    if index not in held:
        stop(
            VERIFIER,
            0x1007,
            index,
            rule="SpinLockRelease",
            text="A spin lock was released that this context has not acquired.",
            sites=[site_of(context, "acquired", lock.site)] if lock.owner else [],
        )
    place = held.index(index)
    del held[place], context.held_sites[place]
    for number, value in enumerate(held[place:MAXIMUM_HELD_LOCKS], place):
        cells[HELD + number] = value
