"""Unloads without NdisFDeregisterFilterDriver."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FilterDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


@DRIVER_UNLOAD
def FilterUnload(DriverObject: DRIVER_OBJECT) -> None:
    if FilterDriver is not None and REPAIRED:
        NdisFDeregisterFilterDriver(FilterDriver)
