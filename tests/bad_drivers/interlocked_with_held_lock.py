"""Gives an interlocked function the spin lock that it holds."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisInitializeListHead(adapter.Head)
    NdisDprAcquireSpinLock(adapter.Lock)  # site: acquired
    if REPAIRED:
        NdisDprReleaseSpinLock(adapter.Lock)
    NdisInterlockedInsertHeadList(adapter.Head, adapter.Link, adapter.Lock)  # stop
