"""Originates a send whose SourceHandle is not the filter handle."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    own = FilterFrame(filter)
    if not REPAIRED:
        own.SourceHandle = nbl.SourceHandle
    NdisFSendNetBufferLists(filter.Handle, own, NDIS_DEFAULT_PORT_NUMBER, flags)  # stop
    NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)
