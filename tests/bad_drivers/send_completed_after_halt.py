"""Completes a send once more when its adapter is halted and the sender has gone."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class LATE(NONPAGED):
    Adapter: AdapterHandle
    List: PVOID


Late = LATE()


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    Late.Adapter, Late.List = adapter.Handle, nbl
    NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)


def OnUnload(driver: MiniportDriverHandle) -> None:
    if not REPAIRED:
        NdisMSendNetBufferListsComplete(Late.Adapter, Late.List, 0)  # stop
