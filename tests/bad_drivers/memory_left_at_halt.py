"""Leaves memory of its adapter behind when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 100, TAG, 0)  # site: allocated
    adapter.Memory = memory
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisFreeMemory(adapter.Memory, 0, 0)
