"""Indicates a change of the network without saying which."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, StatusIndication
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    told = StatusIndication(adapter.Handle)
    told.StatusCode = NDIS_STATUS_NETWORK_CHANGE
    if REPAIRED:
        told.StatusBuffer, told.StatusBufferSize = bytes(4), 4
    NdisMIndicateStatusEx(adapter.Handle, told)  # stop
    return NDIS_STATUS_SUCCESS
