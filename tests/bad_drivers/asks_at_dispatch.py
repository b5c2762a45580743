"""A protocol that keeps every rule and asks at DISPATCH_LEVEL, so that the request thread has to ask for it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFreeRequest, ProtocolRequest
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    if binding.Cookie:
        return
    request = ProtocolRequest(binding, NDIS_REQUEST_TYPE.NdisRequestSetInformation, OID_GEN_INTERRUPT_MODERATION)
    binding.Cookie = 1
    NdisOidRequest(binding.Handle, request)


@PROTOCOL_OID_REQUEST_COMPLETE
def ProtocolOidComplete(binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    if OidRequest.DATA.SET_INFORMATION.Oid != OID_GEN_INTERRUPT_MODERATION:
        binding.Status = Status
        NdisSetEvent(binding.Asked)
        return
    ProtocolFreeRequest(OidRequest)
    NdisInterlockedIncrement(Answered.Count)


class ANSWERED(NONPAGED):
    Count: LONG


Answered = ANSWERED()
