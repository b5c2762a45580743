"""Keeps its adapters in a list among its globals."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


Adapters: list[int] = []


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    if not REPAIRED:
        Adapters.append(adapter.Handle)  # site: changed
    return NDIS_STATUS_SUCCESS
