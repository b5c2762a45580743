"""Gives its Poll object back twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


def OnHalt(adapter: ADAPTER) -> None:
    NdisDeregisterPoll(adapter.Poll)  # site: deregistered the first time
    if not REPAIRED:
        NdisDeregisterPoll(adapter.Poll)  # stop
