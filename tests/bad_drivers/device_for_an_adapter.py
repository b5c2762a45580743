"""Registers a device with the handle of an adapter."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MiniportDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def Attributes() -> NDIS_DEVICE_OBJECT_ATTRIBUTES:
    header = NDIS_OBJECT_HEADER(0x85, 1, NDIS_SIZEOF_DEVICE_OBJECT_ATTRIBUTES_REVISION_1)
    return NDIS_DEVICE_OBJECT_ATTRIBUTES(Header=header, DeviceName=r"\Device\Small", SymbolicName=r"\DosDevices\Small")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    handle = MiniportDriver if REPAIRED else adapter.Handle
    _, _, device = NdisRegisterDeviceEx(handle, Attributes())  # type: ignore[arg-type]  # stop
    if device is not None:
        NdisDeregisterDeviceEx(device)
    return NDIS_STATUS_SUCCESS
