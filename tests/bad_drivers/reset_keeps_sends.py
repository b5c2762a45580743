"""Keeps what it has to send over its reset."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    if NdisInterlockedIncrement(adapter.Count) > 1:
        NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)
        return
    adapter.List = nbl
    NdisMResetMiniport(adapter.Handle)


def OnReset(adapter: ADAPTER) -> ResetResult:
    nbl = adapter.List
    if nbl is not None and REPAIRED:
        adapter.List = None
        nbl.Status = NDIS_STATUS_RESET_IN_PROGRESS
        NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)
    return ResetResult(NDIS_STATUS_SUCCESS, False)
