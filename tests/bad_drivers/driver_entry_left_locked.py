"""Returns from DriverEntry while it holds a spin lock."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import Characteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None
include(globals(), "miniport")


class DATA(NONPAGED):
    Lock: NDIS_SPIN_LOCK


Data = DATA()


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    global MiniportDriver
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, Characteristics())
    NdisAllocateSpinLock(Data.Lock)
    NdisAcquireSpinLock(Data.Lock)  # site: acquired
    if REPAIRED:
        NdisReleaseSpinLock(Data.Lock)
        NdisFreeSpinLock(Data.Lock)
    else:
        NDIS_LOWER_IRQL(PASSIVE_LEVEL, DISPATCH_LEVEL)
    return status
