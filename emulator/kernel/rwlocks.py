"""Reader/writer locks: one entry of the lock table for each processor; a reader takes its own, a writer all of them.

Law: a holder is at DISPATCH_LEVEL and so has its processor to itself: readers never meet on an entry, a writer takes
the entries in their order, and the death of a holder is met like that of a spin lock's.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from emulator.kernel import lock_entries
from emulator.kernel.context import AGAIN
from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.pointers import publish_escaped
from emulator.kernel.spinlocks import FIRST_DRIVER_LOCK, VERIFIER, held_since, meet_holder, wait_for
from emulator.kernel.stop import CallSite, raise_if_stopped, site_of, stop
from emulator.layout.machine import READ_WRITE_ENTRY
from emulator.layout.records import Record, u32
from emulator.rules.irql import DISPATCH_LEVEL, irql_name

if TYPE_CHECKING:
    from emulator.kernel.context import Context

ALREADY_HELD, NOT_INITIALIZED, NOT_ACQUIRED, STATE_IN_USE, OTHER_STATE, HELD_WHEN_FREED = (
    0x1000,
    0x1002,
    0x1007,
    0x1008,
    0x1009,
    0x100B,
)


class Held(IntEnum):
    """What an acquisition got; kept in its lock state."""

    NOT = 0
    READ = 1
    WRITE = 2


class KRW_LOCK(Record):
    """A lock as it lies in memory: its first entry of the lock table, and its writer."""

    first: u32
    writer: u32


class KLOCK_STATE(Record):
    """One acquisition: what it got, of which lock, and the IRQL to which its release returns."""

    state: u32
    first: u32
    old_irql: u32
    site: u32


def initialize(context: Context, lock: Any) -> bool:
    """Give the lock its entries; False when the lock table has no room for them."""
    first = lock_entries.take(context, READ_WRITE_ENTRY)
    if first:
        _clear(lock, first)
    return bool(first)


def initialize_in_place(context: Context, lock: Any) -> None:
    """``initialize`` for a lock that a driver embeds and that nothing ever frees."""
    _clear(lock, lock_entries.take_in_place(context, lock, READ_WRITE_ENTRY))


def _clear(lock: Any, first: int) -> None:
    ctypes.memset(ctypes.addressof(lock), 0, KRW_LOCK.size())
    lock.first = first


def free(context: Context, lock: Any) -> None:
    """Give the entries back.  0xC4/0x100B when the lock is held."""
    first = lock.first
    for index in _entries(context, first):
        if context.lock_holders[index]:
            stop(
                VERIFIER,
                HELD_WHEN_FREED,
                first,
                text="A reader/writer lock was freed while it is held.",
                sites=_holder(context, lock, index),
            )
    lock.first = 0
    lock_entries.give_back(context, first, READ_WRITE_ENTRY)


def acquire(context: Context, lock: Any, state: Any, site: int, *, write: bool, raises: bool = True) -> None:
    """Take the lock, to read beside other readers or to write alone; with ``raises`` go to DISPATCH_LEVEL first.

    Whoever holds it may take it again, except to write while it only reads.
    """
    first = lock.first
    if first < FIRST_DRIVER_LOCK:
        stop(VERIFIER, NOT_INITIALIZED, first, text="A reader/writer lock was acquired that has not been initialised.")
    index = first + context.processor
    times = _times_held(context, index)
    if times and write and lock.writer != context.slot + 1:
        stop(
            VERIFIER,
            ALREADY_HELD,
            first,
            text="A reader/writer lock was acquired for writing by a context that reads under it: it would wait for "
            "itself for ever.",
            sites=held_since(context, index, "acquired for reading"),
        )
    if context.machine.checked and state.first == first and state.state in (Held.READ, Held.WRITE):
        stop(
            VERIFIER,
            STATE_IN_USE,
            first,
            text="A reader/writer lock was acquired with the lock state of an acquisition that has not been released; "
            "each acquisition needs one of its own.",
            sites=[site_of(context, "acquired with it", state.site)],
        )
    before = context.irql
    if raises and before < DISPATCH_LEVEL:
        raise_irql(context, DISPATCH_LEVEL)
    elif context.stop_word[0]:
        raise_if_stopped(context)
    if not times:
        for each in _entries(context, first) if write else (index,):
            _take(context, each, site)
        if write:
            lock.writer = context.slot + 1
    context.held[index + times * AGAIN] = site, before
    state.state = Held.WRITE if write else Held.READ
    state.first = first
    state.old_irql = before
    state.site = site


def _entries(context: Context, first: int) -> range:
    return range(first, first + context.machine.geometry.processors)


def _times_held(context: Context, index: int) -> int:
    return sum(held == index for held, _ in context.locks_held())


def _take(context: Context, index: int, site: int) -> None:
    if context.lock_holders[index]:
        meet_holder(context, index)
    if context.takes_mutexes and not context.platform.try_acquire(index):
        wait_for(context, index)
    context.lock_holders[index] = site or context.nowhere


def release(context: Context, lock: Any, state: Any, *, lowers: bool = True) -> None:
    """Give one acquisition back; the last one frees the lock.  With ``lowers`` return to the IRQL kept in ``state``."""
    first = lock.first
    index = first + context.processor
    times = _times_held(context, index)
    if context.irql != DISPATCH_LEVEL:
        stop(
            VERIFIER,
            0x32,
            first,
            context.irql,
            text=f"A reader/writer lock was released at {irql_name(context.irql)}; a holder is at DISPATCH_LEVEL.",
        )
    if first < FIRST_DRIVER_LOCK or not times:
        stop(
            VERIFIER,
            NOT_ACQUIRED,
            first,
            text="A reader/writer lock was released that this context has not acquired.",
            sites=_holder(context, lock, index) if first else [],
        )
    if state.first != first or state.state not in (Held.READ, Held.WRITE):
        stop(
            VERIFIER,
            OTHER_STATE,
            first,
            text="A reader/writer lock was released with a lock state that no acquisition of it has filled, or whose "
            "acquisition has been released before.",
            sites=_holder(context, lock, index),
        )
    del context.held[index + (times - 1) * AGAIN]
    old, state.state = state.old_irql, Held.NOT
    if context.escaped:
        publish_escaped(context)
    if times == 1:
        writes = lock.writer == context.slot + 1
        if writes:
            lock.writer = 0
        for each in reversed(_entries(context, first)) if writes else (index,):
            context.lock_holders[each] = 0
            if context.takes_mutexes:
                context.platform.release(each)
    if lowers and old < DISPATCH_LEVEL:
        lower_irql(context, old)


def _holder(context: Context, lock: Any, index: int) -> list[CallSite]:
    return held_since(context, index, "acquired for writing" if lock.writer else "acquired for reading")
