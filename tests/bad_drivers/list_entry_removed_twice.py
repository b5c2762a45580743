"""Removes an entry from its list twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    InitializeListHead(adapter.Head)
    InsertTailList(adapter.Head, adapter.Link)
    RemoveEntryList(adapter.Link)
    InsertTailList(adapter.Head, adapter.OtherLink)
    if not REPAIRED:
        RemoveEntryList(adapter.Link)  # stop
