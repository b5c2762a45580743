"""Allocates a timer for a driver that it has deregistered: nobody could be charged for it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import TAG, Tick
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnUnload(driver: MiniportDriverHandle) -> None:
    if not REPAIRED:
        NdisMDeregisterMiniportDriver(driver)
    header = NDIS_OBJECT_HEADER(0x97, 1, NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1)
    given = NDIS_TIMER_CHARACTERISTICS(Header=header, AllocationTag=TAG, TimerFunction=Tick)
    _, timer = NdisAllocateTimerObject(driver, given)  # stop
    if timer is not None:
        NdisFreeTimerObject(timer)
