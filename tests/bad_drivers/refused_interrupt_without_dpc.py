"""Registers an interrupt that has no DPC."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, InterruptCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    characteristics = InterruptCharacteristics()
    if not REPAIRED:
        characteristics.InterruptDpcHandler = None
    status, interrupt = NdisMRegisterInterruptEx(adapter.Handle, adapter, characteristics)
    if interrupt is not None:
        adapter.Interrupt = interrupt
    return status


def OnHalt(adapter: ADAPTER) -> None:
    NdisMDeregisterInterruptEx(adapter.Interrupt)
