"""Acquires a reader/writer lock that it has freed."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    state = LOCK_STATE_EX()
    lock = NdisAllocateRWLock(adapter.Handle)  # site: allocated
    if lock is None:
        return NDIS_STATUS_RESOURCES
    if not REPAIRED:
        NdisFreeRWLock(lock)  # site: freed
    NdisAcquireRWLockRead(lock, state, 0)  # stop
    NdisReleaseRWLock(lock, state)
    NdisFreeRWLock(lock)
    return NDIS_STATUS_SUCCESS
