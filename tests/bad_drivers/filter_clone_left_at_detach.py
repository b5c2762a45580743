"""Leaves the clone of an OID request."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestQueryInformation)
    status, clone = NdisAllocateCloneOidRequest(filter.Handle, request, TAG)  # site: allocated
    if clone is not None and REPAIRED:
        NdisFreeCloneOidRequest(filter.Handle, clone)
    NdisFreeMemory(request, 0, 0)
    return status
