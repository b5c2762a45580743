"""Frees memory in which a work item of the executive's is queued."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class OWN(NONPAGED):
    Item: WORK_QUEUE_ITEM
    Ran: LONG


@WORKER_THREAD_ROUTINE
def Ran(own: OWN) -> None:
    NdisInterlockedIncrement(own.Ran)


def OnHalt(adapter: ADAPTER) -> None:
    own = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(OWN), TAG, 0)
    if own is None:
        return
    NdisZeroMemory(own, sizeof(OWN))
    ExInitializeWorkItem(own.Item, Ran, own)
    ExQueueWorkItem(own.Item, HyperCriticalWorkQueue)  # site: queued
    while REPAIRED and not own.Ran.value:
        NdisMSleep(1000)
    NdisFreeMemory(own, 0, 0)  # stop
