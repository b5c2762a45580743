"""Hands freed memory to a work item, and allocates it again before the item runs."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class NOTE(NONPAGED):
    """What the work item is told."""

    Text: Bytes[Literal[200]]


@NDIS_IO_WORKITEM_FUNCTION
def Work(note: NOTE, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    NdisFreeMemory(note, 0, 0)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    item = NdisAllocateIoWorkItem(adapter.Handle)
    note = NdisAllocateMemoryWithTagPriority(adapter.Handle, sizeof(NOTE), TAG, 0)
    if item is None or note is None:
        return NDIS_STATUS_RESOURCES
    NdisQueueIoWorkItem(item, Work, note)
    if not REPAIRED:
        NdisFreeMemory(note, 0, 0)
        adapter.Memory = NdisAllocateMemoryWithTagPriority(adapter.Handle, 200, TAG, 0)  # site: allocated again
    return NDIS_STATUS_SUCCESS
