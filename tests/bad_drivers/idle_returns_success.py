"""Returns NDIS_STATUS_SUCCESS from MiniportIdleNotification, whose end NdisMIdleNotificationComplete tells."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnIdle(adapter: ADAPTER, force: bool) -> NDIS_STATUS:
    return NDIS_STATUS_BUSY if REPAIRED else NDIS_STATUS_SUCCESS
