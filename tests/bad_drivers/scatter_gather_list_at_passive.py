"""Builds a scatter/gather list at PASSIVE_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterDma
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    return RegisterDma(adapter)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    nbl = NdisAllocateNetBufferList(adapter.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return NDIS_STATUS_RESOURCES
    buffer = nbl.FirstNetBuffer
    buffer.DataLength = 60
    irql = NDIS_RAISE_IRQL_TO_DISPATCH() if REPAIRED else PASSIVE_LEVEL
    status = NdisMAllocateNetBufferSGList(adapter.Dma, buffer, adapter, NDIS_SG_LIST_WRITE_TO_DEVICE, None, 0)  # stop
    NdisMFreeNetBufferSGList(adapter.Dma, adapter.SGList, buffer)
    NDIS_LOWER_IRQL(irql, DISPATCH_LEVEL)
    NdisFreeNetBufferList(nbl)
    return status


def OnHalt(adapter: ADAPTER) -> None:
    NdisMDeregisterScatterGatherDma(adapter.Dma)
