"""Deregisters a filter driver twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FilterDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if FilterDriver is not None and not REPAIRED:
        NdisFDeregisterFilterDriver(FilterDriver)  # site: deregistered the first time
