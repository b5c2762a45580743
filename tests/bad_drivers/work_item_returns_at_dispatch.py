"""A work item's routine returns at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    before = NDIS_RAISE_IRQL_TO_DISPATCH()
    if REPAIRED:
        NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    adapter.Item = item
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisQueueIoWorkItem(adapter.Item, Work, adapter)  # site: queued
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    NdisFreeIoWorkItem(adapter.Item)
