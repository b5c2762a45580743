"""Frees the context of an adapter before NDIS has started it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_intermediate import ADAPT, TAG, VIRTUAL
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnBind(adapt: ADAPT) -> None:
    if MiniportDriver is None:
        return
    context = NdisAllocateMemoryWithTagPriority(MiniportDriver, sizeof(ADAPT), TAG, 0)
    NdisIMInitializeDeviceInstanceEx(MiniportDriver, VIRTUAL, adapt if REPAIRED else context)
    if context is not None:
        NdisFreeMemory(context, 0, 0)  # site: freed
