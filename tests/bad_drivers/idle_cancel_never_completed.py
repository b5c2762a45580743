"""Never completes an idle notification that NDIS has cancelled."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnCancelIdle(adapter: ADAPTER) -> None:
    if REPAIRED:
        NdisMIdleNotificationComplete(adapter.Handle)
