"""Returns from DriverEntry at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import Characteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None
include(globals(), "miniport")


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    global MiniportDriver
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, Characteristics())
    before = NDIS_RAISE_IRQL_TO_DISPATCH()  # site: last DDI call
    if REPAIRED:
        NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)
    return status
