"""A device for the small miniport, with a symbolic link: a program opens it, reads, writes, sends a code, closes.

Law: included after the small miniport.  ``OnIrp`` is a hook, which a driver that includes this one replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *

if TYPE_CHECKING:  # the one that is included is meant
    from tests.bad_drivers.base_miniport import MPCharacteristics

NAME: Final = r"\Device\Small"
LINK: Final = r"\DosDevices\Small"


class PLACE(NONPAGED):
    """Where unload finds the device."""

    Device: PVOID


Place = PLACE()
MiniportDriver: MiniportDriverHandle | None = None


def Complete(Irp: IRP, Status: int, Information: int = 0) -> int:
    """Complete an IRP; its status."""
    Irp.IoStatus.Status = Status
    Irp.IoStatus.Information = Information
    IoCompleteRequest(Irp, IO_NO_INCREMENT)
    return Status


def OnIrp(Irp: IRP, Stack: IO_STACK_LOCATION) -> int:
    """Reads, writes and control codes."""
    return Complete(Irp, STATUS_SUCCESS)


@DRIVER_CANCEL
def OnCancel(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> None:
    """A cancel routine."""
    IoReleaseCancelSpinLock(Irp.CancelIrql)
    Complete(Irp, STATUS_CANCELLED)


@DRIVER_DISPATCH
def Dispatch(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """Whatever a program asks."""
    stack = IoGetCurrentIrpStackLocation(Irp)
    if stack.MajorFunction in (IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE):
        return Complete(Irp, STATUS_SUCCESS)
    return OnIrp(Irp, stack)


def OnUnload(driver: MiniportDriverHandle) -> None:
    """Take link and device away."""
    IoDeleteSymbolicLink(LINK)
    IoDeleteDevice(Place.Device)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the miniport, make the device."""
    global MiniportDriver
    for major in (
        IRP_MJ_CREATE,
        IRP_MJ_CLEANUP,
        IRP_MJ_CLOSE,
        IRP_MJ_READ,
        IRP_MJ_WRITE,
        IRP_MJ_DEVICE_CONTROL,
    ):
        DriverObject.MajorFunction[major] = Dispatch
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, MPCharacteristics())
    made: Any = IoCreateDevice(DriverObject, 0, NAME, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False)
    if made.DeviceObject is None:
        return made.Status  # type: ignore[no-any-return]
    made.DeviceObject.Flags |= DO_BUFFERED_IO
    Place.Device = made.DeviceObject
    IoCreateSymbolicLink(LINK, NAME)
    return status
