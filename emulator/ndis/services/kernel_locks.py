"""The kernel's own spin locks, mutexes and IRQL, as drivers use them that have no lock of NDIS at hand.

Law: the same locks, checks and stops as those of NDIS; a KSPIN_LOCK keeps no IRQL, the caller does.
"""

from __future__ import annotations

from typing import Final

from emulator.kernel import irql, lock_entries, mutexes, spinlocks
from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.layout.machine import SPIN_LOCK_ENTRY
from emulator.ndis.gates.ddi import ddi
from emulator.rules.irql import ANY, AT_MOST_DISPATCH, AT_PASSIVE, DISPATCH_LEVEL

_AT_DPC: Final = "IRQL >= DISPATCH_LEVEL: the page says so in its remarks"


class KSPIN_LOCK(spinlocks.KSPIN_LOCK):
    """A spin lock of the kernel inside a context; initialise it with KeInitializeSpinLock."""


class KMUTEX(mutexes.KMUTEX):
    """A mutex inside a context; initialise it with NDIS_INIT_MUTEX."""


NDIS_MUTEX = KMUTEX
"""What the macros of NDIS take."""


@ddi(irql=ANY, page="nf-wdm-keinitializespinlock")
def KeInitializeSpinLock(SpinLock: KSPIN_LOCK, /) -> None:
    """Initialise a spin lock in the driver's memory; nothing gives it back but that memory's end."""
    SpinLock.index = lock_entries.take_in_place(current.context, SpinLock, SPIN_LOCK_ENTRY)


@ddi(irql=AT_MOST_DISPATCH, rules=("SpinLock", "SpinLockRelease"), page="nf-wdm-keacquirespinlock")
def KeAcquireSpinLock(SpinLock: KSPIN_LOCK, /) -> int:
    """Raise to DISPATCH_LEVEL and take the lock; the IRQL before."""
    return _acquire(SpinLock)


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-keacquirespinlockraisetodpc")
def KeAcquireSpinLockRaiseToDpc(SpinLock: KSPIN_LOCK, /) -> int:
    """Raise to DISPATCH_LEVEL and take the lock; the IRQL before."""
    return _acquire(SpinLock)


@ddi(
    irql=ANY,
    rules=("SpinLock", "SpinLockRelease"),
    page="nf-wdm-kereleasespinlock",
    note="DISPATCH_LEVEL; checked by the lock itself with 0xC4/0x32",
)
def KeReleaseSpinLock(SpinLock: KSPIN_LOCK, NewIrql: int, /) -> None:
    """Give the lock back and go to ``NewIrql``, which the acquisition has returned."""
    _release(SpinLock, NewIrql)


@ddi(
    irql=ANY,
    page="nf-wdm-keacquirespinlockatdpclevel",
    note=f"{_AT_DPC}; below it the verifier's own 0xC4/0x40",
)
def KeAcquireSpinLockAtDpcLevel(SpinLock: KSPIN_LOCK, /) -> None:
    """Take the lock at DISPATCH_LEVEL.  Bug check 0xC4/0x40 below it."""
    context = current.context
    if context.irql < DISPATCH_LEVEL:
        stop(0xC4, 0x40, context.irql, text="KeAcquireSpinLockAtDpcLevel was called below DISPATCH_LEVEL.")
    spinlocks.acquire(context, SpinLock, context.site, raises=False)


@ddi(
    irql=ANY,
    page="nf-wdm-kereleasespinlockfromdpclevel",
    note="DISPATCH_LEVEL; below it the verifier's own 0xC4/0x41",
)
def KeReleaseSpinLockFromDpcLevel(SpinLock: KSPIN_LOCK, /) -> None:
    """Give the lock back and stay at DISPATCH_LEVEL.  Bug check 0xC4/0x41 below it."""
    context = current.context
    if context.irql < DISPATCH_LEVEL:
        stop(0xC4, 0x41, context.irql, text="KeReleaseSpinLockFromDpcLevel was called below DISPATCH_LEVEL.")
    spinlocks.release(context, SpinLock, lowers=False)


@ddi(
    irql=AT_MOST_DISPATCH,
    page="nf-wdm-keacquirespinlockfordpc",
    note="the page has no level; a DPC runs at DISPATCH_LEVEL, a threaded one at PASSIVE_LEVEL",
)
def KeAcquireSpinLockForDpc(SpinLock: KSPIN_LOCK, /) -> int:
    """Take the lock from a DPC, whether that runs at DISPATCH_LEVEL or in a thread; the IRQL before."""
    return _acquire(SpinLock)


@ddi(
    irql=ANY,
    page="nf-wdm-kereleasespinlockfordpc",
    note="DISPATCH_LEVEL, where the acquisition left the caller; checked by the lock itself with 0xC4/0x32",
)
def KeReleaseSpinLockForDpc(SpinLock: KSPIN_LOCK, OldIrql: int, /) -> None:
    """Give the lock back and go to ``OldIrql``, which the acquisition has returned."""
    _release(SpinLock, OldIrql)


@ddi(irql=ANY, page="nf-wdm-keraiseirql", note="C's macro calls its two arguments a and b; the second is returned")
def KeRaiseIrql(NewIrql: int, /) -> int:
    """Go to a level that is not below the current one; the IRQL before.  Bug check 0xC4/0x30 otherwise."""
    return irql.raise_irql(current.context, NewIrql)


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-keraiseirqltodpclevel")
def KeRaiseIrqlToDpcLevel() -> int:
    """Go to DISPATCH_LEVEL; the IRQL before."""
    return irql.raise_irql(current.context, DISPATCH_LEVEL)


@ddi(irql=ANY, page="nf-wdm-kelowerirql")
def KeLowerIrql(NewIrql: int, /) -> None:
    """Go back to a level that is not above the current one.  Bug check 0xC4/0x31 otherwise."""
    irql.lower_irql(current.context, NewIrql)


@ddi(irql=ANY)
def NDIS_INIT_MUTEX(M: KMUTEX, /) -> None:
    """Initialise a mutex: free."""
    mutexes.initialize(M)


@ddi(irql=AT_PASSIVE, rules=("Irql_Synch_Function",))
def NDIS_WAIT_FOR_MUTEX(M: KMUTEX, /) -> None:
    """Take the mutex, however long it takes; its owner may take it again."""
    context = current.context
    mutexes.acquire(context, M, context.site)


@ddi(irql=AT_PASSIVE, rules=("Irql_Synch_Function",))
def NDIS_RELEASE_MUTEX(M: KMUTEX, /) -> None:
    """Give the mutex back once for each time it was taken.  Bug check 0x7E for one that the caller does not own."""
    mutexes.release(current.context, M)


def _acquire(lock: KSPIN_LOCK) -> int:
    context = current.context
    before = context.irql
    spinlocks.acquire(context, lock, context.site)
    return before


def _release(lock: KSPIN_LOCK, level: int) -> None:
    context = current.context
    index = lock.index
    if index in context.held:
        context.held[index] = context.lock_holders[index], level
    spinlocks.release(context, lock)


__all__ = [
    "KMUTEX",
    "KSPIN_LOCK",
    "NDIS_INIT_MUTEX",
    "NDIS_MUTEX",
    "NDIS_RELEASE_MUTEX",
    "NDIS_WAIT_FOR_MUTEX",
    "KeAcquireSpinLock",
    "KeAcquireSpinLockAtDpcLevel",
    "KeAcquireSpinLockForDpc",
    "KeAcquireSpinLockRaiseToDpc",
    "KeInitializeSpinLock",
    "KeLowerIrql",
    "KeRaiseIrql",
    "KeRaiseIrqlToDpcLevel",
    "KeReleaseSpinLock",
    "KeReleaseSpinLockForDpc",
    "KeReleaseSpinLockFromDpcLevel",
]
