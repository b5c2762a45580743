"""Completes a direct OID request twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnDirectOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    NdisMDirectOidRequestComplete(adapter.Handle, request, NDIS_STATUS_SUCCESS)  # site: completed the first time
    if not REPAIRED:
        NdisMDirectOidRequestComplete(adapter.Handle, request, NDIS_STATUS_SUCCESS)  # stop
    return NDIS_STATUS_PENDING
