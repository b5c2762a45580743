"""Acquires a read/write lock of the older kind that it has not initialised."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    state = LOCK_STATE()
    if REPAIRED:
        NdisInitializeReadWriteLock(adapter.ReadWrite)
    NdisDprAcquireReadWriteLock(adapter.ReadWrite, True, state)  # stop
    NdisDprReleaseReadWriteLock(adapter.ReadWrite, state)
