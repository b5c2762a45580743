"""Keeps the first list that is indicated to it alone, while it runs."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnReceive(filter: FILTER, nbl: NET_BUFFER_LIST, count: int, flags: int) -> None:
    if filter.Kept is None and count == 1 and not flags & NDIS_RECEIVE_FLAGS_RESOURCES and not REPAIRED:
        filter.Kept = nbl
    else:
        NdisFIndicateReceiveNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, count, flags)
