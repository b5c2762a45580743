"""A miniport whose work item queues itself in its routine and waits there for its second run, on another worker."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork
from tests.bad_drivers.include import include

include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    if NdisInterlockedIncrement(adapter.Count) == 1:
        DbgPrint("first run at IRQL %d", KeGetCurrentIrql())
        NdisQueueIoWorkItem(item, Work, adapter)
        NdisWaitEvent(adapter.Event, 0)
        DbgPrint("first run ends")
        NdisFreeIoWorkItem(item)
    else:
        DbgPrint("second run at IRQL %d", KeGetCurrentIrql())
        NdisSetEvent(adapter.Event)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    return QueueWork(adapter)
