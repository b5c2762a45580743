"""Deletes a lookaside list and keeps one of its entries."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    NdisInitializeNPagedLookasideList(adapter.Lookaside, None, None, 0, 64, TAG, 0)
    entry = NdisAllocateFromNPagedLookasideList(adapter.Lookaside)  # site: allocated
    if REPAIRED:
        NdisFreeToNPagedLookasideList(adapter.Lookaside, entry)
    NdisDeleteNPagedLookasideList(adapter.Lookaside)
    return NDIS_STATUS_SUCCESS
