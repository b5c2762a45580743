"""Reads what it has mapped of a file after unmapping it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, file, _ = NdisOpenFile("file_used_unmapped.py", -1)
    if status != NDIS_STATUS_SUCCESS or file is None:
        return status
    status, adapter.Memory = NdisMapFile(file)
    if not REPAIRED:
        NdisUnmapFile(file)
    adapter.Memory[0] = 0  # stop
    NdisCloseFile(file)
    return status
