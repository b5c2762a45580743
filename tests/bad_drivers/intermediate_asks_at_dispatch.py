"""Asks for an adapter at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT, VIRTUAL
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnBind(adapt: ADAPT) -> None:
    if MiniportDriver is None:
        return
    irql = PASSIVE_LEVEL if REPAIRED else NDIS_RAISE_IRQL_TO_DISPATCH()
    NdisIMInitializeDeviceInstanceEx(MiniportDriver, VIRTUAL, adapt)  # stop
    if not REPAIRED:
        NDIS_LOWER_IRQL(irql, DISPATCH_LEVEL)
