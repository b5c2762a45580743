"""Reads a received list after it has returned it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    if flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        return
    NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if not REPAIRED:
        DbgPrint("%s", nbl.FirstNetBuffer)  # stop
