"""Indicates a list again that the protocol has not returned."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnIndicate(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    flags = NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL
    NdisMIndicateReceiveNetBufferLists(adapter.Handle, nbl, 0, 1, flags)  # site: last handed on
    if not REPAIRED:
        NdisMIndicateReceiveNetBufferLists(adapter.Handle, nbl, 0, 1, flags)  # stop
