"""Completes a read with more bytes than the program has room for."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_device import Complete
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
include(globals(), "device")


def OnIrp(Irp: IRP, Stack: IO_STACK_LOCATION) -> int:
    if Stack.MajorFunction != IRP_MJ_READ:
        return Complete(Irp, STATUS_SUCCESS)
    Irp.IoStatus.Status = STATUS_SUCCESS
    Irp.IoStatus.Information = Stack.Parameters.Read.Length + (0 if REPAIRED else 1)
    IoCompleteRequest(Irp, IO_NO_INCREMENT)  # stop
    return STATUS_SUCCESS
