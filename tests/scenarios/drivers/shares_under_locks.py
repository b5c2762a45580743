"""Work items of several passive workers that share memory under every lock there is: nothing may be lost."""

from __future__ import annotations

from typing import Any, Literal

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include
from tests.scenarios.drivers.several_items import AllocateItems, FreeItems, QueueItems

ITEMS = 4
ROUNDS = 50
include(globals(), "miniport")


class NODE(NONPAGED):
    """An entry that wanders between the two lists."""

    Link: LIST_ENTRY


class SHARED(NONPAGED):
    """What all items share: plain counts, each under a lock of its own."""

    Items: Array[WorkItemHandle, Literal[4]]
    Finished: LONG
    Writes: u32
    Guarded: u32
    Owned: u32
    Older: u32
    RwLock: Pointer[NDIS_RW_LOCK_EX]
    ReadWrite: NDIS_RW_LOCK
    KernelLock: KSPIN_LOCK
    ListLock: NDIS_SPIN_LOCK
    Mutex: KMUTEX
    Head: LIST_ENTRY
    Nodes: Array[NODE, Literal[4]]


def Count(shared: SHARED, lock: NDIS_RW_LOCK_EX) -> None:
    """One more of everything."""
    state, older = LOCK_STATE_EX(), LOCK_STATE()
    NdisAcquireRWLockWrite(lock, state, 0)
    shared.Writes += 1
    NdisReleaseRWLock(lock, state)
    NdisAcquireRWLockRead(lock, state, 0)
    NdisReleaseRWLock(lock, state)
    NdisAcquireReadWriteLock(shared.ReadWrite, True, older)
    shared.Older += 1
    NdisReleaseReadWriteLock(shared.ReadWrite, older)
    before = KeAcquireSpinLock(shared.KernelLock)
    shared.Guarded += 1
    KeReleaseSpinLock(shared.KernelLock, before)
    NDIS_WAIT_FOR_MUTEX(shared.Mutex)
    shared.Owned += 1
    NDIS_RELEASE_MUTEX(shared.Mutex)
    entry = NdisInterlockedRemoveHeadList(shared.Head, shared.ListLock)
    if entry is not None:
        NdisInterlockedInsertTailList(shared.Head, entry, shared.ListLock)


@NDIS_IO_WORKITEM_FUNCTION
def Work(shared: SHARED, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Count, beside the others."""
    lock = shared.RwLock
    assert lock is not None
    for _ in range(ROUNDS):
        Count(shared, lock)
    if NdisInterlockedIncrement(shared.Finished) == ITEMS:
        entries = 0
        while NdisInterlockedRemoveHeadList(shared.Head, shared.ListLock) is not None:
            entries += 1
        counts = (shared.Writes, shared.Older, shared.Guarded, shared.Owned, entries)
        DbgPrint("counted %d %d %d %d, %d entries", *counts)


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    """Make what is shared."""
    shared = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(SHARED), TAG, 0)
    if shared is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(shared, sizeof(SHARED))
    adapter.Memory = shared
    shared.RwLock = NdisAllocateRWLock(adapter.Handle)
    NdisInitializeReadWriteLock(shared.ReadWrite)
    KeInitializeSpinLock(shared.KernelLock)
    NdisAllocateSpinLock(shared.ListLock)
    NDIS_INIT_MUTEX(shared.Mutex)
    NdisInitializeListHead(shared.Head)
    for number in range(ITEMS):
        InsertTailList(shared.Head, shared.Nodes[number].Link)
    AllocateItems(adapter, shared)
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    """Begin."""
    return QueueItems(adapter.Memory, Work)


def OnHalt(adapter: ADAPTER) -> None:
    """Give it back, once nobody works any more."""
    shared: Any = adapter.Memory
    FreeItems(shared)
    NdisFreeSpinLock(shared.ListLock)
    NdisFreeRWLock(shared.RwLock)
    NdisFreeMemory(shared, 0, 0)
