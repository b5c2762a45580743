"""Completes a PnP event twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


@PROTOCOL_NET_PNP_EVENT
def ProtocolNetPnPEvent(binding: BINDING, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    NdisCompleteNetPnPEvent(binding.Handle, NetPnPEventNotification, NDIS_STATUS_SUCCESS)
    if not REPAIRED:
        NdisCompleteNetPnPEvent(binding.Handle, NetPnPEventNotification, NDIS_STATUS_SUCCESS)  # stop
    return NDIS_STATUS_PENDING
