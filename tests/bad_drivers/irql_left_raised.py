"""Returns from MiniportRestart at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    before = NDIS_RAISE_IRQL_TO_DISPATCH()  # site: last DDI call
    if REPAIRED:
        NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)
    return NDIS_STATUS_SUCCESS
