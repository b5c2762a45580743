"""Gives DriverUnload a function that is not declared as one."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import ProtocolUnload
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")
Register = globals()["DriverEntry"]


def Undeclared(DriverObject: DRIVER_OBJECT) -> None:
    ProtocolUnload(DriverObject)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    status: NDIS_STATUS = Register(DriverObject, RegistryPath)
    if not REPAIRED:
        DriverObject.DriverUnload = Undeclared  # stop
    return status
