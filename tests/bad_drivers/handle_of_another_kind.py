"""Gives a work item's function its adapter's handle."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    if not REPAIRED:
        NdisFreeIoWorkItem(adapter.Handle)  # type: ignore[arg-type]  # stop
    return NDIS_STATUS_SUCCESS
