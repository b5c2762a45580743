"""Deregisters a device a second time."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def Attributes() -> NDIS_DEVICE_OBJECT_ATTRIBUTES:
    header = NDIS_OBJECT_HEADER(0x85, 1, NDIS_SIZEOF_DEVICE_OBJECT_ATTRIBUTES_REVISION_1)
    return NDIS_DEVICE_OBJECT_ATTRIBUTES(Header=header, DeviceName=r"\Device\Small", SymbolicName=r"\DosDevices\Small")


def OnUnload(driver: MiniportDriverHandle) -> None:
    _, _, device = NdisRegisterDeviceEx(driver, Attributes())
    if device is None:
        return
    NdisDeregisterDeviceEx(device)  # site: deregistered the first time
    if not REPAIRED:
        NdisDeregisterDeviceEx(device)  # stop
