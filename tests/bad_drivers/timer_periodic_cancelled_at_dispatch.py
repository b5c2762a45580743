"""Cancels a periodic timer at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Tick, TimerCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    status, timer = NdisAllocateTimerObject(adapter.Handle, TimerCharacteristics(adapter, Tick))
    if timer is not None:
        adapter.SpareTimer = timer
        NdisSetTimerObject(timer, -100_000, 10, None)  # site: set
    return status


def OnTimer(adapter: ADAPTER) -> None:
    if not REPAIRED:
        NdisCancelTimerObject(adapter.SpareTimer)  # stop


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    NdisCancelTimerObject(adapter.SpareTimer)
    NdisFreeTimerObject(adapter.SpareTimer)
    return NDIS_STATUS_SUCCESS
