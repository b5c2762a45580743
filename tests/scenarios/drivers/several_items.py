"""Work items that run beside each other on one structure: it has them in Items, and counts in Finished who is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.ndis import *

if TYPE_CHECKING:
    from tests.bad_drivers.base_miniport import ADAPTER


def AllocateItems(adapter: ADAPTER, shared: Any) -> None:
    """Make as many as there is room for."""
    for number in range(len(shared.Items)):
        item = NdisAllocateIoWorkItem(adapter.Handle)
        if item is not None:
            shared.Items[number] = item


def QueueItems(shared: Any, routine: Any) -> NDIS_STATUS:
    """Set all of them to work."""
    for number in range(len(shared.Items)):
        NdisQueueIoWorkItem(shared.Items[number], routine, shared)
    return NDIS_STATUS_SUCCESS


def FreeItems(shared: Any) -> None:
    """Give them back, once nobody works any more."""
    while shared.Finished.value != len(shared.Items):
        NdisMSleep(1000)
    for number in range(len(shared.Items)):
        NdisFreeIoWorkItem(shared.Items[number])
