"""Indicates its status with a header that says another type."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x98 if REPAIRED else 0x80, 1, NDIS_SIZEOF_STATUS_INDICATION_REVISION_1)
    code = NDIS_STATUS_MEDIA_SPECIFIC_INDICATION
    told = NDIS_STATUS_INDICATION(Header=header, SourceHandle=adapter.Handle, StatusCode=code)
    NdisMIndicateStatusEx(adapter.Handle, told)  # stop
    return NDIS_STATUS_SUCCESS
