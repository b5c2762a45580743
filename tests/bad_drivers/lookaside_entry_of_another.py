"""Gives memory with another tag to a lookaside list."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    NdisInitializeNPagedLookasideList(adapter.Lookaside, None, None, 0, 64, TAG, 0)
    other = NdisAllocateMemoryWithTagPriority(None, 64, TAG if REPAIRED else b"Lent", 0)  # site: allocated
    NdisFreeToNPagedLookasideList(adapter.Lookaside, other)  # stop
    NdisDeleteNPagedLookasideList(adapter.Lookaside)
    return NDIS_STATUS_SUCCESS
