"""Leaves a timer behind when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Tick, TimerCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, timer = NdisAllocateTimerObject(adapter.Handle, TimerCharacteristics(adapter, Tick))  # site: taken
    if timer is not None:
        adapter.SpareTimer = timer
    return status


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisFreeTimerObject(adapter.SpareTimer)
