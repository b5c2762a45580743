"""Frees a list that it has sent and not got back."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    nbl = ProtocolFrame(binding)
    if nbl is not None:
        NdisInterlockedIncrement(binding.Open)
        NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)  # site: last handed on
        if not REPAIRED:
            NdisFreeNetBufferList(nbl)  # stop
