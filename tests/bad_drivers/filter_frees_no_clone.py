"""Frees as a clone what is none."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestQueryInformation)
    if not REPAIRED:
        NdisFreeCloneOidRequest(filter.Handle, request)  # stop
    NdisFreeMemory(request, 0, 0)
    return NDIS_STATUS_SUCCESS
