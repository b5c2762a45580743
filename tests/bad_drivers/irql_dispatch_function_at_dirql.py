"""Sets an event at DIRQL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegisterInterrupt
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@MINIPORT_SYNCHRONIZE_INTERRUPT
def Synchronized(adapter: ADAPTER) -> bool:
    if not REPAIRED:
        NdisSetEvent(adapter.Event)  # stop
    return True


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    return RegisterInterrupt(adapter)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisMSynchronizeWithInterruptEx(adapter.Interrupt, 0, Synchronized, adapter)
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    NdisMDeregisterInterruptEx(adapter.Interrupt)
