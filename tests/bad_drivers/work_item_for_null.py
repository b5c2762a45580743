"""Allocates a work item for no object at all."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    parent = adapter.Handle if REPAIRED else None
    item = NdisAllocateIoWorkItem(parent)  # type: ignore[arg-type]  # stop
    if item is not None:
        NdisFreeIoWorkItem(item)
    return NDIS_STATUS_SUCCESS
