"""Indicates a status of an adapter that has been halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, StatusIndication
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class HALTED(NONPAGED):
    Adapter: AdapterHandle


Halted = HALTED()


def OnHalt(adapter: ADAPTER) -> None:
    Halted.Adapter = adapter.Handle
    if REPAIRED:
        NdisMIndicateStatusEx(adapter.Handle, StatusIndication(adapter.Handle))


def OnUnload(driver: MiniportDriverHandle) -> None:
    if not REPAIRED:
        NdisMIndicateStatusEx(Halted.Adapter, StatusIndication(Halted.Adapter))  # stop
