"""A protocol that asks for the list of OIDs in a processor, which has never met the context that set it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    memory = NdisAllocateMemoryWithTagPriority(binding.Handle, 1024, b"torP", 0)
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestQueryInformation)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    query = request.DATA.QUERY_INFORMATION
    query.Oid, query.InformationBuffer, query.InformationBufferLength = OID_GEN_SUPPORTED_LIST, memory, 1024
    status = NdisOidRequest(binding.Handle, request)
    if memory is not None:
        DbgPrint("status %#x, list %s", status, bytes(memory[0 : query.BytesWritten]).hex())
    NdisFreeMemory(request, 0, 0)
    NdisFreeMemory(memory, 0, 0)
