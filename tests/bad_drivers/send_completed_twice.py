"""Completes a send twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    flags = NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL
    NdisMSendNetBufferListsComplete(adapter.Handle, nbl, flags)  # site: completed before
    if not REPAIRED:
        NdisMSendNetBufferListsComplete(adapter.Handle, nbl, flags)  # stop
