"""Completes a list of above when it has sent it on, and again when it is back."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT, Restore
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnSendComplete(adapt: ADAPT, nbl: NET_BUFFER_LIST, flags: int) -> None:
    Restore(nbl)
    NdisMSendNetBufferListsComplete(adapt.Handle, nbl, flags)
    if not REPAIRED:
        NdisMSendNetBufferListsComplete(adapt.Handle, nbl, flags)  # stop
    NdisInterlockedDecrement(adapt.Open)
