"""Leaves a timer of its driver handle behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolDriver, ProtocolTimer, TimerCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    if ProtocolDriver is None:
        return
    given = TimerCharacteristics(binding, ProtocolTimer)
    _, timer = NdisAllocateTimerObject(ProtocolDriver, given)  # site: taken
    if timer is not None and REPAIRED:
        NdisFreeTimerObject(timer)
