"""Schedules a work item as drivers of NDIS 5 did."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class OWN(NONPAGED):
    Item: Bytes[Literal[96]]


Own = OWN()


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    if REPAIRED:
        return QueueWork(adapter)
    return NDIS_STATUS(NdisScheduleWorkItem(Own.Item))  # type: ignore[name-defined]  # stop
