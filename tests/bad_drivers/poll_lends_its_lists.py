"""Gives a poll lists that it only wants to lend, as an indication of its own could."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.base_poll import Give
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


@NDIS_POLL  # stop
def Poll(adapter: ADAPTER, PollData: NDIS_POLL_DATA) -> None:
    Give(adapter, PollData)
    if not REPAIRED:
        PollData.Receive.Flags = NDIS_RECEIVE_FLAGS_RESOURCES
