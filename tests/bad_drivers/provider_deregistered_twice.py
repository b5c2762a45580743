"""Deregisters as a provider twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_provider import InterfaceProvider
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "provider")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if InterfaceProvider is not None:
        NdisIfDeregisterProvider(InterfaceProvider)
        if not REPAIRED:
            NdisIfDeregisterProvider(InterfaceProvider)  # stop
