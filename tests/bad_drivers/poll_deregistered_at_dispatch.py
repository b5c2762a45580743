"""Gives its Poll object back at DISPATCH_LEVEL, where nobody can wait for a poll to end."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


def OnHalt(adapter: ADAPTER) -> None:
    irql = PASSIVE_LEVEL if REPAIRED else NDIS_RAISE_IRQL_TO_DISPATCH()
    NdisDeregisterPoll(adapter.Poll)  # stop
    if not REPAIRED:
        NDIS_LOWER_IRQL(irql, DISPATCH_LEVEL)
