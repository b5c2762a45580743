"""Confirms an idle notification twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnIdle(adapter: ADAPTER, force: bool) -> NDIS_STATUS:
    NdisMIdleNotificationConfirm(adapter.Handle, NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2)
    if not REPAIRED:
        NdisMIdleNotificationConfirm(adapter.Handle, NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2)  # stop
    return NDIS_STATUS_PENDING
