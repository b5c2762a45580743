"""Leaves a symbolic link behind when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_device import LINK, Place
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
include(globals(), "device")


def OnUnload(driver: MiniportDriverHandle) -> None:
    if REPAIRED:
        IoDeleteSymbolicLink(LINK)
    IoDeleteDevice(Place.Device)
