"""Gives a work item an ordinary Python object as its context."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(context: object, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    NdisQueueIoWorkItem(item, Work, adapter if REPAIRED else {"adapter": adapter})  # stop
    return NDIS_STATUS_SUCCESS
