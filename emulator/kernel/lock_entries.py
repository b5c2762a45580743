"""Entries of the lock table for locks that lie in a driver's memory and that nothing ever frees.

Law: where such a lock lies is remembered; the same place gets the same entries again, and when the table is full the
entries of locks whose memory has been freed, or used for something else, are taken back.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import stop_limit
from emulator.layout.cells import ULONG_CELL
from emulator.layout.machine import READ_WRITE_ENTRY, SystemLock
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context

FIRST_DRIVER_LOCK = int(SystemLock.FIRST_DRIVER)


def entries_of(context: Context, mark: int) -> int:
    """How many entries a lock of a kind has."""
    return context.machine.geometry.processors if mark == READ_WRITE_ENTRY else 1


def take(context: Context, mark: int) -> int:
    """Entries for one lock, side by side: the first one's number in the lock table; 0 when there is no room."""
    count = entries_of(context, mark)
    used, platform = context.machine.arena.lock_used, context.platform
    platform.acquire(SystemLock.LOCKS)
    index = bytes(used).find(bytes(count))
    if index >= 0:
        used[index : index + count] = bytes((mark,)) * count
    platform.release(SystemLock.LOCKS)
    return FIRST_DRIVER_LOCK + index if index >= 0 else 0


def give_back(context: Context, first: int, mark: int) -> None:
    """Free the entries of one lock."""
    index, count = first - FIRST_DRIVER_LOCK, entries_of(context, mark)
    context.machine.arena.lock_used[index : index + count] = bytes(count)


def take_in_place(context: Context, lock: Any, mark: int) -> int:
    """``take`` for a lock that is embedded; its first word is where the number is kept."""
    arena = context.machine.arena
    place = ctypes.addressof(lock) - arena.base
    if not 0 <= place < len(arena.view):
        stop_limit(
            VnicLimit.VNIC_PRIVATE_DATA,
            "A lock was initialised that does not lie in nonpaged memory: no other context could see it.",
        )
    homes = arena.lock_homes.tolist()
    known = homes.index(place) if place in homes else -1
    if known >= 0 and arena.lock_used[known] == mark:
        return FIRST_DRIVER_LOCK + known
    if known >= 0:
        arena.lock_homes[known] = 0
        give_back(context, FIRST_DRIVER_LOCK + known, arena.lock_used[known])
    first = take(context, mark)
    if not first:
        _take_back(context)
        first = take(context, mark)
    if not first:
        stop_limit(
            VnicLimit.VNIC_TABLE_FULL,
            f"The machine has {len(arena.lock_used)} locks, of which one takes {entries_of(context, mark)}; too few "
            "are free.",
            remedy="Give the machine more: driver_locks in its [machine] table.",
        )
    arena.lock_homes[first - FIRST_DRIVER_LOCK] = place
    return first


def _take_back(context: Context) -> None:
    """Free the entries of embedded locks that are no more."""
    arena = context.machine.arena
    blocks = [(pointer & OFFSET_MASK, block.length) for pointer, block in context.machine.pool.live()]
    for index, place in enumerate(arena.lock_homes.tolist()):
        if not place:
            continue
        first = FIRST_DRIVER_LOCK + index
        alive = any(start <= place < start + length for start, length in blocks)
        if not alive or ULONG_CELL.from_buffer(arena.memory, place).value != first:  # type: ignore[attr-defined]
            arena.lock_homes[index] = 0
            give_back(context, first, arena.lock_used[index])
