"""Leaves a pool of NET_BUFFERs behind when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1)
    given = NET_BUFFER_POOL_PARAMETERS(Header=header, PoolTag=TAG)
    pool = NdisAllocateNetBufferPool(adapter.Handle, given)  # site: taken
    if pool is not None and REPAIRED:
        NdisFreeNetBufferPool(pool)
    return NDIS_STATUS_SUCCESS
