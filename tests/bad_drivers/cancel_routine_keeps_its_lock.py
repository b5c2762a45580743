"""Returns from a cancel routine with the cancel spin lock."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_device import Complete
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
include(globals(), "device")


@DRIVER_CANCEL
def CancelRead(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> None:
    irql = Irp.CancelIrql
    Complete(Irp, STATUS_CANCELLED)
    if REPAIRED:
        IoReleaseCancelSpinLock(irql)


def OnIrp(Irp: IRP, Stack: IO_STACK_LOCATION) -> int:
    if Stack.MajorFunction != IRP_MJ_READ:
        return Complete(Irp, STATUS_SUCCESS)
    IoMarkIrpPending(Irp)
    IoSetCancelRoutine(Irp, CancelRead)
    return STATUS_PENDING
