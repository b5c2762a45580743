"""Deregisters the filter driver while its module is attached."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnPause(filter: FILTER) -> NDIS_STATUS:
    if FilterDriver is not None and not REPAIRED:
        NdisFDeregisterFilterDriver(FilterDriver)  # stop
    return NDIS_STATUS_SUCCESS
