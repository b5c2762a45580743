"""Frees a pool while one of its lists is not freed."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnHalt(adapter: ADAPTER) -> None:
    nbl = NdisAllocateNetBufferList(adapter.Pool, 0, 0)
    if REPAIRED and nbl is not None:
        NdisFreeNetBufferList(nbl)
