"""Puts an entry into a list whose head is a variable of one context."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    head = adapter.Head if REPAIRED else LIST_ENTRY()
    InitializeListHead(head)  # stop
