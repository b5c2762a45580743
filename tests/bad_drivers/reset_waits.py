"""Sleeps in its reset, which runs at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisMResetMiniport(adapter.Handle)


def OnReset(adapter: ADAPTER) -> ResetResult:
    if not REPAIRED:
        NdisMSleep(1000)  # stop
    return ResetResult(NDIS_STATUS_SUCCESS, False)
