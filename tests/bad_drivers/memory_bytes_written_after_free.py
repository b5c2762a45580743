"""Writes bytes into memory that it has freed."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 100, TAG, 0)  # site: allocated
    if memory is None:
        return NDIS_STATUS_RESOURCES
    if REPAIRED:
        memory[0:4] = b"last"
    NdisFreeMemory(memory, 0, 0)  # site: freed
    if memory and not REPAIRED:
        memory[0:4] = b"last"  # stop
    return NDIS_STATUS_SUCCESS
