"""Completes a filter's pause that nobody asked for."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    if not REPAIRED:
        NdisFPauseComplete(filter.Handle)  # stop
    return NDIS_STATUS_SUCCESS
