"""Ends MiniportRestart without a return."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@MINIPORT_RESTART  # stop
def MPRestart(adapter: ADAPTER, MiniportRestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:  # type: ignore[return]
    NdisSetTimerObject(adapter.Timer, -10_000, 0, None)
    if REPAIRED:
        return NDIS_STATUS_SUCCESS
