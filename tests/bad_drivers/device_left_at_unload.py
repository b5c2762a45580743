"""Leaves a device of NdisRegisterDeviceEx behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import DeviceAttributes
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnUnload(driver: MiniportDriverHandle) -> None:
    _, _, device = NdisRegisterDeviceEx(driver, DeviceAttributes())  # site: taken
    if device is not None and REPAIRED:
        NdisDeregisterDeviceEx(device)
