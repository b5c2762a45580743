"""Queues a work item with NULL for its routine."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    NdisQueueIoWorkItem(item, Free if REPAIRED else None, adapter)  # type: ignore[arg-type]  # stop
    return NDIS_STATUS_SUCCESS


@NDIS_IO_WORKITEM_FUNCTION
def Free(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
