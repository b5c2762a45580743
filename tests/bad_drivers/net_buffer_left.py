"""Frees a pool and leaves a NET_BUFFER of it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1)
    given = NET_BUFFER_POOL_PARAMETERS(Header=header, PoolTag=TAG)
    pool = NdisAllocateNetBufferPool(adapter.Handle, given)
    if pool is None:
        return NDIS_STATUS_RESOURCES
    buffer = NdisAllocateNetBuffer(pool, None, 0, 0)
    if buffer is not None and REPAIRED:
        NdisFreeNetBuffer(buffer)
    NdisFreeNetBufferPool(pool)  # stop
    return NDIS_STATUS_SUCCESS
