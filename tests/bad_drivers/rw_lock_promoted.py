"""Acquires a reader/writer lock for writing while it reads under it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    adapter.Memory = NdisAllocateRWLock(adapter.Handle)
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    NdisFreeRWLock(adapter.Memory)


def OnTimer(adapter: ADAPTER) -> None:
    state, second = LOCK_STATE_EX(), LOCK_STATE_EX()
    NdisAcquireRWLockRead(adapter.Memory, state, NDIS_RWL_AT_DISPATCH_LEVEL)  # site: acquired for reading
    if REPAIRED:
        NdisReleaseRWLock(adapter.Memory, state)
    NdisAcquireRWLockWrite(adapter.Memory, second, NDIS_RWL_AT_DISPATCH_LEVEL)  # stop
    NdisReleaseRWLock(adapter.Memory, second)
