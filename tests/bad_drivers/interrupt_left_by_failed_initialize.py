"""Fails to initialize and leaves its interrupt registered."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, InterruptCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    given = InterruptCharacteristics()
    _, interrupt = NdisMRegisterInterruptEx(adapter.Handle, adapter, given)  # site: taken
    if interrupt is not None and REPAIRED:
        NdisMDeregisterInterruptEx(interrupt)
    return NDIS_STATUS_FAILURE
