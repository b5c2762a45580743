"""Asks for a poll when the Poll object is gone."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


def OnHalt(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisRequestPoll(adapter.Poll, None)
    NdisDeregisterPoll(adapter.Poll)  # site: deregistered
    if not REPAIRED:
        NdisRequestPoll(adapter.Poll, None)  # stop
