"""Indicates a network PnP event with a wrong header."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    event = NET_PNP_EVENT_NOTIFICATION(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT if REPAIRED else 0,
            NET_PNP_EVENT_NOTIFICATION_REVISION_1,
            NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_1,
        ),
        NetPnPEvent=NET_PNP_EVENT(NetEvent=NET_PNP_EVENT_CODE.NetEventBindsComplete),
    )
    return NdisFNetPnPEvent(filter.Handle, event)  # stop
