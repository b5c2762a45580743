"""Zeroes a work item of the executive's while it is in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Deferred
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    ExInitializeWorkItem(adapter.Deferred, Deferred, adapter)
    ExQueueWorkItem(adapter.Deferred, CustomPriorityWorkQueue + 13)  # site: queued
    if not REPAIRED:
        NdisZeroMemory(adapter.Deferred, sizeof(WORK_QUEUE_ITEM))
    return NDIS_STATUS_SUCCESS
