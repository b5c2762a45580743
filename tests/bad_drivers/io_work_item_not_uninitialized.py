"""Frees the memory of a work item of its own that IoUninitializeWorkItem has not been called for."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    item = NdisAllocateMemoryWithTagPriority(None, IoSizeofWorkItem(), TAG, 0)
    if item is None:
        return
    IoInitializeWorkItem(DriverObject, item)  # site: allocated
    if REPAIRED:
        IoUninitializeWorkItem(item)
    NdisFreeMemory(item, 0, 0)  # stop
