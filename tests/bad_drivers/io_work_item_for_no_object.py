"""Initialises a work item for something that is neither a driver object nor a device object."""

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
    IoInitializeWorkItem(DriverObject if REPAIRED else item, item)  # type: ignore[arg-type]  # stop
    IoUninitializeWorkItem(item)
    NdisFreeMemory(item, 0, 0)
