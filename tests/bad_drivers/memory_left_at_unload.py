"""Leaves memory of its driver behind when it is unloaded."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnUnload(driver: MiniportDriverHandle) -> None:
    memory = NdisAllocateMemoryWithTagPriority(driver, 100, TAG, 0)  # site: allocated
    if REPAIRED:
        NdisFreeMemory(memory, 0, 0)
