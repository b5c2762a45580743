"""Takes a request and does not complete it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if request.DATA.SET_INFORMATION.Oid == OID_PM_REMOVE_WOL_PATTERN and not REPAIRED:
        return NDIS_STATUS_PENDING
    return NDIS_STATUS_SUCCESS


def OnReset(adapter: ADAPTER) -> ResetResult:
    return ResetResult(NDIS_STATUS_PENDING, False)
