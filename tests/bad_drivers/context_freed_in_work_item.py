"""Frees in a work item what the timer's DPC still uses."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG, QueueWork
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class SHARED(NONPAGED):
    Ticks: LONG
    Padding: Bytes[Literal[2048]]


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    while REPAIRED and not adapter.Count.value:  # until the DPC is done with it
        NdisMSleep(1000)
    NdisFreeMemory(adapter.Memory, 0, 0)  # site: freed
    adapter.Count.value = 0


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    shared = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(SHARED), TAG, 0)  # site: allocated
    if shared is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(shared, sizeof(SHARED))
    adapter.Memory = shared
    return QueueWork(adapter)


def OnTimer(adapter: ADAPTER) -> None:
    shared = adapter.Memory  # stop
    if shared is not None:
        NdisInterlockedIncrement(shared.Ticks)
    NdisInterlockedIncrement(adapter.Count)
