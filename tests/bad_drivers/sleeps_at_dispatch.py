"""Sleeps as a program does, in a work item and, unless it is repaired, in a timer routine."""

from __future__ import annotations

import time

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    time.sleep(0.001)
    DbgPrint("slept")
    NdisFreeIoWorkItem(item)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is not None:
        NdisQueueIoWorkItem(item, Work, adapter)
    return NDIS_STATUS_SUCCESS


def OnTimer(adapter: ADAPTER) -> None:
    if not REPAIRED:
        time.sleep(0.001)  # stop
