"""A miniport with a device: it echoes, keeps reads until a write or a cancel, and does worse on request."""

from __future__ import annotations

from typing import Any, Final

from emulator.ndis import *
from tests.bad_drivers.base_miniport import MPCharacteristics
from tests.bad_drivers.include import include

include(globals(), "miniport")

BY: Final = FILE_DEVICE_NETWORK
IOCTL_ECHO: Final = CTL_CODE(BY, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
IOCTL_COUNTS: Final = CTL_CODE(BY, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
IOCTL_STOP: Final = CTL_CODE(BY, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS)
IOCTL_WAIT: Final = CTL_CODE(BY, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS)
IOCTL_WORK: Final = CTL_CODE(BY, 0x804, METHOD_BUFFERED, FILE_ANY_ACCESS)


class EXTENSION(NONPAGED):
    Lock: NDIS_SPIN_LOCK
    Reads: LIST_ENTRY
    Event: NDIS_EVENT
    Opens: LONG
    Cleanups: LONG
    Closes: LONG
    Cancels: LONG
    Item: WorkItemHandle


MiniportDriver: MiniportDriverHandle | None = None
Device: DeviceHandle | None = None


def Complete(Irp: IRP, Status: int, Information: int = 0) -> int:
    Irp.IoStatus.Status = Status
    Irp.IoStatus.Information = Information
    IoCompleteRequest(Irp, IO_NO_INCREMENT)
    return Status


@DRIVER_CANCEL
def CancelRead(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> None:
    extension = NdisGetDeviceReservedExtension(DeviceObject)
    IoReleaseCancelSpinLock(Irp.CancelIrql)
    NdisAcquireSpinLock(extension.Lock)
    RemoveEntryList(Irp.Tail.Overlay.ListEntry)
    NdisReleaseSpinLock(extension.Lock)
    NdisInterlockedIncrement(extension.Cancels)
    Complete(Irp, STATUS_CANCELLED)


@NDIS_IO_WORKITEM_FUNCTION
def Work(Irp: IRP, item: WorkItemHandle) -> None:
    Irp.AssociatedIrp.SystemBuffer[0:4] = b"work"
    Complete(Irp, STATUS_SUCCESS, 4)


@DRIVER_DISPATCH
def Dispatch(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    stack = IoGetCurrentIrpStackLocation(Irp)
    extension = NdisGetDeviceReservedExtension(DeviceObject)
    if stack.MajorFunction == IRP_MJ_CREATE:
        NdisInterlockedIncrement(extension.Opens)
    elif stack.MajorFunction == IRP_MJ_CLEANUP:
        NdisInterlockedIncrement(extension.Cleanups)
    elif stack.MajorFunction == IRP_MJ_CLOSE:
        NdisInterlockedIncrement(extension.Closes)
    return Complete(Irp, STATUS_SUCCESS)


@DRIVER_DISPATCH
def Read(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    extension = NdisGetDeviceReservedExtension(DeviceObject)
    IoMarkIrpPending(Irp)
    NdisAcquireSpinLock(extension.Lock)
    InsertTailList(extension.Reads, Irp.Tail.Overlay.ListEntry)
    IoSetCancelRoutine(Irp, CancelRead)
    NdisReleaseSpinLock(extension.Lock)
    return STATUS_PENDING


@DRIVER_DISPATCH
def Write(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    extension = NdisGetDeviceReservedExtension(DeviceObject)
    length = IoGetCurrentIrpStackLocation(Irp).Parameters.Write.Length
    NdisAcquireSpinLock(extension.Lock)
    reader = None
    while reader is None and not IsListEmpty(extension.Reads):
        entry = extension.Reads.Flink
        candidate = CONTAINING_RECORD(entry, IRP, "Tail.Overlay.ListEntry")
        if IoSetCancelRoutine(candidate, None) is None:
            break
        RemoveEntryList(entry)
        reader = candidate
    NdisReleaseSpinLock(extension.Lock)
    if reader is not None:
        reader.AssociatedIrp.SystemBuffer[0:length] = Irp.AssociatedIrp.SystemBuffer[0:length]
        Complete(reader, STATUS_SUCCESS, length)
    return Complete(Irp, STATUS_SUCCESS, length)


@DRIVER_DISPATCH
def Control(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    extension = NdisGetDeviceReservedExtension(DeviceObject)
    asked = IoGetCurrentIrpStackLocation(Irp).Parameters.DeviceIoControl
    buffer = Irp.AssociatedIrp.SystemBuffer
    if asked.IoControlCode == IOCTL_ECHO:
        return Complete(Irp, STATUS_SUCCESS, min(asked.InputBufferLength, asked.OutputBufferLength))
    if asked.IoControlCode == IOCTL_COUNTS:
        if asked.OutputBufferLength < 4:
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL)
        counts = (extension.Opens, extension.Cleanups, extension.Closes, extension.Cancels)
        buffer[0:4] = bytes(count.value for count in counts)
        return Complete(Irp, STATUS_SUCCESS, 4)
    if asked.IoControlCode == IOCTL_STOP:
        NdisFreeMemory(None, 0, 0)
    if asked.IoControlCode == IOCTL_WAIT:
        NdisWaitEvent(extension.Event, 0)
        return Complete(Irp, STATUS_SUCCESS)
    if asked.IoControlCode == IOCTL_WORK:
        NdisSetEvent(extension.Event)
        IoMarkIrpPending(Irp)
        NdisQueueIoWorkItem(extension.Item, Work, Irp)
        return STATUS_PENDING
    return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST)


def OnUnload(driver: MiniportDriverHandle) -> None:
    if Device is not None:
        NdisFreeIoWorkItem(Shared.Extension.Item)
        NdisFreeSpinLock(Shared.Extension.Lock)
        NdisDeregisterDeviceEx(Device)


class SHARED(NONPAGED):
    Extension: Pointer[EXTENSION]


Shared: Any = SHARED()


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    global MiniportDriver, Device
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, MPCharacteristics())
    if MiniportDriver is None:
        return status
    table: list[Any] = [None] * (IRP_MJ_MAXIMUM_FUNCTION + 1)
    table[IRP_MJ_CREATE] = table[IRP_MJ_CLEANUP] = table[IRP_MJ_CLOSE] = Dispatch
    table[IRP_MJ_READ], table[IRP_MJ_WRITE], table[IRP_MJ_DEVICE_CONTROL] = Read, Write, Control
    attributes = NDIS_DEVICE_OBJECT_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEVICE_OBJECT_ATTRIBUTES,
            NDIS_DEVICE_OBJECT_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_DEVICE_OBJECT_ATTRIBUTES_REVISION_1,
        ),
        DeviceName=r"\Device\Talks",
        SymbolicName=r"\DosDevices\Talks",
        MajorFunctions=table,
        ExtensionSize=sizeof(EXTENSION),
    )
    status, device, Device = NdisRegisterDeviceEx(MiniportDriver, attributes)
    if device is None or Device is None:
        NdisMDeregisterMiniportDriver(MiniportDriver)
        return status
    device.Flags |= DO_BUFFERED_IO
    extension = Shared.Extension = NdisGetDeviceReservedExtension(device)
    NdisAllocateSpinLock(extension.Lock)
    InitializeListHead(extension.Reads)
    NdisInitializeEvent(extension.Event)
    item = NdisAllocateIoWorkItem(Device)
    extension.Item = item
    return NDIS_STATUS_SUCCESS
