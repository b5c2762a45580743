"""Work items that count without any lock, at DISPATCH_LEVEL: whoever is there has its processor for itself."""

from __future__ import annotations

from typing import Any, Literal

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include
from tests.scenarios.drivers.several_items import AllocateItems, FreeItems, QueueItems

ITEMS = 4
ROUNDS = 2000
LEVEL = DISPATCH_LEVEL
include(globals(), "miniport")


class SHARED(NONPAGED):
    """The count, which is no interlocked one, and the items."""

    Items: Array[WorkItemHandle, Literal[4]]
    Count: u32
    Begun: LONG
    Finished: LONG


@NDIS_IO_WORKITEM_FUNCTION
def Work(shared: SHARED, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Count, beside the others, once all are there."""
    NdisInterlockedIncrement(shared.Begun)
    while shared.Begun.value != ITEMS:
        NdisMSleep(100)
    for _ in range(ROUNDS):
        before = KeRaiseIrql(LEVEL)
        count = shared.Count
        for _ in range(200):  # time in which somebody else could count too
            pass
        shared.Count = count + 1
        KeLowerIrql(before)
    if NdisInterlockedIncrement(shared.Finished) == ITEMS:
        DbgPrint("counted %d", shared.Count)


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    """Make what is shared."""
    shared = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(SHARED), TAG, 0)
    if shared is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(shared, sizeof(SHARED))
    adapter.Memory = shared
    AllocateItems(adapter, shared)
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    """Begin."""
    return QueueItems(adapter.Memory, Work)


def OnHalt(adapter: ADAPTER) -> None:
    """Give everything back."""
    shared: Any = adapter.Memory
    FreeItems(shared)
    NdisFreeMemory(shared, 0, 0)
