"""Leaves its interrupt registered when it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, InterruptCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    given = InterruptCharacteristics()
    status, interrupt = NdisMRegisterInterruptEx(adapter.Handle, adapter, given)  # site: taken
    if interrupt is not None:
        adapter.Interrupt = interrupt
    return status


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisMDeregisterInterruptEx(adapter.Interrupt)
