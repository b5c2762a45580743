"""Gets no shared memory, fails, and tells nobody why."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    memory, _ = NdisMAllocateSharedMemory(adapter.Handle, 1 << 30, True)  # site: got no memory
    if memory is None and REPAIRED:
        NdisWriteErrorLogEntry(adapter.Handle, NDIS_ERROR_CODE_OUT_OF_RESOURCES, 0)
    return NDIS_STATUS_RESOURCES
