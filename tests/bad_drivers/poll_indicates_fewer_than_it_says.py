"""Gives a poll one list and says that there are two."""

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
    if not REPAIRED and PollData.Receive.IndicatedNblChain is not None:
        PollData.Receive.NumberOfIndicatedNbls += 1
