"""A work item's routine returns while it holds a spin lock."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    before = NDIS_RAISE_IRQL_TO_DISPATCH()
    NdisDprAcquireSpinLock(adapter.Lock)  # site: acquired
    if REPAIRED:
        NdisDprReleaseSpinLock(adapter.Lock)
    NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    return QueueWork(adapter)
