"""Says that it is paused, and says so once more later."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MILLISECOND
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    if NdisInterlockedIncrement(adapter.Count) == 2:
        NdisMPauseComplete(adapter.Handle)  # stop


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    if not REPAIRED:
        NdisSetTimerObject(adapter.Timer, MILLISECOND, 0, None)
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    if REPAIRED:
        NdisCancelTimerObject(adapter.Timer)
    return NDIS_STATUS_SUCCESS
