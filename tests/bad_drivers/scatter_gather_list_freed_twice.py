"""Frees the scatter/gather list of a send twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterDma
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    return RegisterDma(adapter)


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    assert nbl.FirstNetBuffer is not None
    NdisMAllocateNetBufferSGList(adapter.Dma, nbl.FirstNetBuffer, adapter, NDIS_SG_LIST_WRITE_TO_DEVICE, None, 0)
    sgl = adapter.SGList
    NdisMFreeNetBufferSGList(adapter.Dma, sgl, nbl.FirstNetBuffer)  # site: freed the first time
    if not REPAIRED:
        NdisMFreeNetBufferSGList(adapter.Dma, sgl, nbl.FirstNetBuffer)  # stop
    NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)


def OnHalt(adapter: ADAPTER) -> None:
    NdisMDeregisterScatterGatherDma(adapter.Dma)
