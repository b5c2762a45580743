"""Gives the completion of its own list to those above."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    NdisFSendNetBufferLists(filter.Handle, FilterFrame(filter), NDIS_DEFAULT_PORT_NUMBER, flags)
    NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)


def OnSendComplete(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    if nbl.SourceHandle == filter.Handle and REPAIRED:
        NdisFreeNetBufferList(nbl)
    else:
        NdisFSendNetBufferListsComplete(filter.Handle, nbl, flags)  # stop
