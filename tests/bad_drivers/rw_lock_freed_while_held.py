"""Frees a reader/writer lock that it holds."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    state = LOCK_STATE_EX()
    lock = NdisAllocateRWLock(adapter.Handle)
    if lock is None:
        return NDIS_STATUS_RESOURCES
    NdisAcquireRWLockWrite(lock, state, 0)  # site: acquired for writing
    if REPAIRED:
        NdisReleaseRWLock(lock, state)
    NdisFreeRWLock(lock)  # stop
    return NDIS_STATUS_SUCCESS
