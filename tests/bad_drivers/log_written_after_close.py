"""Writes to its log after closing it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, log = NdisMCreateLog(adapter.Handle, 100)
    if status == NDIS_STATUS_SUCCESS and log is not None:
        if REPAIRED:
            NdisMWriteLogData(log, b"begin", 5)
        NdisMCloseLog(log)
        if not REPAIRED:
            NdisMWriteLogData(log, b"begin", 5)  # stop
    return status
