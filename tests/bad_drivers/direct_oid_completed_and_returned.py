"""Completes a direct OID request and returns its status as well."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnDirectOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if not REPAIRED:
        NdisMDirectOidRequestComplete(adapter.Handle, request, NDIS_STATUS_SUCCESS)  # site: completed
    return NDIS_STATUS_SUCCESS
