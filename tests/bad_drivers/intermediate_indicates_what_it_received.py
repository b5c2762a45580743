"""Indicates a received list on instead of a list of its own."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT, Copy
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnReceive(adapt: ADAPT, nbl: NET_BUFFER_LIST, flags: int) -> None:
    given = Copy(adapt, nbl) if REPAIRED else nbl
    if given is not None:
        NdisMIndicateReceiveNetBufferLists(adapt.Handle, given, 0, 1, NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL)  # stop
    if not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(adapt.Binding, nbl, flags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
