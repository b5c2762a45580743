"""Makes a log and leaves it behind when it halts."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, log = NdisMCreateLog(adapter.Handle, 100)
    if log is not None:
        adapter.Log = log
    return status


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisMCloseLog(adapter.Log)
