"""Is halted while its work item is still in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Work
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnHalt(adapter: ADAPTER) -> None:
    item = NdisAllocateIoWorkItem(adapter.Handle)  # site: allocated
    if item is None:
        return
    NdisQueueIoWorkItem(item, Work, adapter)  # site: queued
    if REPAIRED:
        while adapter.Count.value == 0:
            NdisMSleep(1000)
        NdisFreeIoWorkItem(item)
