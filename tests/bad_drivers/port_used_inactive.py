"""Tells of a port that it has not activated."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, StatusIndication
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
PORT = 1


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x9C, 1, NDIS_SIZEOF_PORT_CHARACTERISTICS_REVISION_1)
    return NdisMAllocatePort(adapter.Handle, NDIS_PORT_CHARACTERISTICS(Header=header))


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    indication = StatusIndication(adapter.Handle)
    indication.PortNumber = NDIS_DEFAULT_PORT_NUMBER if REPAIRED else PORT
    NdisMIndicateStatusEx(adapter.Handle, indication)  # stop
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    NdisMFreePort(adapter.Handle, PORT)
