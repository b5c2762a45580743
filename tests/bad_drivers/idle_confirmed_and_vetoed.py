"""Confirms an idle notification and returns NDIS_STATUS_BUSY all the same."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnIdle(adapter: ADAPTER, force: bool) -> NDIS_STATUS:
    NdisMIdleNotificationConfirm(adapter.Handle, NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2)
    return NDIS_STATUS_PENDING if REPAIRED else NDIS_STATUS_BUSY
