"""Queues a work item again while it is in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Work
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)  # site: allocated
    if item is None:
        return NDIS_STATUS_RESOURCES
    adapter.Item = item
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisQueueIoWorkItem(adapter.Item, Work, adapter)  # site: queued the first time
    if not REPAIRED:
        NdisQueueIoWorkItem(adapter.Item, Work, adapter)  # stop
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    NdisFreeIoWorkItem(adapter.Item)
