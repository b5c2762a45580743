"""Reader/writer locks: those of NDIS 6.20, which NDIS allocates, and the older ones in the driver's own memory.

Law: the structures hold numbers of the lock table; what an acquisition got stands in the LOCK_STATE that the driver
gives for it, and only in there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel import rwlocks
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED, load_block, sizeof, stale_pointer
from emulator.kernel.stop import stop
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.buffers.ownership import false_dispatch_flag
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.constants import NDIS_RWL_AT_DISPATCH_LEVEL
from emulator.ndis.services.memory import free_block
from emulator.rules.irql import ANY, AT_DISPATCH, AT_MOST_DISPATCH, DISPATCH_LEVEL

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.handles import NDIS_HANDLE

LOCK_TAG: Final = int.from_bytes(b"NDrw", "little")
_SYNCH: Final = ("Irql_Synch_Function",)


class NDIS_RW_LOCK_EX(NONPAGED):
    """A reader/writer lock that NdisAllocateRWLock made; opaque to the driver."""

    rw_lock: rwlocks.KRW_LOCK


class LOCK_STATE_EX(rwlocks.KLOCK_STATE):
    """One acquisition of an NDIS_RW_LOCK_EX: a variable of the routine that acquires, or a member of its memory."""


class NDIS_RW_LOCK(rwlocks.KRW_LOCK):
    """The older read/write lock, inside a context; initialise it with NdisInitializeReadWriteLock."""


class LOCK_STATE(rwlocks.KLOCK_STATE):
    """One acquisition of an NDIS_RW_LOCK."""


@ddi(irql=AT_MOST_DISPATCH, acquires="reader/writer lock")
def NdisAllocateRWLock(NdisHandle: NDIS_HANDLE | None, /) -> NDIS_RW_LOCK_EX | None:
    """Allocate a reader/writer lock; None (NULL) when there is no room for it."""
    context = current.context
    machine = context.machine
    pointer = machine.pool.allocate(
        sizeof(NDIS_RW_LOCK_EX),
        tag=LOCK_TAG,
        type_number=machine.images.type_numbers[NDIS_RW_LOCK_EX],
        site=context.site,
        driver=context.driver,
        owner=owner_of(context, NdisHandle, "NdisAllocateRWLock"),
    )
    if pointer is None:
        return None
    lock: NDIS_RW_LOCK_EX = load_block(context, pointer)
    if not rwlocks.initialize(context, lock.rw_lock):
        context.pointers.pop(pointer, None)
        machine.pool.free(pointer, site=context.site)
        return None
    return lock


@ddi(irql=AT_MOST_DISPATCH, releases="reader/writer lock")
def NdisFreeRWLock(Lock: NDIS_RW_LOCK_EX, /) -> None:
    """Free a reader/writer lock that nobody holds."""
    context = current.context
    if context.machine.pool.lives(getattr(Lock, "_pointer", 0)):
        rwlocks.free(context, _lock_of(context, Lock))
    free_block(context, Lock)


@ddi(irql=AT_MOST_DISPATCH)
def NdisAcquireRWLockRead(Lock: NDIS_RW_LOCK_EX, LockState: LOCK_STATE_EX, Flags: int, /) -> None:
    """Take the lock beside other readers, at DISPATCH_LEVEL until its release; a reader may take it again."""
    context = current.context
    lock, raises = _lock_of(context, Lock), _raises(context, Flags)
    rwlocks.acquire(context, lock, LockState, context.site, write=False, raises=raises)


@ddi(irql=AT_MOST_DISPATCH)
def NdisAcquireRWLockWrite(Lock: NDIS_RW_LOCK_EX, LockState: LOCK_STATE_EX, Flags: int, /) -> None:
    """Take the lock alone, at DISPATCH_LEVEL until its release; not for who reads under it already."""
    context = current.context
    lock, raises = _lock_of(context, Lock), _raises(context, Flags)
    rwlocks.acquire(context, lock, LockState, context.site, write=True, raises=raises)


@ddi(irql=AT_DISPATCH)
def NdisReleaseRWLock(Lock: NDIS_RW_LOCK_EX, LockState: LOCK_STATE_EX, /) -> None:
    """Give back the acquisition of ``LockState`` and return to the IRQL before it."""
    context = current.context
    rwlocks.release(context, _lock_of(context, Lock), LockState)


@ddi(irql=ANY)
def NdisInitializeReadWriteLock(Lock: NDIS_RW_LOCK, /) -> None:
    """Initialise a read/write lock in the driver's memory; nothing gives it back but that memory's end."""
    rwlocks.initialize_in_place(current.context, Lock)


@ddi(irql=AT_MOST_DISPATCH, rules=_SYNCH)
def NdisAcquireReadWriteLock(Lock: NDIS_RW_LOCK, fWrite: bool, LockState: LOCK_STATE, /) -> None:
    """Raise to DISPATCH_LEVEL and take the lock, alone or beside other readers."""
    context = current.context
    rwlocks.acquire(context, Lock, LockState, context.site, write=bool(fWrite))


@ddi(irql=AT_DISPATCH, rules=_SYNCH)
def NdisReleaseReadWriteLock(Lock: NDIS_RW_LOCK, LockState: LOCK_STATE, /) -> None:
    """Give back the acquisition of ``LockState`` and return to the IRQL before it."""
    rwlocks.release(current.context, Lock, LockState)


@ddi(irql=AT_DISPATCH)
def NdisDprAcquireReadWriteLock(Lock: NDIS_RW_LOCK, fWrite: bool, LockState: LOCK_STATE, /) -> None:
    """Take the lock at DISPATCH_LEVEL."""
    context = current.context
    rwlocks.acquire(context, Lock, LockState, context.site, write=bool(fWrite), raises=False)


@ddi(irql=AT_DISPATCH)
def NdisDprReleaseReadWriteLock(Lock: NDIS_RW_LOCK, LockState: LOCK_STATE, /) -> None:
    """Give the lock back and stay at DISPATCH_LEVEL."""
    rwlocks.release(current.context, Lock, LockState, lowers=False)


def _raises(context: Context, flags: int) -> bool:
    at_dispatch = bool(flags & NDIS_RWL_AT_DISPATCH_LEVEL)
    if at_dispatch and context.irql < DISPATCH_LEVEL:
        false_dispatch_flag(context, "Flags", flags)
    return not at_dispatch


def _lock_of(context: Context, lock: Any) -> Any:
    pointer = getattr(lock, "_pointer", 0)
    if not isinstance(lock, NDIS_RW_LOCK_EX) or not pointer:
        stop(0xC4, 0x1002, 0, text=f"What was given as a reader/writer lock is {lock!r}: NdisAllocateRWLock makes one.")
    if not context.machine.pool.lives(pointer):
        stale_pointer(context, pointer)
    return lock.rw_lock


__all__ = [
    "LOCK_STATE",
    "LOCK_STATE_EX",
    "NDIS_RW_LOCK",
    "NDIS_RW_LOCK_EX",
    "NdisAcquireRWLockRead",
    "NdisAcquireRWLockWrite",
    "NdisAcquireReadWriteLock",
    "NdisAllocateRWLock",
    "NdisDprAcquireReadWriteLock",
    "NdisDprReleaseReadWriteLock",
    "NdisFreeRWLock",
    "NdisInitializeReadWriteLock",
    "NdisReleaseRWLock",
    "NdisReleaseReadWriteLock",
]
