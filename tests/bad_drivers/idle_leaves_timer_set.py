"""Leaves a timer set when its adapter is suspended."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MILLISECOND
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    information = request.DATA.SET_INFORMATION
    if information.Oid == OID_PNP_SET_POWER and information.InformationBuffer[0:1] != b"\x01" and not REPAIRED:
        NdisSetTimerObject(adapter.Timer, MILLISECOND * 100, 0, None)  # site: set
    return NDIS_STATUS_SUCCESS
