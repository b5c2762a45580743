"""Uninitialises a work item of its own that is in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


class OWN(NONPAGED):
    Ran: LONG


Own = OWN()


@IO_WORKITEM_ROUTINE_EX
def Ran(DriverObject: DRIVER_OBJECT, Context: None, IoWorkItem: Memory) -> None:
    NdisInterlockedIncrement(Own.Ran)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    item = NdisAllocateMemoryWithTagPriority(None, IoSizeofWorkItem(), TAG, 0)
    if item is None:
        return
    IoInitializeWorkItem(DriverObject, item)  # site: allocated
    IoQueueWorkItemEx(item, Ran, DelayedWorkQueue, None)  # site: queued
    while REPAIRED and not Own.Ran.value:
        NdisMSleep(1000)
    IoUninitializeWorkItem(item)  # stop
    NdisFreeMemory(item, 0, 0)
