"""Leaves a request's completion to a work item, which completes it twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class PENDING(NONPAGED):
    Adapter: AdapterHandle


Pending = PENDING()


@NDIS_IO_WORKITEM_FUNCTION
def Work(request: NDIS_OID_REQUEST, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    NdisMOidRequestComplete(Pending.Adapter, request, NDIS_STATUS_SUCCESS)  # site: completed the first time
    if not REPAIRED:
        NdisMOidRequestComplete(Pending.Adapter, request, NDIS_STATUS_SUCCESS)  # stop


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    Pending.Adapter = adapter.Handle
    NdisQueueIoWorkItem(item, Work, request)
    return NDIS_STATUS_PENDING
