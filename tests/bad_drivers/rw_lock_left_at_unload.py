"""Allocates a reader/writer lock without a handle and leaves it behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    adapter.Memory = NdisAllocateRWLock(None)  # site: allocated
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisFreeRWLock(adapter.Memory)
