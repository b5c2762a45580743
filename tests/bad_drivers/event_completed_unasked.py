"""Completes a PnP event that is not pending."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnPause(binding: BINDING) -> None:
    header = NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_1)
    event = NET_PNP_EVENT_NOTIFICATION(Header=header)
    if not REPAIRED:
        NdisCompleteNetPnPEvent(binding.Handle, event, NDIS_STATUS_PENDING)  # stop
