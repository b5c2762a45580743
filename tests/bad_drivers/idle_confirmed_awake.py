"""Confirms that the adapter may be suspended in NdisDeviceStateD0, in which it works."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "idle")


def OnIdle(adapter: ADAPTER, force: bool) -> NDIS_STATUS:
    state = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD3 if REPAIRED else NDIS_DEVICE_POWER_STATE.NdisDeviceStateD0
    NdisMIdleNotificationConfirm(adapter.Handle, state)  # stop
    return NDIS_STATUS_PENDING
