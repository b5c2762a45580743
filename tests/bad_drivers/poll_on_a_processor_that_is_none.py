"""Wants to be polled on a processor that the machine has not."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.base_poll import RegisterPoll
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "poll")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status = RegisterPoll(adapter)
    NdisSetPollAffinity(adapter.Poll, PROCESSOR_NUMBER(0, 0 if REPAIRED else 63))  # stop
    return status
