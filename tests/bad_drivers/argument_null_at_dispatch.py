"""Acquires, in a timer's routine, a lock that it has looked up and not found."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def Find(adapter: ADAPTER) -> Any:
    return adapter.Lock if REPAIRED else None


def OnTimer(adapter: ADAPTER) -> None:
    lock = Find(adapter)
    NdisDprAcquireSpinLock(lock)  # stop
    NdisDprReleaseSpinLock(lock)
