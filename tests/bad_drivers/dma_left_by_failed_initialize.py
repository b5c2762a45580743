"""Fails to initialize and stays registered for scatter/gather DMA."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterDma
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@MINIPORT_PROCESS_SG_LIST
def ProcessList(device: None, reserved: None, sgl: SCATTER_GATHER_LIST, adapter: ADAPTER) -> None:
    adapter.SGList = sgl


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status = RegisterDma(adapter, ProcessList)
    if status == NDIS_STATUS_SUCCESS and REPAIRED:
        NdisMDeregisterScatterGatherDma(adapter.Dma)
    return NDIS_STATUS_FAILURE
