"""Frees fragments without the bytes by which they were retreated."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
HEADER = 20


def OnHalt(adapter: ADAPTER) -> None:
    nbl = NdisAllocateNetBufferList(adapter.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return
    nbl.FirstNetBuffer.DataLength = 60
    fragments = NdisAllocateFragmentNetBufferList(nbl, adapter.Pool, None, 14, 16, HEADER, 0, 0)
    if fragments is not None:
        NdisFreeFragmentNetBufferList(fragments, HEADER if REPAIRED else 0, 0)  # stop
    NdisFreeNetBufferList(nbl)
