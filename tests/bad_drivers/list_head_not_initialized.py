"""Inserts into a list whose head it has not initialised."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisInitializeListHead(adapter.Head)
    NdisInterlockedInsertTailList(adapter.Head, adapter.Link, adapter.Lock)  # stop
