"""Keeps an IRP without IoMarkIrpPending."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_device import Complete
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
include(globals(), "device")


def OnIrp(Irp: IRP, Stack: IO_STACK_LOCATION) -> int:
    if REPAIRED:
        IoMarkIrpPending(Irp)
    Complete(Irp, STATUS_SUCCESS)
    return STATUS_PENDING
