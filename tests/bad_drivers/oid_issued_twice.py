"""Issues an OID request again before it is complete."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFreeRequest, ProtocolRequest
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnPause(binding: BINDING) -> None:
    request = ProtocolRequest(binding, NDIS_REQUEST_TYPE.NdisRequestQueryInformation, OID_GEN_TRANSMIT_BUFFER_SPACE)
    NdisResetEvent(binding.Asked)
    before = NDIS_RAISE_IRQL_TO_DISPATCH()
    NdisOidRequest(binding.Handle, request)  # site: issued the first time
    if not REPAIRED:
        NdisOidRequest(binding.Handle, request)  # stop
    NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)
    NdisWaitEvent(binding.Asked, 0)
    ProtocolFreeRequest(request)
