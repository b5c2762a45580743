"""Opens a file of its own and never closes it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, file, _ = NdisOpenFile("file_left_open.py", -1)
    if status == NDIS_STATUS_SUCCESS and file is not None and REPAIRED:
        NdisCloseFile(file)
    return status
