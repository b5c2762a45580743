"""Sets an event that NdisInitializeEvent has not initialised."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    note = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(ADAPTER), TAG, 0)
    if note is None:
        return NDIS_STATUS_RESOURCES
    if REPAIRED:
        NdisInitializeEvent(note.Event)
    NdisSetEvent(note.Event)  # stop
    NdisFreeMemory(note, 0, 0)
    return NDIS_STATUS_SUCCESS
