"""Deregisters a device a second time."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import DeviceAttributes
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnUnload(driver: MiniportDriverHandle) -> None:
    _, _, device = NdisRegisterDeviceEx(driver, DeviceAttributes())
    if device is None:
        return
    NdisDeregisterDeviceEx(device)  # site: deregistered the first time
    if not REPAIRED:
        NdisDeregisterDeviceEx(device)  # stop
