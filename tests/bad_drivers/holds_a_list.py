"""Stops the machine on a processor while one of its work items has a list in hand and waits."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MILLISECOND, MPFrame
from tests.bad_drivers.include import include

include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(nbl: NET_BUFFER_LIST, item: WorkItemHandle) -> None:
    Waiting.List = nbl
    nbl = Waiting.List
    nbl.Status = NDIS_STATUS_FAILURE
    NdisInterlockedIncrement(Waiting.Count)
    NdisWaitEvent(Waiting.Event, 0)
    NdisFreeNetBufferList(nbl)
    NdisFreeIoWorkItem(item)


class WAITING(NONPAGED):
    Count: LONG
    Queued: LONG
    Event: NDIS_EVENT
    List: PVOID


Waiting = WAITING()


def OnTimer(adapter: ADAPTER) -> None:
    if Waiting.Count.value:
        NdisMSleep(1)
    elif not Waiting.Queued.value:
        item, nbl = NdisAllocateIoWorkItem(adapter.Handle), MPFrame(adapter)
        if item is not None and nbl is not None:
            NdisInitializeEvent(Waiting.Event)
            NdisInterlockedIncrement(Waiting.Queued)
            NdisQueueIoWorkItem(item, Work, nbl)
    NdisSetTimerObject(adapter.Timer, MILLISECOND, 0, None)
