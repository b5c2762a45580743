"""Sends a list whose SourceHandle is not its binding."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    nbl = NdisAllocateNetBufferList(binding.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return
    nbl.FirstNetBuffer.DataLength = 60
    if REPAIRED:
        nbl.SourceHandle = binding.Handle
    NdisInterlockedIncrement(binding.Open)
    NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)  # stop
