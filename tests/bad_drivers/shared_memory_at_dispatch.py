"""Allocates memory that it shares with its adapter at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    if not REPAIRED:
        NdisMAllocateSharedMemory(adapter.Handle, 4096, True)  # stop
