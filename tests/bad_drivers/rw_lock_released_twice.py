"""Releases a reader/writer lock that it has released."""

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
    state = LOCK_STATE_EX()
    NdisAcquireRWLockWrite(adapter.Memory, state, 0)
    NdisReleaseRWLock(adapter.Memory, state)
    if not REPAIRED:
        NdisReleaseRWLock(adapter.Memory, state)  # stop
