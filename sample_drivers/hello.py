"""hello: a complete small protocol driver, which answers each frame with the addresses swapped.

Law: a received list is held until the answer on its memory has been sent; what was only lent is copied.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from emulator.ndis import *

HELLO_TAG: Final = int.from_bytes(b"oleH", "little")
HELLO_MAXIMUM_FRAME: Final = 1514
HELLO_ADDRESSES: Final = Struct("6s6s")

HelloDriver: ProtocolDriverHandle | None = None


class BINDING(NONPAGED):
    """One adapter.  References is 1 while the binding runs, and 1 more for each answer that is on its way."""

    Handle: BindingHandle
    Answers: NetBufferListPoolHandle
    Copies: NetBufferListPoolHandle
    References: LONG
    Running: u32
    Status: i32
    Done: NDIS_EVENT


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def HelloReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Answer a chain of received frames with a chain of answers; return at once what is not answered."""
    lent = ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES
    first = last = refused = None
    refusals = 0
    InterlockedExchangeAdd(Binding.References, NumberOfNetBufferLists)
    pool = (Binding.Copies if lent else Binding.Answers) if Binding.Running else None
    handle = Binding.Handle
    received: NET_BUFFER_LIST | None = NetBufferLists
    while received is not None:
        following = received.Next
        answer = HelloAnswer(pool, received, lent) if pool is not None else None
        if answer is None:
            refusals += 1
            if not lent:
                received.Next = refused
                refused = received
        else:
            answer.SourceHandle = handle
            if last is None:
                first = answer
            else:
                last.Next = answer
            last = answer
        received = following
    if first is not None:
        NdisSendNetBufferLists(handle, first, NDIS_DEFAULT_PORT_NUMBER, ReceiveFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL)
    if refused is not None:
        NdisReturnNetBufferLists(handle, refused, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if refusals:
        HelloDereference(Binding, refusals)


def HelloAnswer(Pool: NetBufferListPoolHandle, Received: NET_BUFFER_LIST, Lent: int) -> NET_BUFFER_LIST | None:
    """An answer on the received frame's own memory, or on a copy of it where the frame is only lent."""
    frame = Received.FirstNetBuffer
    assert frame is not None
    if Lent:
        answer = NdisAllocateNetBufferList(Pool, 0, 0)
    else:
        answer = NdisAllocateNetBufferAndNetBufferList(Pool, 0, 0, frame.MdlChain, frame.DataOffset, frame.DataLength)
    if answer is None or answer.FirstNetBuffer is None:
        return None
    if Lent:
        answer.FirstNetBuffer.DataLength = frame.DataLength
        NdisCopyFromNetBufferToNetBuffer(answer.FirstNetBuffer, 0, frame.DataLength, frame, 0)
    else:
        answer.ProtocolReserved[0] = Received
    header = NdisGetDataBuffer(answer.FirstNetBuffer, HELLO_ADDRESSES.size, None, 1, 0)
    if header is None:
        NdisFreeNetBufferList(answer)
        return None
    destination, source = HELLO_ADDRESSES.unpack_from(header)
    HELLO_ADDRESSES.pack_into(header, 0, source, destination)
    return answer


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def HelloSendComplete(Binding: BINDING, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Free the answers and return the frames that they answered, as one chain."""
    answer: NET_BUFFER_LIST | None = NetBufferList
    first = None
    count = 0
    while answer is not None:
        following = answer.Next
        received = answer.ProtocolReserved[0]
        answer.ProtocolReserved[0] = None
        NdisFreeNetBufferList(answer)
        if received is not None:
            received.Next = first
            first = received
        answer = following
        count += 1
    if first is not None:
        NdisReturnNetBufferLists(Binding.Handle, first, SendCompleteFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    HelloDereference(Binding, count)


def HelloDereference(Binding: BINDING, Count: int) -> None:
    """Give references back; the last one says that a pause may go on."""
    if InterlockedExchangeAdd(Binding.References, -Count) == Count:
        NdisSetEvent(Binding.Done)


@PROTOCOL_NET_PNP_EVENT
def HelloNetPnPEvent(Binding: BINDING, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart: ask for the frames that are addressed to the adapter.  Pause: wait until every answer is back."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        InterlockedExchange(Binding.References, 1)
        Binding.Running = 1
        return HelloSetFilter(Binding, NDIS_PACKET_TYPE_DIRECTED)
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        NdisResetEvent(Binding.Done)
        Binding.Running = 0
        HelloDereference(Binding, 1)
        NdisWaitEvent(Binding.Done, 0)
    return NDIS_STATUS_SUCCESS


def HelloSetFilter(Binding: BINDING, Filter: int) -> NDIS_STATUS:
    """Set the packet filter and wait for the answer, which may come from another context."""
    buffer = NdisAllocateMemoryWithTagPriority(Binding.Handle, 4, HELLO_TAG, NormalPoolPriority)
    if buffer is None:
        return NDIS_STATUS_RESOURCES
    buffer[0:4] = Filter.to_bytes(4, "little")
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.SET_INFORMATION.Oid = OID_GEN_CURRENT_PACKET_FILTER
    request.DATA.SET_INFORMATION.InformationBuffer = buffer
    request.DATA.SET_INFORMATION.InformationBufferLength = 4
    NdisResetEvent(Binding.Done)
    status = NdisOidRequest(Binding.Handle, request)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(Binding.Done, 0)
        status = NDIS_STATUS(Binding.Status)
    NdisFreeMemory(request, 0, 0)
    NdisFreeMemory(buffer, 0, 0)
    return status


@PROTOCOL_OID_REQUEST_COMPLETE
def HelloOidRequestComplete(Binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Wake HelloSetFilter."""
    Binding.Status = Status
    NdisSetEvent(Binding.Done)


@PROTOCOL_STATUS_EX
def HelloStatus(Binding: BINDING, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Log what the adapter tells."""
    DbgPrint("status %08x", StatusIndication.StatusCode & 0xFFFF_FFFF)


@PROTOCOL_BIND_ADAPTER_EX
def HelloBind(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    """Open an adapter, with a pool for answers on received memory and one for answers with memory of their own."""
    Binding = NdisAllocateMemoryWithTagPriority(HelloDriver, sizeof(BINDING), HELLO_TAG, NormalPoolPriority)
    if Binding is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Binding, sizeof(BINDING))
    NdisInitializeEvent(Binding.Done)
    answers, copies = HelloPool(0), HelloPool(HELLO_MAXIMUM_FRAME)
    status: NDIS_STATUS = NDIS_STATUS_RESOURCES
    if answers is not None and copies is not None and HelloDriver is not None:
        Binding.Answers, Binding.Copies = answers, copies
        parameters = NDIS_OPEN_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_OPEN_PARAMETERS,
                NDIS_OPEN_PARAMETERS_REVISION_1,
                NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1,
            ),
            AdapterName=BindParameters.AdapterName,
            MediumArray=(NDIS_MEDIUM.NdisMedium802_3,),
            MediumArraySize=1,
        )
        status, handle = NdisOpenAdapterEx(HelloDriver, Binding, parameters, BindContext)
        if handle is not None:
            Binding.Handle = handle
            return status
    for pool in (answers, copies):
        if pool is not None:
            NdisFreeNetBufferListPool(pool)
    NdisFreeMemory(Binding, 0, 0)
    return status


def HelloPool(DataSize: int) -> NetBufferListPoolHandle | None:
    """A pool of lists with one NET_BUFFER each."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
    )
    parameters = NET_BUFFER_LIST_POOL_PARAMETERS(
        Header=header, fAllocateNetBuffer=True, PoolTag=HELLO_TAG, DataSize=DataSize
    )
    return NdisAllocateNetBufferListPool(HelloDriver, parameters)


@PROTOCOL_UNBIND_ADAPTER_EX
def HelloUnbind(UnbindContext: BindContext, Binding: BINDING) -> NDIS_STATUS:
    """Close the adapter; the pause before has brought every answer back."""
    NdisCloseAdapterEx(Binding.Handle)
    NdisFreeNetBufferListPool(Binding.Answers)
    NdisFreeNetBufferListPool(Binding.Copies)
    NdisFreeMemory(Binding, 0, 0)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def HelloOpenComplete(Binding: BINDING, Status: NDIS_STATUS) -> None:
    """NdisOpenAdapterEx never pends here."""


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def HelloCloseComplete(Binding: BINDING) -> None:
    """NdisCloseAdapterEx never pends here."""


@DRIVER_UNLOAD
def HelloUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back."""
    if HelloDriver is not None:
        NdisDeregisterProtocolDriver(HelloDriver)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the protocol."""
    global HelloDriver
    DriverObject.DriverUnload = HelloUnload
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS,
        NDIS_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
        NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
    )
    status, HelloDriver = NdisRegisterProtocolDriver(
        None,
        NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
            Header=header,
            MajorNdisVersion=NDIS_PROTOCOL_MAJOR_VERSION,
            MinorNdisVersion=NDIS_PROTOCOL_MINOR_VERSION,
            Name="HELLO",
            BindAdapterHandlerEx=HelloBind,
            UnbindAdapterHandlerEx=HelloUnbind,
            OpenAdapterCompleteHandlerEx=HelloOpenComplete,
            CloseAdapterCompleteHandlerEx=HelloCloseComplete,
            NetPnPEventHandler=HelloNetPnPEvent,
            OidRequestCompleteHandler=HelloOidRequestComplete,
            StatusHandlerEx=HelloStatus,
            ReceiveNetBufferListsHandler=HelloReceive,
            SendNetBufferListsCompleteHandler=HelloSendComplete,
        ),
    )
    return status
