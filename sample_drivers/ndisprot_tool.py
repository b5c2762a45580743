"""What ndisprot and its programs share: control codes; and what the driver does without being called by NDIS.

Law: as in a header file, nothing here keeps state; the handlers are in ndisprot.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *

if TYPE_CHECKING:
    from sample_drivers.ndisprot import NDISPROT_OPEN

PROT_DEVICE: Final = r"\Device\Ndisprot"
PROT_LINK: Final = r"\DosDevices\Ndisprot"
PROT_POOL_TAG: Final = int.from_bytes(b"lPtP", "little")
PROT_RING: Final = 64
PROT_LONGEST_FRAME: Final = 1514

IOCTL_NDISPROT_OPEN_DEVICE: Final = CTL_CODE(FILE_DEVICE_NETWORK, 0x200, METHOD_BUFFERED, FILE_ANY_ACCESS)
"""Input: the name of an adapter."""
IOCTL_NDISPROT_QUERY_OID: Final = CTL_CODE(FILE_DEVICE_NETWORK, 0x201, METHOD_BUFFERED, FILE_ANY_ACCESS)
"""Input: an OID, four bytes.  Output: what the adapter answers."""
IOCTL_NDISPROT_SET_FILTER: Final = CTL_CODE(FILE_DEVICE_NETWORK, 0x202, METHOD_BUFFERED, FILE_ANY_ACCESS)
"""Input: the packet filter, four bytes."""


def NdisprotComplete(Irp: IRP, Status: int, Information: int = 0) -> int:
    """Complete an IRP; its status."""
    Irp.IoStatus.Status = Status
    Irp.IoStatus.Information = Information
    IoCompleteRequest(Irp, IO_NETWORK_INCREMENT if Information else IO_NO_INCREMENT)
    return Status


def NdisprotEnter(Lock: NDIS_SPIN_LOCK, File: FILE_OBJECT) -> NDISPROT_OPEN | None:
    """The open context of a file, which stays until NdisprotLeave; None while it has none."""
    NdisAcquireSpinLock(Lock)
    found: NDISPROT_OPEN | None = File.FsContext
    if found is not None:
        NdisInterlockedIncrement(found.Users)
    NdisReleaseSpinLock(Lock)
    return found


def NdisprotLeave(OpenContext: NDISPROT_OPEN) -> None:
    """The open context may go."""
    NdisInterlockedDecrement(OpenContext.Users)


def NdisprotFrame(OpenContext: NDISPROT_OPEN, Data: Any, Length: int) -> NET_BUFFER_LIST | None:
    """A frame with what the program has written."""
    nbl = NdisAllocateNetBufferList(OpenContext.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return None
    nbl.SourceHandle = OpenContext.Handle
    nbl.FirstNetBuffer.DataLength = max(Length, 60)
    memory = NdisGetDataBuffer(nbl.FirstNetBuffer, max(Length, 60), None, 1, 0)
    if memory is None:
        NdisFreeNetBufferList(nbl)
        return None
    memory[:] = bytes(Data[0:Length]).ljust(60, b"\0")
    return nbl


def NdisprotSendDone(OpenContext: NDISPROT_OPEN, Frame: NET_BUFFER_LIST) -> None:
    """A frame is sent, or not: complete the write."""
    irp, status = Frame.ProtocolReserved[0], Frame.Status
    length = irp.io_stack.Parameters.Write.Length if status == NDIS_STATUS_SUCCESS else 0
    NdisFreeNetBufferList(Frame)
    NdisprotComplete(irp, status, length)
    NdisInterlockedDecrement(OpenContext.Sends)


def NdisprotCopyOut(Frame: NET_BUFFER_LIST, Irp: IRP) -> int:
    """A received frame for the program's read, as far as there is room; how many bytes."""
    room = IoGetCurrentIrpStackLocation(Irp).Parameters.Read.Length
    buffer = Frame.FirstNetBuffer
    if buffer is None or not room:
        return 0
    length = min(room, buffer.DataLength)
    storage = bytearray(length)
    data = NdisGetDataBuffer(buffer, length, storage, 1, 0)
    Irp.AssociatedIrp.SystemBuffer[0:length] = bytes(data if data is not None else storage)
    return length


def NdisprotRequest(OpenContext: NDISPROT_OPEN, Kind: NDIS_REQUEST_TYPE, Oid: int, Memory: Any, Length: int) -> Any:
    """Ask the adapter and wait: the status, and how many bytes have come back."""
    request = NDIS_OID_REQUEST(RequestType=Kind)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.QUERY_INFORMATION.Oid = Oid
    request.DATA.QUERY_INFORMATION.InformationBuffer = Memory
    request.DATA.QUERY_INFORMATION.InformationBufferLength = Length
    NdisResetEvent(OpenContext.Asked)
    status: int = NdisOidRequest(OpenContext.Handle, request)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(OpenContext.Asked, 0)
        status = OpenContext.Status
    written = request.DATA.QUERY_INFORMATION.BytesWritten
    NdisFreeMemory(request, 0, 0)
    return status, written


def NdisprotSetFilter(OpenContext: NDISPROT_OPEN, Filter: int) -> int:
    """Say which frames the adapter is to take."""
    memory = NdisAllocateMemoryWithTagPriority(OpenContext.Handle, 4, PROT_POOL_TAG, 0)
    if memory is None:
        return NDIS_STATUS_RESOURCES
    memory[0:4] = Filter.to_bytes(4, "little")
    kind = NDIS_REQUEST_TYPE.NdisRequestSetInformation
    status, _ = NdisprotRequest(OpenContext, kind, OID_GEN_CURRENT_PACKET_FILTER, memory, 4)
    NdisFreeMemory(memory, 0, 0)
    return int(status)


def NdisprotQuery(OpenContext: NDISPROT_OPEN, Oid: int, Room: int) -> tuple[int, bytes]:
    """Ask the adapter for an OID."""
    memory = NdisAllocateMemoryWithTagPriority(OpenContext.Handle, max(Room, 1), PROT_POOL_TAG, 0)
    if memory is None:
        return NDIS_STATUS_RESOURCES, b""
    kind = NDIS_REQUEST_TYPE.NdisRequestQueryInformation
    status, written = NdisprotRequest(OpenContext, kind, Oid, memory, Room)
    answer = bytes(memory[0:written]) if status == NDIS_STATUS_SUCCESS else b""
    NdisFreeMemory(memory, 0, 0)
    return int(status), answer


def NdisprotDrain(OpenContext: NDISPROT_OPEN) -> None:
    """For a pause: give back what nobody has read, wait for what is below."""
    NdisAcquireSpinLock(OpenContext.Lock)
    OpenContext.Running = 0
    NdisReleaseSpinLock(OpenContext.Lock)
    NdisprotFlush(OpenContext)
    while OpenContext.Sends.value:
        NdisMSleep(1000)


def NdisprotFlush(OpenContext: NDISPROT_OPEN) -> None:
    """Give back the frames that nobody has read."""
    while True:
        NdisAcquireSpinLock(OpenContext.Lock)
        frame = None
        if OpenContext.Take != OpenContext.Put:
            frame = OpenContext.Ring[OpenContext.Take % PROT_RING]
            OpenContext.Take += 1
        NdisReleaseSpinLock(OpenContext.Lock)
        if frame is None:
            return
        NdisReturnNetBufferLists(OpenContext.Handle, frame, 0)


def NdisprotFailReads(OpenContext: NDISPROT_OPEN) -> None:
    """For an unbind: the reads that wait are errors, but for those that are being cancelled."""
    while True:
        NdisAcquireSpinLock(OpenContext.Lock)
        irp = None
        waiting = not IsListEmpty(OpenContext.Reads)
        if waiting:
            irp = CONTAINING_RECORD(OpenContext.Reads.Flink, IRP, "Tail.Overlay.ListEntry")
            if IoSetCancelRoutine(irp, None) is None:
                irp = None
            else:
                RemoveEntryList(irp.Tail.Overlay.ListEntry)
        NdisReleaseSpinLock(OpenContext.Lock)
        if irp is not None:
            NdisprotComplete(irp, STATUS_CANCELLED)
        elif waiting:
            NdisMSleep(1000)  # its cancel routine takes it out
        else:
            return


def NdisprotFree(OpenContext: NDISPROT_OPEN) -> None:
    """Give everything of an open context back."""
    NdisFreeNetBufferListPool(OpenContext.Pool)
    NdisFreeSpinLock(OpenContext.Lock)
    NdisFreeMemory(OpenContext, 0, 0)


def NdisprotPool() -> NET_BUFFER_LIST_POOL_PARAMETERS:
    """Lists of one NET_BUFFER each, with room for a frame."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
    )
    return NET_BUFFER_LIST_POOL_PARAMETERS(
        Header=header, fAllocateNetBuffer=True, PoolTag=PROT_POOL_TAG, DataSize=PROT_LONGEST_FRAME
    )


def NdisprotOpenAdapter(
    OpenContext: NDISPROT_OPEN, Driver: ProtocolDriverHandle, AdapterName: str, BindContext: BindContext
) -> NDIS_STATUS:
    """Open an adapter by the name that the bind parameters give, for Ethernet, and wait where that pends."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_OPEN_PARAMETERS, NDIS_OPEN_PARAMETERS_REVISION_1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1
    )
    parameters = NDIS_OPEN_PARAMETERS(
        Header=header, AdapterName=AdapterName, MediumArray=(NDIS_MEDIUM.NdisMedium802_3,), MediumArraySize=1
    )
    status, handle = NdisOpenAdapterEx(Driver, OpenContext, parameters, BindContext)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(OpenContext.Asked, 0)
        status = NDIS_STATUS(OpenContext.Status)
    if handle is not None and status == NDIS_STATUS_SUCCESS:
        OpenContext.Handle = handle
    return status


def NdisprotCharacteristics(*handlers: Callable[..., Any]) -> NDIS_PROTOCOL_DRIVER_CHARACTERISTICS:
    """What NDIS is told of the driver."""
    bind, unbind, opened, closed, event, answered, status, received, sent = handlers
    return NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS,
            NDIS_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
            NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
        ),
        MajorNdisVersion=NDIS_PROTOCOL_MAJOR_VERSION,
        MinorNdisVersion=NDIS_PROTOCOL_MINOR_VERSION,
        Name="NDISPROT",
        BindAdapterHandlerEx=bind,
        UnbindAdapterHandlerEx=unbind,
        OpenAdapterCompleteHandlerEx=opened,
        CloseAdapterCompleteHandlerEx=closed,
        NetPnPEventHandler=event,
        OidRequestCompleteHandler=answered,
        StatusHandlerEx=status,
        ReceiveNetBufferListsHandler=received,
        SendNetBufferListsCompleteHandler=sent,
    )
