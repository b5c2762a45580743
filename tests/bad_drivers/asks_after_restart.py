"""A protocol that keeps every rule and asks something more after each restart, without waiting for the answer."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFreeRequest, ProtocolRequest
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    request = ProtocolRequest(binding, NDIS_REQUEST_TYPE.NdisRequestSetInformation, OID_PM_REMOVE_WOL_PATTERN)
    if NdisOidRequest(binding.Handle, request) != NDIS_STATUS_PENDING:
        ProtocolFreeRequest(request)
