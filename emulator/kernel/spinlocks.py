"""Spin locks: an index into the lock table, who holds it since where, and the IRQL to which each holder returns.

Law: the processor's lock comes before any spin lock, and who holds which is kept in the kernel region, so no stray
write can break it.  On a machine of one processor that lock is enough, as it is in a uniprocessor kernel: nobody else
can be at DISPATCH_LEVEL, so the entry's mutex is not taken at all (``Context.takes_mutexes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.pointers import publish_escaped
from emulator.kernel.stop import CallSite, raise_if_stopped, site_of, stop, stop_limit
from emulator.layout.machine import NO_DRIVERS_LOCK, SPIN_LOCK_ENTRY, SystemLock
from emulator.layout.records import Record, u32
from emulator.rules.irql import DISPATCH_LEVEL, irql_name
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from typing import NoReturn

    from emulator.kernel.context import Context

VERIFIER = 0xC4
FIRST_DRIVER_LOCK = int(SystemLock.FIRST_DRIVER)
NOT_HELD: Final = (0, 0)
"""What was kept for a lock that the context does not hold."""
LOOKS: Final = 8
"""How often a processor that withholds lists loses patience before it publishes them and blocks."""


class KSPIN_LOCK(Record):
    """A spin lock as it lies in a driver's memory: only the index of its entry in the lock table."""

    index: u32
    spare: u32


def initialize(context: Context, lock: Any) -> None:
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


def free(context: Context, lock: Any) -> None:
    """Give the entry back.  0xC4/0x100B when the lock is held."""
    index, arena = lock.index, context.machine.arena
    number = index - SystemLock.FIRST_DRIVER
    lock.index = 0
    if not 0 <= number < len(arena.lock_used):
        return
    if arena.lock_holders[index]:
        stop(
            VERIFIER,
            0x100B,
            index,
            text="A spin lock was freed while it is held.",
            sites=[site_of(context, "acquired", arena.lock_holders[index])],
        )
    arena.lock_used[number] = 0


def acquire(context: Context, lock: Any, site: int, *, raises: bool = True) -> None:
    """Take the lock; with ``raises`` go to DISPATCH_LEVEL first, and back to the old IRQL with its release.

    Of a machine's only processor, which is at DISPATCH_LEVEL already, NDIS takes a free lock itself: what this comes to
    there is to say who holds it.  What that processor stores is published later, so that no release needs to do so.
    """
    index = lock.index
    if index < FIRST_DRIVER_LOCK:
        stop(VERIFIER, 0x1002, index, text="A spin lock was acquired that NdisAllocateSpinLock has not initialised.")
    before = context.irql
    if before < DISPATCH_LEVEL and raises:
        raise_irql(context, DISPATCH_LEVEL)
    elif context.stop_word[0]:
        raise_if_stopped(context)
    holders = context.lock_holders
    if holders[index]:
        meet_holder(context, index)
    if context.takes_mutexes and not context.platform.try_acquire(index):
        wait_for(context, index)
    holders[index] = site or context.nowhere
    context.held[index] = site, before


def meet_holder(context: Context, index: int) -> None:
    """The stop for a lock that will never be free; one that is held on another processor is waited for."""
    if index in context.held:
        stop(
            VERIFIER,
            0x1000,
            index,
            rule="SpinLock",
            text="A spin lock was acquired again by the context that holds it: it would wait for itself for ever.",
            sites=held_since(context, index, "acquired the first time"),
        )
    if not context.takes_mutexes:
        stop_limit(
            VnicLimit.VNIC_DEADLOCK,
            "A lock was acquired whose holder has gone below DISPATCH_LEVEL with it: whoever waits for it has the only "
            "processor, so that its holder never comes back to release it.",
            index,
            sites=held_since(context, index),
        )


def held_since(context: Context, index: int, what: str = "acquired") -> list[CallSite]:
    """Where a lock was acquired that somebody holds."""
    site = context.lock_holders[index]
    return [site_of(context, what, site)] if site not in (0, NO_DRIVERS_LOCK) else []


def wait_for(context: Context, index: int) -> None:
    """Block for the mutex of a lock, which the black box tells; its holder may need what is withheld here."""
    context.box.lock_wanted = index
    # A single processor publishes what it has stored between two callbacks, and not inside one.
    several = context.machine.geometry.processors > 1
    if not (several and context.stored and wait_and_answer(context, index)):
        context.platform.acquire(index)
    context.box.lock_wanted = 0


def wait_and_answer(context: Context, index: int) -> bool:
    """Look for a while whether the mutex is free; False, and nothing is withheld here any more, if it stays taken."""
    platform, services, calls = context.platform, context.machine.services, context.calls
    taken = False

    def ready() -> bool:
        nonlocal taken
        taken = platform.try_acquire(index)
        return taken or calls[1] != calls[3]

    for _ in range(LOOKS):
        if platform.linger(ready):
            if taken:
                return True
            services.leave(context)
    services.leave(context)
    context.machine.arena.withheld[context.slot] = 0
    return False


def release(context: Context, lock: Any, *, lowers: bool = True) -> None:
    """Give the lock back; with ``lowers`` return to the IRQL kept for *this* lock, right order or not."""
    index = lock.index
    give_back(context, index, context.held.pop(index, NOT_HELD), lowers=lowers)


def give_back(context: Context, index: int, kept: tuple[int, int] | None, *, lowers: bool = True) -> None:
    """``release`` of a lock that has been taken out of those held, with what was ``kept`` for it there."""
    if context.irql != DISPATCH_LEVEL or kept is NOT_HELD:
        _refuse(context, index)
    if context.stop_word[0]:
        raise_if_stopped(context)
    if context.escaped:
        publish_escaped(context)
    context.lock_holders[index] = 0
    if context.takes_mutexes:
        context.platform.release(index)
        if (calls := context.calls)[1] != calls[3]:
            context.machine.services.leave(context)
    if lowers and kept and kept[1] < DISPATCH_LEVEL:
        lower_irql(context, kept[1])


def _refuse(context: Context, index: int) -> NoReturn:
    """The stop for a lock that may not be released here, or by this context."""
    if context.irql != DISPATCH_LEVEL:
        stop(
            VERIFIER,
            0x32,
            index,
            context.irql,
            rule="SpinLockRelease",
            text=f"A spin lock was released at {irql_name(context.irql)}; a holder is at DISPATCH_LEVEL.",
        )
    stop(
        VERIFIER,
        0x1007,
        index,
        rule="SpinLockRelease",
        text="A spin lock was released that this context has not acquired.",
        sites=held_since(context, index),
    )
