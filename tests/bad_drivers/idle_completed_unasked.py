"""Completes an idle notification that nobody has made."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnTimer(adapter: ADAPTER) -> None:
    if not REPAIRED:
        NdisMIdleNotificationComplete(adapter.Handle)  # stop
