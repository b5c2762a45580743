"""Asks for a DPC of an interrupt that it has deregistered."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterInterrupt
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status = RegisterInterrupt(adapter)
    NdisMDeregisterInterruptEx(adapter.Interrupt)
    if not REPAIRED:
        NdisMQueueDpc(adapter.Interrupt, 0, 1, adapter)  # stop
    return status
