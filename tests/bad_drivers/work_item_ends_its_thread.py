"""Ends the worker thread that runs its routine."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    if not REPAIRED:
        PsTerminateSystemThread(0)  # stop


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    return QueueWork(adapter)
