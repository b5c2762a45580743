"""Registers a device with the handle of an adapter."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, DeviceAttributes, MiniportDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    handle = MiniportDriver if REPAIRED else adapter.Handle
    _, _, device = NdisRegisterDeviceEx(handle, DeviceAttributes())  # type: ignore[arg-type]  # stop
    if device is not None:
        NdisDeregisterDeviceEx(device)
    return NDIS_STATUS_SUCCESS
