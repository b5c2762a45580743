"""Waits for its work item on the way to a low-power state, and queues it once more behind that."""

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
    adapter.Item = item
    return NDIS_STATUS_SUCCESS


def OnTimer(adapter: ADAPTER) -> None:
    NdisQueueIoWorkItem(adapter.Item, Note, adapter)


@NDIS_IO_WORKITEM_FUNCTION
def Note(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisInterlockedIncrement(adapter.Count)


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    information = request.DATA.SET_INFORMATION
    if information.Oid == OID_PNP_SET_POWER and information.InformationBuffer[0:1] != b"\x01":
        while adapter.Count.value < adapter.Ticks.value:  # flush: every time it was queued it has run
            NdisMSleep(1000)
        if not REPAIRED:
            NdisQueueIoWorkItem(adapter.Item, Note, adapter)  # site: queued
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    NdisFreeIoWorkItem(adapter.Item)
