"""Frees a list that is not its own."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSendComplete(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    if not REPAIRED:
        NdisFreeNetBufferList(nbl)  # stop
    NdisFSendNetBufferListsComplete(filter.Handle, nbl, flags)
