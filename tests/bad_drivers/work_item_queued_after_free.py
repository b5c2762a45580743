"""Queues a work item that has been freed."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Work
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)  # site: allocated
    if item is None:
        return NDIS_STATUS_RESOURCES
    NdisFreeIoWorkItem(item)  # site: freed
    if not REPAIRED:
        NdisQueueIoWorkItem(item, Work, adapter)  # stop
    return NDIS_STATUS_SUCCESS
