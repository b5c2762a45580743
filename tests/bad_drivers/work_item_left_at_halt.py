"""Leaves a work item of its adapter behind when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)  # site: allocated
    if item is None:
        return NDIS_STATUS_RESOURCES
    adapter.Item = item
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisFreeIoWorkItem(adapter.Item)
