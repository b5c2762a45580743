"""Completes its pause twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    NdisMPauseComplete(adapter.Handle)
    if not REPAIRED:
        NdisMPauseComplete(adapter.Handle)  # stop
    return NDIS_STATUS_PENDING
