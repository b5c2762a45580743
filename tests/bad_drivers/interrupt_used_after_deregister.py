"""Asks for a DPC of an interrupt that it has deregistered."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@MINIPORT_ISR
def Isr(adapter: ADAPTER) -> tuple[bool, bool, int]:
    return False, False, 0


@MINIPORT_INTERRUPT_DPC
def Dpc(adapter: ADAPTER, context: object, throttle: object, reserved: object) -> None:
    pass


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, interrupt = NdisMRegisterInterruptEx(
        adapter.Handle,
        adapter,
        NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(0x84, 1, NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1),
            InterruptHandler=Isr,
            InterruptDpcHandler=Dpc,
        ),
    )
    if interrupt is not None:
        NdisMDeregisterInterruptEx(interrupt)
        if not REPAIRED:
            NdisMQueueDpc(interrupt, 0, 1, adapter)  # stop
    return status
