"""A protocol that keeps every rule and asks something more when it is unbound, without waiting for the answer."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, TAG
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnUnbind(binding: BINDING) -> None:
    memory = NdisAllocateMemoryWithTagPriority(binding.Handle, 4, TAG, 0)
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.SET_INFORMATION.Oid = OID_PM_REMOVE_WOL_PATTERN
    request.DATA.SET_INFORMATION.InformationBuffer = memory
    request.DATA.SET_INFORMATION.InformationBufferLength = 4
    if NdisOidRequest(binding.Handle, request) != NDIS_STATUS_PENDING:
        NdisFreeMemory(request, 0, 0)
        NdisFreeMemory(memory, 0, 0)
