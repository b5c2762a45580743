"""Says DISPATCH_LEVEL at PASSIVE_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnReceive(filter: FILTER, nbl: NET_BUFFER_LIST, count: int, flags: int) -> None:
    if filter.Kept is None and count == 1 and not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        filter.Kept = nbl
    else:
        NdisFIndicateReceiveNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, count, flags)


def OnPause(filter: FILTER) -> NDIS_STATUS:
    if filter.Kept is not None:
        flags = 0 if REPAIRED else NDIS_RETURN_FLAGS_DISPATCH_LEVEL
        NdisFReturnNetBufferLists(filter.Handle, filter.Kept, flags)  # stop
        filter.Kept = None
    return NDIS_STATUS_SUCCESS
