"""Indicates its status with a header that says another type."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, StatusIndication
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    told = StatusIndication(adapter.Handle)
    if not REPAIRED:
        told.Header.Type = NDIS_OBJECT_TYPE_DEFAULT
    NdisMIndicateStatusEx(adapter.Handle, told)  # stop
    return NDIS_STATUS_SUCCESS
