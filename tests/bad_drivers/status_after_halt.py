"""Indicates a status of an adapter that has been halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class HALTED(NONPAGED):
    Adapter: AdapterHandle


Halted = HALTED()


def Tell(handle: AdapterHandle) -> None:
    header = NDIS_OBJECT_HEADER(0x98, 1, NDIS_SIZEOF_STATUS_INDICATION_REVISION_1)
    code = NDIS_STATUS_MEDIA_SPECIFIC_INDICATION
    told = NDIS_STATUS_INDICATION(Header=header, SourceHandle=handle, StatusCode=code)
    NdisMIndicateStatusEx(handle, told)  # stop


def OnHalt(adapter: ADAPTER) -> None:
    Halted.Adapter = adapter.Handle
    if REPAIRED:
        Tell(adapter.Handle)


def OnUnload(driver: MiniportDriverHandle) -> None:
    if not REPAIRED:
        Tell(Halted.Adapter)
