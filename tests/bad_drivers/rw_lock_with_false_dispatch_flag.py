"""Says NDIS_RWL_AT_DISPATCH_LEVEL at PASSIVE_LEVEL."""

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


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    state = LOCK_STATE_EX()
    NdisAcquireRWLockRead(adapter.Memory, state, 0 if REPAIRED else NDIS_RWL_AT_DISPATCH_LEVEL)  # stop
    NdisReleaseRWLock(adapter.Memory, state)
    return NDIS_STATUS_SUCCESS
