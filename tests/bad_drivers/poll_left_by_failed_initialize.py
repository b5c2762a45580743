"""Fails to initialize and leaves its Poll object."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.base_poll import RegisterPoll
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    RegisterPoll(adapter)
    if REPAIRED:
        NdisDeregisterPoll(adapter.Poll)
    return NDIS_STATUS_FAILURE
