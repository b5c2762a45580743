"""Leaves memory of its module at FilterDetach."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    memory = NdisAllocateMemoryWithTagPriority(filter.Handle, 64, TAG, 0)  # site: allocated
    if memory is not None and REPAIRED:
        NdisFreeMemory(memory, 0, 0)
    return NDIS_STATUS_SUCCESS
