"""Fails to initialize and leaves memory of its adapter behind."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 100, TAG, 0)  # site: allocated
    if memory is not None and REPAIRED:
        NdisFreeMemory(memory, 0, 0)
    return NDIS_STATUS_FAILURE
