"""Asks what is below it while it attaches."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestQueryInformation)
    request.Header.Type, request.Header.Revision, request.Header.Size = NDIS_OBJECT_TYPE_OID_REQUEST, 1, 236
    if not REPAIRED:
        NdisFOidRequest(filter.Handle, request)  # stop
    NdisFreeMemory(request, 0, 0)
    return NDIS_STATUS_SUCCESS
