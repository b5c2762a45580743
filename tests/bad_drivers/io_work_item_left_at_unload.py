"""Leaves a work item of the kernel's form behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    _, device = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, 0, False)
    if device is None:
        return
    item = IoAllocateWorkItem(device)  # site: allocated
    if item is not None and REPAIRED:
        IoFreeWorkItem(item)
    IoDeleteDevice(device)
