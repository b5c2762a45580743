"""Frees a spin lock that it holds."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisAcquireSpinLock(adapter.Lock)  # site: acquired
    if not REPAIRED:
        NdisFreeSpinLock(adapter.Lock)  # stop
    NdisReleaseSpinLock(adapter.Lock)
    return NDIS_STATUS_SUCCESS
