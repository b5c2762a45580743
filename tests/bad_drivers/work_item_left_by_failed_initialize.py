"""Fails to initialize and leaves a work item of its adapter behind."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)  # site: allocated
    if item is not None and REPAIRED:
        NdisFreeIoWorkItem(item)
    return NDIS_STATUS_FAILURE
