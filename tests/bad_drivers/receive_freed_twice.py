"""Frees a list of its own twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnReturn(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    NdisFreeNetBufferList(nbl)  # site: freed the first time
    if not REPAIRED:
        NdisFreeNetBufferList(nbl)  # stop
