"""Unloads while a work item of the executive's, which does not keep it loaded, is in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


class OWN(NONPAGED):
    Item: WORK_QUEUE_ITEM
    Ran: LONG


Own = OWN()


@WORKER_THREAD_ROUTINE
def Ran(own: OWN) -> None:
    NdisInterlockedIncrement(own.Ran)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    ExInitializeWorkItem(Own.Item, Ran, Own)
    ExQueueWorkItem(Own.Item, DelayedWorkQueue)  # site: queued
    while REPAIRED and not Own.Ran.value:
        NdisMSleep(1000)
