"""Allocates a timer without a tag."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Tick, TimerCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    characteristics = TimerCharacteristics(adapter, Tick)
    if not REPAIRED:
        characteristics.AllocationTag = 0
    status, timer = NdisAllocateTimerObject(adapter.Handle, characteristics)
    if timer is not None:
        NdisFreeTimerObject(timer)
    return status
