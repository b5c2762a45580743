"""Unloads without taking its registration as a provider back."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_provider import InterfaceProvider
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "provider")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if REPAIRED and InterfaceProvider is not None:
        NdisIfDeregisterProvider(InterfaceProvider)
