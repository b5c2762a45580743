"""Sends a list on as if it had originated it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    if not REPAIRED:
        nbl.SourceHandle = filter.Handle
    NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)  # stop
