"""Says that its device cannot go to sleep."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if request.DATA.SET_INFORMATION.Oid == OID_PNP_SET_POWER and not REPAIRED:
        return NDIS_STATUS_FAILURE
    return NDIS_STATUS_SUCCESS
