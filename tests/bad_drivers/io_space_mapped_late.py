"""Maps its registers again when it is restarted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    if not REPAIRED:
        NdisMMapIoSpace(adapter.Handle, 0, 4096)  # stop
    return NDIS_STATUS_SUCCESS
