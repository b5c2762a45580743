"""Leaves it to a work item's routine to free the item, which forgets it; the unload waits for the routine."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


@IO_WORKITEM_ROUTINE_EX
def Ran(DeviceObject: DEVICE_OBJECT, Context: None, IoWorkItem: PIO_WORKITEM) -> None:
    if REPAIRED:
        IoFreeWorkItem(IoWorkItem)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    _, device = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, 0, False)
    if device is None:
        return
    item = IoAllocateWorkItem(device)  # site: allocated
    if item is not None:
        IoQueueWorkItemEx(item, Ran, NormalWorkQueue, None)
    IoDeleteDevice(device)
