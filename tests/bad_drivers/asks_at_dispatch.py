"""A protocol that keeps every rule and asks at DISPATCH_LEVEL, so that the request thread has to ask for it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, TAG
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    if binding.Cookie:
        return
    memory = NdisAllocateMemoryWithTagPriority(binding.Handle, 4, TAG, 0)
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.SET_INFORMATION.Oid = OID_GEN_INTERRUPT_MODERATION
    request.DATA.SET_INFORMATION.InformationBuffer = memory
    request.DATA.SET_INFORMATION.InformationBufferLength = 4
    binding.Cookie = 1
    NdisOidRequest(binding.Handle, request)


@PROTOCOL_OID_REQUEST_COMPLETE
def ProtocolOidComplete(binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    if OidRequest.DATA.SET_INFORMATION.Oid != OID_GEN_INTERRUPT_MODERATION:
        binding.Status = Status
        NdisSetEvent(binding.Asked)
        return
    NdisFreeMemory(OidRequest.DATA.SET_INFORMATION.InformationBuffer, 0, 0)
    NdisFreeMemory(OidRequest, 0, 0)
    NdisInterlockedIncrement(Answered.Count)


class ANSWERED(NONPAGED):
    Count: LONG


Answered = ANSWERED()
