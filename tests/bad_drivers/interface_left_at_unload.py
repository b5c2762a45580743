"""Leaves the interface of its binding registered, and the provider too, when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.base_provider import InterfaceProvider, ProviderRemove
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "provider")


def OnUnbind(binding: BINDING) -> None:
    if REPAIRED:
        ProviderRemove(binding)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if REPAIRED and InterfaceProvider is not None:
        NdisIfDeregisterProvider(InterfaceProvider)
