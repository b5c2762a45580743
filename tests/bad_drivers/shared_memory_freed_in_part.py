"""Frees half of the memory that it shares with its adapter."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    memory, address = NdisMAllocateSharedMemory(adapter.Handle, 4096, True)
    if memory is not None and address is not None:
        NdisMFreeSharedMemory(adapter.Handle, 4096 if REPAIRED else 2048, True, memory, address)  # stop
    return NDIS_STATUS_SUCCESS
