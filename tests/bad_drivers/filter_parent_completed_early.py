"""Completes a send while the clone that it sent on in its place is still out."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    clone = NdisAllocateCloneNetBufferList(nbl, None, None, 0)
    if clone is None:
        NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)
        return
    clone.SourceHandle = filter.Handle
    clone.ParentNetBufferList = nbl
    nbl.ChildRefCount = 1
    if not REPAIRED:
        NdisFSendNetBufferListsComplete(filter.Handle, nbl, flags & NDIS_SEND_FLAGS_DISPATCH_LEVEL)  # stop
    NdisFSendNetBufferLists(filter.Handle, clone, NDIS_DEFAULT_PORT_NUMBER, flags)


def OnSendComplete(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    parent = nbl.ParentNetBufferList
    if nbl.SourceHandle != filter.Handle or parent is None:
        NdisFSendNetBufferListsComplete(filter.Handle, nbl, flags)
        return
    parent.Status = nbl.Status
    NdisFreeCloneNetBufferList(nbl, 0)
    parent.ChildRefCount = 0
    NdisFSendNetBufferListsComplete(filter.Handle, parent, flags)
