"""Fails to initialize and stays registered for scatter/gather DMA."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterDma
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status = RegisterDma(adapter)
    if status == NDIS_STATUS_SUCCESS and REPAIRED:
        NdisMDeregisterScatterGatherDma(adapter.Dma)
    return NDIS_STATUS_FAILURE
