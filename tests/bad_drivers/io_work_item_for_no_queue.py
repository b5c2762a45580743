"""Queues a work item to a worker queue that does not exist."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


@IO_WORKITEM_ROUTINE
def Ran(DeviceObject: DEVICE_OBJECT, Item: PIO_WORKITEM) -> None:
    IoFreeWorkItem(Item)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    _, device = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, 0, False)
    if device is None:
        return
    item = IoAllocateWorkItem(device)
    if item is not None:
        IoQueueWorkItem(item, Ran, DelayedWorkQueue if REPAIRED else MaximumWorkQueue, item)  # stop
    IoDeleteDevice(device)
