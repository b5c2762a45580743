"""Leaves a timer of its driver handle behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, TAG, ProtocolDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


@NDIS_TIMER_FUNCTION
def Tick(first: object, binding: BINDING, second: object, third: object) -> None:
    NdisInterlockedIncrement(binding.Received)


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    header = NDIS_OBJECT_HEADER(0x97, 1, NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1)
    given = NDIS_TIMER_CHARACTERISTICS(Header=header, AllocationTag=TAG, TimerFunction=Tick, FunctionContext=binding)
    if ProtocolDriver is None:
        return
    _, timer = NdisAllocateTimerObject(ProtocolDriver, given)  # site: taken
    if timer is not None and REPAIRED:
        NdisFreeTimerObject(timer)
