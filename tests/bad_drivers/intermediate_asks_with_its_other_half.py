"""Asks for an adapter with the handle of its protocol half."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT, VIRTUAL
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnBind(adapt: ADAPT) -> None:
    if MiniportDriver is None or ProtocolDriver is None:
        return
    handle = MiniportDriver if REPAIRED else MiniportDriverHandle(ProtocolDriver)
    NdisIMInitializeDeviceInstanceEx(handle, VIRTUAL, adapt)  # stop
