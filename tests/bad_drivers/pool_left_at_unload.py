"""Leaves a pool of NET_BUFFER_LISTs, which belongs to no adapter, behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, PoolParameters
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    pool = NdisAllocateNetBufferListPool(None, PoolParameters())  # site: taken
    if pool is not None and REPAIRED:
        NdisFreeNetBufferListPool(pool)
    return NDIS_STATUS_SUCCESS
