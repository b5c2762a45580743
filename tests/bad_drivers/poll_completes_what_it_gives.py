"""Completes a send, and gives it to NDIS to be completed."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.base_poll import Give
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


@NDIS_POLL
def Poll(adapter: ADAPTER, PollData: NDIS_POLL_DATA) -> None:
    Give(adapter, PollData)
    sent = PollData.Transmit.CompletedNblChain
    if not REPAIRED and sent is not None:
        NdisMSendNetBufferListsComplete(adapter.Handle, sent, 0)
