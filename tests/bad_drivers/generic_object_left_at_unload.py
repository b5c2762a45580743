"""Leaves a generic object behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    made = NdisAllocateGenericObject(None, TAG, 64)  # site: taken
    if REPAIRED and made is not None:
        NdisFreeGenericObject(made)
    return NDIS_STATUS_SUCCESS
