"""Deregisters as a provider while its interface is registered."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.base_provider import InterfaceProvider
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "provider")


Unbind = globals()["OnUnbind"]


def OnUnbind(binding: BINDING) -> None:
    if InterfaceProvider is not None and not REPAIRED:
        NdisIfDeregisterProvider(InterfaceProvider)  # stop
    Unbind(binding)
