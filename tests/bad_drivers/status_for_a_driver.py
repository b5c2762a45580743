"""Indicates a status to its own driver, which is nobody above it; the repaired twin names no destination."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, StatusIndication
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    told = StatusIndication(adapter.Handle)
    told.DestinationHandle = None if REPAIRED else adapter.Handle
    NdisMIndicateStatusEx(adapter.Handle, told)  # stop
    return NDIS_STATUS_SUCCESS
