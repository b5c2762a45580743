"""Issues an OID request again before it is complete."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnPause(binding: BINDING) -> None:
    memory = NdisAllocateMemoryWithTagPriority(binding.Handle, 4, TAG, 0)
    if memory is None:
        return
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestQueryInformation)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.QUERY_INFORMATION.Oid = OID_GEN_TRANSMIT_BUFFER_SPACE
    request.DATA.QUERY_INFORMATION.InformationBuffer = memory
    request.DATA.QUERY_INFORMATION.InformationBufferLength = 4
    NdisResetEvent(binding.Asked)
    before = NDIS_RAISE_IRQL_TO_DISPATCH()
    NdisOidRequest(binding.Handle, request)  # site: issued the first time
    if not REPAIRED:
        NdisOidRequest(binding.Handle, request)  # stop
    NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)
    NdisWaitEvent(binding.Asked, 0)
    NdisFreeMemory(request, 0, 0)
    NdisFreeMemory(memory, 0, 0)
