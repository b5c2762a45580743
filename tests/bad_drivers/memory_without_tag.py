"""Allocates memory without a tag."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 100, TAG if REPAIRED else 0, 0)  # stop
    NdisFreeMemory(memory, 0, 0)
    return NDIS_STATUS_SUCCESS
