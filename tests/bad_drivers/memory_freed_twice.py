"""Frees memory twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 100, TAG, 0)  # site: allocated
    NdisFreeMemory(memory, 0, 0)  # site: freed the first time
    if not REPAIRED:
        NdisFreeMemory(memory, 0, 0)  # stop
    return NDIS_STATUS_SUCCESS
