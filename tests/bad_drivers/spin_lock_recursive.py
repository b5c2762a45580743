"""Acquires a spin lock that it holds."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisAcquireSpinLock(adapter.Lock)  # site: acquired the first time
    if not REPAIRED:
        NdisAcquireSpinLock(adapter.Lock)  # stop
    NdisReleaseSpinLock(adapter.Lock)
