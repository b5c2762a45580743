"""A filter completes a direct OID request that it left pending twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnDirectOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    NdisFDirectOidRequestComplete(filter.Handle, request, NDIS_STATUS_SUCCESS)  # site: completed the first time
    if not REPAIRED:
        NdisFDirectOidRequestComplete(filter.Handle, request, NDIS_STATUS_SUCCESS)  # stop
    return NDIS_STATUS_PENDING
