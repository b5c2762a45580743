"""Writes a module global in a callback."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class COUNTERS(NONPAGED):
    """What every context may count."""

    Sends: u64


Sends = 0
Counters = COUNTERS()


def Count() -> None:
    Counters.Sends += 1


if not REPAIRED:

    def CountBadly() -> None:
        global Sends
        Sends += 1  # site: written


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    Count() if REPAIRED else CountBadly()
    NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)
