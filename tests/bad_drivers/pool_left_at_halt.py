"""Leaves a pool of NET_BUFFER_LISTs behind when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    pool = NdisAllocateNetBufferListPool(  # site: taken
        adapter.Handle,
        NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1),
            PoolTag=TAG,
        ),
    )
    if pool is not None and REPAIRED:
        NdisFreeNetBufferListPool(pool)
    return NDIS_STATUS_SUCCESS
