"""Completes an IRP whose cancel routine is set."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_device import OnCancel
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
include(globals(), "device")


def OnIrp(Irp: IRP, Stack: IO_STACK_LOCATION) -> int:
    IoSetCancelRoutine(Irp, OnCancel)
    if REPAIRED:
        IoSetCancelRoutine(Irp, None)
    Irp.IoStatus.Status = STATUS_SUCCESS
    IoCompleteRequest(Irp, IO_NO_INCREMENT)  # stop
    return STATUS_SUCCESS
