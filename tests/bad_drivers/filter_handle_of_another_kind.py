"""Completes a pause of what is its driver's handle."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnPause(filter: FILTER) -> NDIS_STATUS:
    NdisFPauseComplete(filter.Handle if REPAIRED else FilterDriver)  # type: ignore[arg-type]  # stop
    return NDIS_STATUS_PENDING
