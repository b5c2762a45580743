"""A protocol that keeps every rule and sends a frame each second."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFrame
from tests.bad_drivers.include import include

include(globals(), "protocol")

SECOND = -10_000_000


def OnTimer(binding: BINDING) -> None:
    nbl = ProtocolFrame(binding)
    if nbl is not None:
        NdisInterlockedIncrement(binding.Open)
        NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)
    NdisSetTimerObject(binding.Timer, SECOND, 0, None)
