"""Sends from FilterRestart, before the module runs."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    own = FilterFrame(filter)
    if not REPAIRED:
        NdisFSendNetBufferLists(filter.Handle, own, NDIS_DEFAULT_PORT_NUMBER, 0)  # stop
    NdisFreeNetBufferList(own)
    return NDIS_STATUS_SUCCESS
