"""Originates a send without FilterSendNetBufferListsComplete."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnCharacteristics(given: NDIS_FILTER_DRIVER_CHARACTERISTICS) -> None:
    if not REPAIRED:
        given.SendNetBufferListsCompleteHandler = None


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    NdisFSendNetBufferLists(filter.Handle, FilterFrame(filter), NDIS_DEFAULT_PORT_NUMBER, flags)  # stop
    NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)
