"""Leaves a work item of its driver behind when it is unloaded."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnUnload(driver: MiniportDriverHandle) -> None:
    item = NdisAllocateIoWorkItem(driver)  # site: allocated
    if REPAIRED and item is not None:
        NdisFreeIoWorkItem(item)
