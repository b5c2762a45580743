"""Indicates whatever it has in one poll."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MPFrame
from tests.bad_drivers.base_poll import Give
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


@NDIS_POLL  # stop
def Poll(adapter: ADAPTER, PollData: NDIS_POLL_DATA) -> None:
    Give(adapter, PollData)
    receive = PollData.Receive
    if receive.IndicatedNblChain is None:
        return
    most = receive.MaxNblsToIndicate if REPAIRED else receive.MaxNblsToIndicate + 1
    while receive.NumberOfIndicatedNbls < most:
        nbl = MPFrame(adapter)
        if nbl is None:
            break
        nbl.Next, receive.IndicatedNblChain = receive.IndicatedNblChain, nbl
        receive.NumberOfIndicatedNbls += 1


def OnReturn(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    chain: NET_BUFFER_LIST | None = nbl
    while chain is not None:
        following = chain.Next
        NdisFreeNetBufferList(chain)
        chain = following
