"""Claims DISPATCH_LEVEL in a call that it makes at PASSIVE_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    nbl = NdisAllocateNetBufferList(adapter.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return NDIS_STATUS_SUCCESS
    nbl.SourceHandle = adapter.Handle
    nbl.FirstNetBuffer.DataLength = 60
    flags = NDIS_RECEIVE_FLAGS_RESOURCES | (0 if REPAIRED else NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL)
    NdisMIndicateReceiveNetBufferLists(adapter.Handle, nbl, 0, 1, flags)  # stop
    NdisFreeNetBufferList(nbl)
    return NDIS_STATUS_SUCCESS
