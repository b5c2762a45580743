"""Waits for an event while it holds a spin lock."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    NdisAcquireSpinLock(adapter.Lock)  # site: lock acquired
    if REPAIRED:
        NdisReleaseSpinLock(adapter.Lock)
    NdisWaitEvent(adapter.Event, 1)  # stop
    if REPAIRED:
        NdisAcquireSpinLock(adapter.Lock)
    NdisReleaseSpinLock(adapter.Lock)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    return QueueWork(adapter)


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    NdisMSleep(3000)
    return NDIS_STATUS_SUCCESS
