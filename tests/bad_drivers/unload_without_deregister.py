"""Unloads and stays registered."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import MiniportDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@MINIPORT_UNLOAD
def MPUnload(DriverObject: DRIVER_OBJECT) -> None:
    if REPAIRED and MiniportDriver is not None:
        NdisMDeregisterMiniportDriver(MiniportDriver)
