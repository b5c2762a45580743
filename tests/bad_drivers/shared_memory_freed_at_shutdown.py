"""Frees its shared memory when the computer is switched off."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    adapter.Memory, adapter.List = NdisMAllocateSharedMemory(adapter.Handle, 4096, True)
    return NDIS_STATUS_SUCCESS


def OnShutdown(adapter: ADAPTER, action: NDIS_SHUTDOWN_ACTION) -> None:
    if not REPAIRED:
        NdisMFreeSharedMemory(adapter.Handle, 4096, True, adapter.Memory, adapter.List)  # stop


def OnHalt(adapter: ADAPTER) -> None:
    NdisMFreeSharedMemory(adapter.Handle, 4096, True, adapter.Memory, adapter.List)
