"""Writes to a structure that it has freed."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class NOTE(NONPAGED):
    """What it counts in."""

    Number: ULONG


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    note = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(NOTE), TAG, 0)  # site: allocated
    if note is None:
        return NDIS_STATUS_RESOURCES
    if REPAIRED:
        note.Number = 1
    NdisFreeMemory(note, 0, 0)  # site: freed
    if not REPAIRED:
        note.Number = 1  # stop
    return NDIS_STATUS_SUCCESS
