"""Frees a reader/writer lock twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    lock = NdisAllocateRWLock(adapter.Handle)  # site: allocated
    if lock is None:
        return NDIS_STATUS_RESOURCES
    NdisFreeRWLock(lock)  # site: freed the first time
    if not REPAIRED:
        NdisFreeRWLock(lock)  # stop
    return NDIS_STATUS_SUCCESS
