"""Does not free its port before it is halted."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
PORT = 1


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x9C, 1, NDIS_SIZEOF_PORT_CHARACTERISTICS_REVISION_1)
    return NdisMAllocatePort(adapter.Handle, NDIS_PORT_CHARACTERISTICS(Header=header))


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisMFreePort(adapter.Handle, PORT)
