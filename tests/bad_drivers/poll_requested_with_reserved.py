"""Says why it asks for a poll, where nothing may be said."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisRequestPoll(adapter.Poll, None if REPAIRED else 7)  # stop
    return NDIS_STATUS_SUCCESS
