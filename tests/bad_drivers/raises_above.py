"""A protocol that raises an exception in the callback that WHERE names; nowhere as long as it names none."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include

WHERE = ""
include(globals(), "protocol")


def raise_in(where: str) -> None:
    """The exception, where it is wanted."""
    if where == WHERE:
        raise ValueError(f"planted in {where}")  # stop


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    raise_in("bind")


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    raise_in("receive")
    if not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def OnSendComplete(binding: BINDING, nbl: NET_BUFFER_LIST) -> None:
    raise_in("send complete")
    NdisFreeNetBufferList(nbl)


def OnPause(binding: BINDING) -> None:
    raise_in("PnP event")


def OnUnbind(binding: BINDING) -> None:
    raise_in("unbind")
