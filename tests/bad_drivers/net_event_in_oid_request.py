"""Tells the drivers above of an event while it has a request in hand."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if not REPAIRED:
        NdisMNetPnPEvent(adapter.Handle, QueryRemove())  # stop
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisMNetPnPEvent(adapter.Handle, QueryRemove())
    return NDIS_STATUS_SUCCESS


def QueryRemove() -> NET_PNP_EVENT_NOTIFICATION:
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NET_PNP_EVENT_NOTIFICATION_REVISION_1,
        NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_1,
    )
    event = NET_PNP_EVENT(NetEvent=NET_PNP_EVENT_CODE.NetEventQueryRemoveDevice)
    return NET_PNP_EVENT_NOTIFICATION(Header=header, NetPnPEvent=event)
