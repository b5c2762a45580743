"""Frees a timer that is set."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Tick, TimerCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    status, timer = NdisAllocateTimerObject(adapter.Handle, TimerCharacteristics(adapter, Tick))  # site: allocated
    if timer is not None:
        NdisSetTimerObject(timer, -10_000_000, 0, None)  # site: set
        if REPAIRED:
            NdisCancelTimerObject(timer)
        NdisFreeTimerObject(timer)  # stop
    return status
