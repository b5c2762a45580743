"""Inserts an entry that is in the list already, and finds the list broken afterwards."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    InitializeListHead(adapter.Head)
    InsertTailList(adapter.Head, adapter.Link)
    InsertTailList(adapter.Head, adapter.OtherLink)
    if REPAIRED:
        RemoveEntryList(adapter.Link)
    InsertHeadList(adapter.Head, adapter.Link)
    RemoveTailList(adapter.Head)  # stop
    RemoveTailList(adapter.Head)
