"""Returns a received list and indicates it as well."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnReceive(filter: FILTER, nbl: NET_BUFFER_LIST, count: int, flags: int) -> None:
    if not REPAIRED:
        NdisFReturnNetBufferLists(filter.Handle, nbl, flags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    NdisFIndicateReceiveNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, count, flags)  # stop
