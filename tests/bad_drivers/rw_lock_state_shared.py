"""Uses one LOCK_STATE_EX for two acquisitions at once."""

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
    second = LOCK_STATE_EX() if REPAIRED else state
    NdisAcquireRWLockRead(adapter.Memory, state, 0)  # site: acquired with it
    NdisAcquireRWLockRead(adapter.Memory, second, 0)  # stop
    NdisReleaseRWLock(adapter.Memory, second)
    NdisReleaseRWLock(adapter.Memory, state)
