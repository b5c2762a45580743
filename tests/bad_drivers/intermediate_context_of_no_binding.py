"""Asks for the context of a binding with the handle of an adapter."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnUnbind(adapt: ADAPT) -> None:
    NdisIMGetBindingContext(adapt.Binding if REPAIRED else BindingHandle(adapt.Handle))  # stop
    NdisIMDeInitializeDeviceInstance(adapt.Handle)
