"""Leaves a timer behind when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_TIMER_FUNCTION
def Tick(first: object, adapter: ADAPTER, second: object, third: object) -> None:
    NdisInterlockedIncrement(adapter.Count)


def Allocate(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x97, 1, NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1)
    given = NDIS_TIMER_CHARACTERISTICS(Header=header, AllocationTag=TAG, TimerFunction=Tick, FunctionContext=adapter)
    status, timer = NdisAllocateTimerObject(adapter.Handle, given)  # site: taken
    if timer is not None:
        adapter.SpareTimer = timer
    return status


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    return Allocate(adapter)


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisFreeTimerObject(adapter.SpareTimer)
