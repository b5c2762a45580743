"""Takes an entry from a lookaside list that it has deleted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    NdisInitializeNPagedLookasideList(adapter.Lookaside, None, None, 0, 64, TAG, 0)  # site: allocated
    if not REPAIRED:
        NdisDeleteNPagedLookasideList(adapter.Lookaside)  # site: freed
    entry = NdisAllocateFromNPagedLookasideList(adapter.Lookaside)  # stop
    NdisFreeToNPagedLookasideList(adapter.Lookaside, entry)
    NdisDeleteNPagedLookasideList(adapter.Lookaside)
    return NDIS_STATUS_SUCCESS
