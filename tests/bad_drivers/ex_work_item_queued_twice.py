"""Queues a work item of the executive's again while it is in the queue."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Deferred
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    ExInitializeWorkItem(adapter.Deferred, Deferred, adapter)
    ExQueueWorkItem(adapter.Deferred, DelayedWorkQueue)  # site: queued the first time
    if not REPAIRED:
        ExQueueWorkItem(adapter.Deferred, DelayedWorkQueue)  # stop
    return NDIS_STATUS_SUCCESS
