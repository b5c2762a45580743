"""Waits in a work item's routine for what only the same item, queued once more, would do."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    if NdisInterlockedIncrement(adapter.Count) == 1:
        if not REPAIRED:
            NdisWaitEvent(adapter.Event, 0)  # the queue call comes after it
        NdisQueueIoWorkItem(item, Work, adapter)
        return
    NdisSetEvent(adapter.Event)
    NdisFreeIoWorkItem(item)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    adapter.Count.value = 0
    NdisResetEvent(adapter.Event)
    NdisQueueIoWorkItem(item, Work, adapter)
    return NDIS_STATUS_SUCCESS


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    NdisWaitEvent(adapter.Event, 0)
    return NDIS_STATUS_SUCCESS
