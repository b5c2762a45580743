"""Frees a counted string whose buffer NDIS has not allocated."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    name = UNICODE_STRING()
    if REPAIRED:
        NdisInitializeString(name, "RingSize")
    else:
        NdisInitUnicodeString(name, "RingSize")
    NdisFreeString(name)  # stop
    return NDIS_STATUS_SUCCESS
