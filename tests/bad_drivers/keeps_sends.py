"""A miniport that keeps every rule, and what it is given to send until it is paused."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include

include(globals(), "miniport")


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    nbl.Next = adapter.List
    adapter.List = nbl


def OnTimer(adapter: ADAPTER) -> None:
    nbl = adapter.List
    adapter.List = None
    if nbl is not None:
        NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)
    NdisSetTimerObject(adapter.Timer, -20_000, 0, None)
