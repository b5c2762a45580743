"""Touches a list that it has given to a work item."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MPFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(nbl: NET_BUFFER_LIST, item: WorkItemHandle) -> None:
    NdisFreeNetBufferList(nbl)
    NdisFreeIoWorkItem(item)


def OnTimer(adapter: ADAPTER) -> None:
    item, nbl = NdisAllocateIoWorkItem(adapter.Handle), MPFrame(adapter)
    if item is None or nbl is None:
        return
    if REPAIRED:
        nbl.Status = NDIS_STATUS_FAILURE
    NdisQueueIoWorkItem(item, Work, nbl)
    if not REPAIRED:
        nbl.Status = NDIS_STATUS_FAILURE  # stop
