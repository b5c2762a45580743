"""Frees an MDL twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    mdl = NdisAllocateMdl(adapter.Handle, adapter, 16)
    if mdl is not None:
        NdisFreeMdl(mdl)  # site: freed the first time
        if not REPAIRED:
            NdisFreeMdl(mdl)  # stop
    return NDIS_STATUS_SUCCESS
