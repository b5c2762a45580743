"""Leaves the buffer of a counted string behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    name = UNICODE_STRING()
    NdisInitializeString(name, "RingSize")  # site: allocated
    if REPAIRED:
        NdisFreeString(name)
    return NDIS_STATUS_SUCCESS
