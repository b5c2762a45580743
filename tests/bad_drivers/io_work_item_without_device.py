"""Gives IoQueueWorkItem, whose routine is given a device object, an item that is for the driver object."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


class OWN(NONPAGED):
    Ran: LONG


Own = OWN()


@IO_WORKITEM_ROUTINE
def Ran(DeviceObject: DEVICE_OBJECT, Context: None) -> None:
    NdisInterlockedIncrement(Own.Ran)


@IO_WORKITEM_ROUTINE_EX
def RanEx(DriverObject: DRIVER_OBJECT, Context: None, IoWorkItem: Memory) -> None:
    NdisInterlockedIncrement(Own.Ran)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    item = NdisAllocateMemoryWithTagPriority(None, IoSizeofWorkItem(), TAG, 0)
    if item is None:
        return
    IoInitializeWorkItem(DriverObject, item)
    if not REPAIRED:
        IoQueueWorkItem(item, Ran, DelayedWorkQueue, None)  # stop
    IoQueueWorkItemEx(item, RanEx, DelayedWorkQueue, None)
    while not Own.Ran.value:
        NdisMSleep(1000)
    IoUninitializeWorkItem(item)
    NdisFreeMemory(item, 0, 0)
