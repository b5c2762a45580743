"""A protocol that asks at DISPATCH_LEVEL every tenth of a millisecond, whether it is paused or not."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_protocol import (
    BINDING,
    ProtocolDriver,
    ProtocolFreeRequest,
    ProtocolRequest,
    TimerCharacteristics,
)
from tests.bad_drivers.include import include

include(globals(), "protocol")

SOON = -1_000
MOST_OPEN = 4
MOST_WAITS = 1000


class COUNTS(NONPAGED):
    Asked: LONG
    Answered: LONG
    Leaving: u32
    Clock: TimerHandle


Counts = COUNTS()


@NDIS_TIMER_FUNCTION
def Tick(first: Any, binding: BINDING, second: Any, third: Any) -> None:
    if Counts.Leaving:
        return
    if Counts.Asked.value - Counts.Answered.value < MOST_OPEN:
        kind = NDIS_REQUEST_TYPE.NdisRequestSetInformation
        NdisInterlockedIncrement(Counts.Asked)
        NdisOidRequest(binding.Handle, ProtocolRequest(binding, kind, OID_GEN_INTERRUPT_MODERATION))
    NdisSetTimerObject(Counts.Clock, SOON, 0, None)


def OnTimer(binding: BINDING) -> None:
    if not binding.Cookie:
        binding.Cookie = 1
        NdisSetTimerObject(Counts.Clock, SOON, 0, None)


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    assert ProtocolDriver is not None
    _, clock = NdisAllocateTimerObject(ProtocolDriver, TimerCharacteristics(binding, Tick))
    assert clock is not None
    Counts.Clock = clock


def OnUnbind(binding: BINDING) -> None:
    Counts.Leaving = 1
    NdisCancelTimerObject(Counts.Clock)
    for _ in range(MOST_WAITS):
        if Counts.Answered.value == Counts.Asked.value:
            break
        NdisMSleep(1000)
    NdisFreeTimerObject(Counts.Clock)


@PROTOCOL_OID_REQUEST_COMPLETE
def ProtocolOidComplete(binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    if OidRequest.DATA.SET_INFORMATION.Oid != OID_GEN_INTERRUPT_MODERATION:
        binding.Status = Status
        NdisSetEvent(binding.Asked)
        return
    ProtocolFreeRequest(OidRequest)
    NdisInterlockedIncrement(Counts.Answered)
