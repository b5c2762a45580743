"""Frees a work item that is still in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    if REPAIRED:
        NdisFreeIoWorkItem(item)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)  # site: allocated
    if item is None:
        return NDIS_STATUS_RESOURCES
    NdisQueueIoWorkItem(item, Work, adapter)  # site: queued
    if not REPAIRED:
        NdisFreeIoWorkItem(item)  # stop
    return NDIS_STATUS_SUCCESS
