"""Frees memory with another tag than it was allocated with."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 100, TAG, 0)  # site: allocated
    NdisFreeMemoryWithTagPriority(adapter.Handle, memory, TAG if REPAIRED else b"reht")  # stop
    return NDIS_STATUS_SUCCESS
