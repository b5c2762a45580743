"""Frees a generic object twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    made = NdisAllocateGenericObject(None, TAG, 64)  # site: allocated
    if made is None:
        return NDIS_STATUS_RESOURCES
    NdisFreeGenericObject(made)  # site: freed the first time
    if not REPAIRED:
        NdisFreeGenericObject(made)  # stop
    return NDIS_STATUS_SUCCESS
