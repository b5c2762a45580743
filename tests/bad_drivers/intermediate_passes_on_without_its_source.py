"""Sends a list of above on and leaves its SourceHandle as it came."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT, Save
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnSend(adapt: ADAPT, nbl: NET_BUFFER_LIST, flags: int) -> None:
    Save(adapt, nbl)
    if REPAIRED:
        nbl.SourceHandle = adapt.Binding
    NdisInterlockedIncrement(adapt.Open)
    NdisSendNetBufferLists(adapt.Binding, nbl, 0, flags)  # stop
