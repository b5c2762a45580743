"""Completes a filter's restart that is over."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnPause(filter: FILTER) -> NDIS_STATUS:
    if not REPAIRED:
        NdisFRestartComplete(filter.Handle, NDIS_STATUS_SUCCESS)  # stop
    return NDIS_STATUS_SUCCESS
