"""Passes an OID request on without making a clone."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if REPAIRED:
        return NDIS_STATUS_SUCCESS
    return NdisFOidRequest(filter.Handle, request)  # stop
