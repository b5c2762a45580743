"""Stays registered for scatter/gather DMA when its adapter is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterDma
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    return RegisterDma(adapter)


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisMDeregisterScatterGatherDma(adapter.Dma)
