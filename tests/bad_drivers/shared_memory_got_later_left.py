"""Leaves memory behind that it was given by MiniportSharedMemoryAllocateComplete."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterDma
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE
def GotMemory(adapter: ADAPTER, memory: Memory | None, address: int, length: int, context: Any) -> None:
    assert (length, context) == (4096, adapter)
    adapter.Memory = memory
    adapter.Count.value = address
    NdisSetEvent(adapter.Event)


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    NdisInitializeEvent(adapter.Event)
    status = RegisterDma(adapter, GotMemory)
    if status == NDIS_STATUS_SUCCESS:
        NdisMAllocateSharedMemoryAsyncEx(adapter.Dma, 4096, True, adapter)  # site: allocated
    return status


def OnHalt(adapter: ADAPTER) -> None:
    NdisWaitEvent(adapter.Event, 0)
    if REPAIRED:
        NdisMFreeSharedMemory(adapter.Handle, 4096, True, adapter.Memory, adapter.Count.value)
    NdisMDeregisterScatterGatherDma(adapter.Dma)
