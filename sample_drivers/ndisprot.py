"""ndisprot: a protocol that gives raw frames to programs through its device, as the WDK's sample of this name.

Law: a program opens the device, binds its file to an adapter by name (IOCTL_NDISPROT_OPEN_DEVICE), and reads and writes
whole Ethernet frames.  A read waits for a frame, a frame for a read; what nobody reads in time is dropped.  A file has
one adapter and an adapter one file.  An open context lives from bind to unbind.
"""

from __future__ import annotations

from typing import Final, Literal

from emulator.ndis import *
from sample_drivers.ndisprot_tool import *

PROT_TAG: Final = int.from_bytes(b"torP", "little")

NdisprotDriver: ProtocolDriverHandle | None = None


class NDISPROT_OPEN(NONPAGED):
    """One binding: the file that has it, the reads that wait, the frames that nobody has read yet.

    Users counts the dispatch routines that are at it: an unbind waits for them.
    """

    Link: LIST_ENTRY
    Handle: BindingHandle
    Pool: NetBufferListPoolHandle
    Lock: NDIS_SPIN_LOCK
    File: Pointer[FILE_OBJECT]
    Reads: LIST_ENTRY
    Running: ULONG
    Sends: LONG
    Users: LONG
    Asked: NDIS_EVENT
    Status: INT
    Put: ULONG
    Take: ULONG
    Ring: Array[PVOID, Literal[64]]
    Name: Bytes[Literal[64]]


class NDISPROT_GLOBALS(NONPAGED):
    """All open contexts, and the device."""

    Lock: NDIS_SPIN_LOCK
    Opens: LIST_ENTRY
    Device: PVOID


Globals = NDISPROT_GLOBALS()


# -- the device -------------------------------------------------------------------------------------------------------


@DRIVER_DISPATCH
def NdisprotOpen(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """A program has opened the device; which adapter it wants it says later."""
    IoGetCurrentIrpStackLocation(Irp).FileObject.FsContext = None
    return NdisprotComplete(Irp, STATUS_SUCCESS)


@DRIVER_DISPATCH
def NdisprotCleanup(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """The program is gone, and its reads with it: the adapter is free for another."""
    file = IoGetCurrentIrpStackLocation(Irp).FileObject
    open_context = NdisprotEnter(Globals.Lock, file)
    if open_context is not None:
        NdisprotSetFilter(open_context, 0)
        NdisAcquireSpinLock(Globals.Lock)
        open_context.File = file.FsContext = None
        NdisReleaseSpinLock(Globals.Lock)
        NdisprotFlush(open_context)
        NdisprotLeave(open_context)
    return NdisprotComplete(Irp, STATUS_SUCCESS)


@DRIVER_DISPATCH
def NdisprotClose(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """Nothing is left to be done."""
    return NdisprotComplete(Irp, STATUS_SUCCESS)


@DRIVER_DISPATCH
def NdisprotRead(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """Give a frame that has come, or keep the read until one comes."""
    open_context = NdisprotEnter(Globals.Lock, IoGetCurrentIrpStackLocation(Irp).FileObject)
    if open_context is None:
        return NdisprotComplete(Irp, STATUS_INVALID_HANDLE)
    IoMarkIrpPending(Irp)
    Irp.Tail.Overlay.DriverContext[0] = open_context
    NdisAcquireSpinLock(open_context.Lock)
    InsertTailList(open_context.Reads, Irp.Tail.Overlay.ListEntry)
    IoSetCancelRoutine(Irp, NdisprotCancelRead)
    NdisReleaseSpinLock(open_context.Lock)
    NdisprotServiceReads(open_context)
    NdisprotLeave(open_context)
    return STATUS_PENDING


@DRIVER_CANCEL
def NdisprotCancelRead(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> None:
    """A read that waits is given up."""
    IoReleaseCancelSpinLock(Irp.CancelIrql)
    open_context = Irp.Tail.Overlay.DriverContext[0]
    NdisAcquireSpinLock(open_context.Lock)
    RemoveEntryList(Irp.Tail.Overlay.ListEntry)
    NdisReleaseSpinLock(open_context.Lock)
    NdisprotComplete(Irp, STATUS_CANCELLED)


@DRIVER_DISPATCH
def NdisprotWrite(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """Send a frame; the write is complete when the miniport has sent it."""
    stack = IoGetCurrentIrpStackLocation(Irp)
    length = stack.Parameters.Write.Length
    if not 14 <= length <= PROT_LONGEST_FRAME:
        return NdisprotComplete(Irp, STATUS_INVALID_PARAMETER)
    open_context = NdisprotEnter(Globals.Lock, stack.FileObject)
    if open_context is None:
        return NdisprotComplete(Irp, STATUS_INVALID_HANDLE)
    frame = NdisprotFrame(open_context, Irp.AssociatedIrp.SystemBuffer, length)
    if frame is None:
        NdisprotLeave(open_context)
        return NdisprotComplete(Irp, NDIS_STATUS_RESOURCES)
    IoMarkIrpPending(Irp)
    frame.ProtocolReserved[0] = Irp
    NdisInterlockedIncrement(open_context.Sends)
    if not open_context.Running:
        frame.Status = NDIS_STATUS_PAUSED
        NdisprotSendDone(open_context, frame)
    else:
        NdisSendNetBufferLists(open_context.Handle, frame, NDIS_DEFAULT_PORT_NUMBER, 0)
    NdisprotLeave(open_context)
    return STATUS_PENDING


@DRIVER_DISPATCH
def NdisprotIoControl(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """Bind the file to an adapter, set its packet filter, ask its miniport."""
    stack = IoGetCurrentIrpStackLocation(Irp)
    asked, buffer = stack.Parameters.DeviceIoControl, Irp.AssociatedIrp.SystemBuffer
    given = bytes(buffer[0 : asked.InputBufferLength]) if buffer is not None else b""
    if asked.IoControlCode == IOCTL_NDISPROT_OPEN_DEVICE:
        return NdisprotComplete(Irp, NdisprotBindFile(stack.FileObject, given))
    open_context = NdisprotEnter(Globals.Lock, stack.FileObject)
    if open_context is None:
        return NdisprotComplete(Irp, STATUS_INVALID_HANDLE)
    status: int = STATUS_INVALID_DEVICE_REQUEST
    answer, number = b"", int.from_bytes(given, "little")
    if asked.IoControlCode == IOCTL_NDISPROT_SET_FILTER and len(given) == 4:
        status = NdisprotSetFilter(open_context, number)
    if asked.IoControlCode == IOCTL_NDISPROT_QUERY_OID and len(given) == 4:
        status, answer = NdisprotQuery(open_context, number, asked.OutputBufferLength)
        buffer[0 : len(answer)] = answer
    NdisprotLeave(open_context)
    return NdisprotComplete(Irp, status, len(answer))


def NdisprotBindFile(File: FILE_OBJECT, Name: bytes) -> int:
    """Give the adapter of this name to the file, if it is free and the file has none."""
    status: int = STATUS_OBJECT_NAME_NOT_FOUND
    NdisAcquireSpinLock(Globals.Lock)
    link = Globals.Opens.Flink
    while link != Globals.Opens:
        open_context = CONTAINING_RECORD(link, NDISPROT_OPEN, "Link")
        if open_context.Name == Name[:64].ljust(64, b"\0"):
            status = STATUS_DEVICE_BUSY
            if open_context.File is None and File.FsContext is None:
                open_context.File, File.FsContext = File, open_context
                status = STATUS_SUCCESS
        link = link.Flink
    NdisReleaseSpinLock(Globals.Lock)
    return status


def NdisprotServiceReads(OpenContext: NDISPROT_OPEN) -> None:
    """Bring frames and reads together, for as long as there are both."""
    while True:
        frame = irp = None
        NdisAcquireSpinLock(OpenContext.Lock)
        if OpenContext.Take != OpenContext.Put and not IsListEmpty(OpenContext.Reads):
            irp = CONTAINING_RECORD(OpenContext.Reads.Flink, IRP, "Tail.Overlay.ListEntry")
            if IoSetCancelRoutine(irp, None) is None:
                irp = None  # its cancel routine waits for the lock
            else:
                RemoveEntryList(irp.Tail.Overlay.ListEntry)
                frame = OpenContext.Ring[OpenContext.Take % PROT_RING]
                OpenContext.Take += 1
        NdisReleaseSpinLock(OpenContext.Lock)
        if irp is None or frame is None:
            return
        length = NdisprotCopyOut(frame, irp)
        NdisReturnNetBufferLists(OpenContext.Handle, frame, 0)
        NdisprotComplete(irp, STATUS_SUCCESS, length)


# -- the adapter ------------------------------------------------------------------------------------------------------


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def NdisprotReceive(
    OpenContext: NDISPROT_OPEN, Chain: NET_BUFFER_LIST, PortNumber: int, Count: int, ReceiveFlags: int
) -> None:
    """Keep frames for the program's reads; what is only lent, or too much, it does not see."""
    if NDIS_TEST_RECEIVE_CANNOT_PEND(ReceiveFlags):
        return
    current: NET_BUFFER_LIST | None = Chain
    dropped: NET_BUFFER_LIST | None = None
    NdisAcquireSpinLock(OpenContext.Lock)
    while current is not None:
        following = current.Next
        current.Next = None
        room = OpenContext.Put - OpenContext.Take < PROT_RING
        if OpenContext.Running and OpenContext.File is not None and room:
            OpenContext.Ring[OpenContext.Put % PROT_RING] = current
            OpenContext.Put += 1
        else:
            current.Next, dropped = dropped, current
        current = following
    NdisReleaseSpinLock(OpenContext.Lock)
    if dropped is not None:
        NdisReturnNetBufferLists(OpenContext.Handle, dropped, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    NdisprotServiceReads(OpenContext)


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def NdisprotSendComplete(OpenContext: NDISPROT_OPEN, Chain: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Frames have been sent."""
    current: NET_BUFFER_LIST | None = Chain
    while current is not None:
        following = current.Next
        NdisprotSendDone(OpenContext, current)
        current = following


@PROTOCOL_OID_REQUEST_COMPLETE
def NdisprotOidComplete(OpenContext: NDISPROT_OPEN, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """The answer to a request that was pending."""
    OpenContext.Status = Status
    NdisSetEvent(OpenContext.Asked)


@PROTOCOL_STATUS_EX
def NdisprotStatus(OpenContext: NDISPROT_OPEN, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Nothing of it matters here."""


@PROTOCOL_NET_PNP_EVENT
def NdisprotPnPEvent(OpenContext: NDISPROT_OPEN, Notification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart and pause: a pause gives back the frames that nobody has read and waits for what is below."""
    event = Notification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        OpenContext.Running = 1
    elif event == NET_PNP_EVENT_CODE.NetEventPause:
        NdisprotDrain(OpenContext)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_BIND_ADAPTER_EX
def NdisprotBind(Context: None, BindContext: BindContext, Parameters: NDIS_BIND_PARAMETERS) -> NDIS_STATUS:
    """Make the open context and open the adapter; it takes no frames until a program wants them."""
    if NdisprotDriver is None:
        return NDIS_STATUS_FAILURE
    open_context = NdisAllocateMemoryWithTagPriority(NdisprotDriver, sizeof(NDISPROT_OPEN), PROT_TAG, 0)
    if open_context is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(open_context, sizeof(NDISPROT_OPEN))
    pool = NdisAllocateNetBufferListPool(NdisprotDriver, NdisprotPool())
    if pool is None:
        NdisFreeMemory(open_context, 0, 0)
        return NDIS_STATUS_RESOURCES
    open_context.Pool, open_context.Name = pool, Parameters.AdapterName.encode()[:64].ljust(64, b"\0")
    NdisAllocateSpinLock(open_context.Lock)
    NdisInitializeEvent(open_context.Asked)
    InitializeListHead(open_context.Reads)
    status = NdisprotOpenAdapter(open_context, NdisprotDriver, Parameters.AdapterName, BindContext)
    if status != NDIS_STATUS_SUCCESS:
        NdisprotFree(open_context)
        return status
    NdisInterlockedInsertTailList(Globals.Opens, open_context.Link, Globals.Lock)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_UNBIND_ADAPTER_EX
def NdisprotUnbind(UnbindContext: BindContext, OpenContext: NDISPROT_OPEN) -> NDIS_STATUS:
    """The adapter goes: its file has none any more, and what it reads is an error."""
    NdisAcquireSpinLock(Globals.Lock)
    RemoveEntryList(OpenContext.Link)
    if OpenContext.File is not None:
        OpenContext.File.FsContext = None
    NdisReleaseSpinLock(Globals.Lock)
    while OpenContext.Users.value:
        NdisMSleep(1000)
    NdisprotFailReads(OpenContext)
    NdisCloseAdapterEx(OpenContext.Handle)
    NdisprotFree(OpenContext)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def NdisprotOpenComplete(OpenContext: NDISPROT_OPEN, Status: NDIS_STATUS) -> None:
    """Wake NdisprotOpenAdapter."""
    OpenContext.Status = Status
    NdisSetEvent(OpenContext.Asked)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def NdisprotCloseComplete(OpenContext: NDISPROT_OPEN) -> None:
    """NdisCloseAdapterEx does not pend here."""


@DRIVER_UNLOAD
def NdisprotUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take device and registration back."""
    IoDeleteSymbolicLink(PROT_LINK)
    IoDeleteDevice(Globals.Device)
    if NdisprotDriver is not None:
        NdisDeregisterProtocolDriver(NdisprotDriver)
    NdisFreeSpinLock(Globals.Lock)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Make the device and register the protocol."""
    global NdisprotDriver
    DriverObject.DriverUnload = NdisprotUnload
    DriverObject.MajorFunction[IRP_MJ_CREATE] = NdisprotOpen
    DriverObject.MajorFunction[IRP_MJ_CLEANUP] = NdisprotCleanup
    DriverObject.MajorFunction[IRP_MJ_CLOSE] = NdisprotClose
    DriverObject.MajorFunction[IRP_MJ_READ] = NdisprotRead
    DriverObject.MajorFunction[IRP_MJ_WRITE] = NdisprotWrite
    DriverObject.MajorFunction[IRP_MJ_DEVICE_CONTROL] = NdisprotIoControl
    NdisAllocateSpinLock(Globals.Lock)
    InitializeListHead(Globals.Opens)
    status, device = IoCreateDevice(DriverObject, 0, PROT_DEVICE, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False)
    if device is None:
        return status
    device.Flags |= DO_BUFFERED_IO
    Globals.Device = device
    IoCreateSymbolicLink(PROT_LINK, PROT_DEVICE)
    handlers = (NdisprotBind, NdisprotUnbind, NdisprotOpenComplete, NdisprotCloseComplete, NdisprotPnPEvent)
    data = (NdisprotOidComplete, NdisprotStatus, NdisprotReceive, NdisprotSendComplete)
    status, NdisprotDriver = NdisRegisterProtocolDriver(None, NdisprotCharacteristics(*handlers, *data))
    if NdisprotDriver is None:
        IoDeleteSymbolicLink(PROT_LINK)
        IoDeleteDevice(device)
    return status
