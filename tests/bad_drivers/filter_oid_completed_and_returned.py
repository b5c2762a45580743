"""Completes an OID request and returns SUCCESS as well."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    NdisFOidRequestComplete(filter.Handle, request, NDIS_STATUS_SUCCESS)  # site: completed
    return NDIS_STATUS_PENDING if REPAIRED else NDIS_STATUS_SUCCESS
