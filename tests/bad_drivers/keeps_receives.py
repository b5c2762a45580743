"""A protocol that keeps every rule, and what it receives until it is paused."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include

include(globals(), "protocol")


class KEPT(NONPAGED):
    List: PVOID


Kept = KEPT()


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    nbl.Next = Kept.List
    Kept.List = nbl


def OnPause(binding: BINDING) -> None:
    nbl = Kept.List
    Kept.List = None
    if nbl is not None:
        NdisReturnNetBufferLists(binding.Handle, nbl, 0)
