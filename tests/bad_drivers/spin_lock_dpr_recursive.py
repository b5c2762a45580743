"""Acquires a spin lock that it holds, by the functions for DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisDprAcquireSpinLock(adapter.Lock)  # site: acquired the first time
    if not REPAIRED:
        NdisDprAcquireSpinLock(adapter.Lock)  # stop
    NdisDprReleaseSpinLock(adapter.Lock)
