"""Fails to initialize and leaves a timer behind."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Tick, TimerCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    _, timer = NdisAllocateTimerObject(adapter.Handle, TimerCharacteristics(adapter, Tick))  # site: taken
    if timer is not None and REPAIRED:
        NdisFreeTimerObject(timer)
    return NDIS_STATUS_FAILURE
