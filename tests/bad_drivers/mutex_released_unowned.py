"""Releases a mutex that it does not own."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    NDIS_INIT_MUTEX(adapter.Mutex)
    if REPAIRED:
        NDIS_WAIT_FOR_MUTEX(adapter.Mutex)
    NDIS_RELEASE_MUTEX(adapter.Mutex)  # stop
    return NDIS_STATUS_SUCCESS
