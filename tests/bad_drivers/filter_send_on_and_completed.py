"""Sends a list on and completes it as well."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    if not REPAIRED:
        NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)
    NdisFSendNetBufferListsComplete(filter.Handle, nbl, flags & NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)  # stop
