"""hello: a complete small protocol driver, which answers each frame with the addresses swapped.

Law: a received list is held until the answer on its memory has been sent; what was only lent is copied.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final, Literal

from emulator.ndis import *

HELLO_TAG: Final = int.from_bytes(b"oleH", "little")
HELLO_MAXIMUM_FRAME: Final = 1514
HELLO_ADDRESSES: Final = Struct("6s6s")
HELLO_HEADER: Final = HELLO_ADDRESSES.size
HELLO_ANSWERS: Final = 512

HelloDriver: ProtocolDriverHandle | None = None


class BINDING(NONPAGED):
    """One adapter.  References is 1 while the binding runs, and 1 more for each answer that is on its way."""

    Handle: BindingHandle
    Pool: NetBufferListPoolHandle
    Copies: NetBufferListPoolHandle
    Lock: NDIS_SPIN_LOCK
    Free: u32
    Answers: Array[PVOID, Literal[512]]
    References: LONG
    Running: u32
    Status: i32
    Done: NDIS_EVENT


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def HelloReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Answer a chain of received frames with a chain of answers; return at once what is not answered."""
    handle, lent = Binding.Handle, ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES
    answers: NET_BUFFER_LIST | None = None
    refused: NET_BUFFER_LIST | None = None if lent else NetBufferLists
    count = 0
    InterlockedExchangeAdd(Binding.References, NumberOfNetBufferLists)
    if Binding.Running and lent:
        answers, count = HelloCopy(Binding, NetBufferLists)
    elif Binding.Running:
        answers, refused, count = HelloAnswer(Binding, NetBufferLists, NumberOfNetBufferLists)
    if answers is not None:
        NdisSendNetBufferLists(handle, answers, NDIS_DEFAULT_PORT_NUMBER, ReceiveFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL)
    if refused is not None:
        NdisReturnNetBufferLists(handle, refused, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if count < NumberOfNetBufferLists:
        HelloDereference(Binding, NumberOfNetBufferLists - count)


def HelloAnswer(Binding: BINDING, Chain: NET_BUFFER_LIST, Count: int) -> tuple[Any, Any, int]:
    """Answers on the received frames' own memory, the frames for which there were none, and how many answers."""
    answers = HelloTakeAnswers(Binding, Count)
    used = len(answers)
    last: Any = None
    received: Any = Chain
    for answer in answers:
        frame, buffer = received.FirstNetBuffer, answer.FirstNetBuffer
        header = NdisGetDataBuffer(frame, HELLO_HEADER, None, 1, 0)
        if header is None:
            used = answers.index(answer)
            break
        destination, source = HELLO_ADDRESSES.unpack(header)
        HELLO_ADDRESSES.pack_into(header, 0, source, destination)
        buffer.MdlChain = buffer.CurrentMdl = frame.CurrentMdl
        buffer.DataOffset = buffer.CurrentMdlOffset = frame.CurrentMdlOffset
        buffer.DataLength = frame.DataLength
        answer.ProtocolReserved[0] = received
        received.Next, received = None, received.Next
        if last is not None:
            last.Next = answer
        last = answer
    HelloGiveAnswers(Binding, answers[used:])
    return answers[0] if used else None, received, used


def HelloTakeAnswers(Binding: BINDING, Count: int) -> list[Any]:
    """Take so many free answers, or as many as there are."""
    NdisAcquireSpinLock(Binding.Lock)
    free = Binding.Free
    left = max(free - Count, 0)
    answers: list[Any] = Binding.Answers[left:free]
    Binding.Free = left
    NdisReleaseSpinLock(Binding.Lock)
    return answers


def HelloGiveAnswers(Binding: BINDING, Answers: list[Any]) -> None:
    """Keep answers for the next frames."""
    if Answers:
        NdisAcquireSpinLock(Binding.Lock)
        free = Binding.Free
        Binding.Answers[free : free + len(Answers)] = Answers
        Binding.Free = free + len(Answers)
        NdisReleaseSpinLock(Binding.Lock)


def HelloCopy(Binding: BINDING, Chain: NET_BUFFER_LIST) -> tuple[NET_BUFFER_LIST | None, int]:
    """Answers on copies of frames that are only lent, and how many; what cannot be copied is not answered."""
    first = last = None
    count = 0
    received: Any = Chain
    while received is not None:
        frame, answer = received.FirstNetBuffer, NdisAllocateNetBufferList(Binding.Copies, 0, 0)
        if answer is not None and answer.FirstNetBuffer is not None:
            answer.FirstNetBuffer.DataLength = frame.DataLength
            NdisCopyFromNetBufferToNetBuffer(answer.FirstNetBuffer, 0, frame.DataLength, frame, 0)
            header: Any = NdisGetDataBuffer(answer.FirstNetBuffer, HELLO_HEADER, None, 1, 0)
            destination, source = HELLO_ADDRESSES.unpack(header)
            HELLO_ADDRESSES.pack_into(header, 0, source, destination)
            answer.SourceHandle = Binding.Handle
            if last is None:
                first = answer
            else:
                last.Next = answer
            last = answer
            count += 1
        received = received.Next
    return first, count


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def HelloSendComplete(Binding: BINDING, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Keep the answers, free the copies, and return the frames that were answered, as one chain in their order."""
    answers: list[Any] = []
    first: Any = None
    last: Any = None
    copies = 0
    answer: Any = NetBufferList
    while answer is not None:
        following, received = answer.Next, answer.ProtocolReserved[0]
        if received is None:
            NdisFreeNetBufferList(answer)
            copies += 1
        else:
            answer.Next = answer.ProtocolReserved[0] = None
            answers.append(answer)
            if last is None:
                first = received
            else:
                last.Next = received
            last = received
        answer = following
    count = copies + len(answers)
    if first is not None:
        last.Next = None
        HelloGiveAnswers(Binding, answers)
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
    """Make the binding's context and open the adapter."""
    Binding = NdisAllocateMemoryWithTagPriority(HelloDriver, sizeof(BINDING), HELLO_TAG, NormalPoolPriority)
    if Binding is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Binding, sizeof(BINDING))
    NdisInitializeEvent(Binding.Done)
    NdisAllocateSpinLock(Binding.Lock)
    status: NDIS_STATUS = NDIS_STATUS_RESOURCES
    if HelloAllocate(Binding) and HelloDriver is not None:
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
        if status == NDIS_STATUS_PENDING:
            NdisWaitEvent(Binding.Done, 0)
            status = NDIS_STATUS(Binding.Status)
        if handle is not None and status == NDIS_STATUS_SUCCESS:
            Binding.Handle = handle
            for answer in Binding.Answers[: Binding.Free]:
                answer.SourceHandle = handle
            return status
    HelloFree(Binding)
    return status


def HelloAllocate(Binding: BINDING) -> bool:
    """The answers on received memory, made once, and a pool for answers with memory of their own."""
    pool, copies = HelloPool(0), HelloPool(HELLO_MAXIMUM_FRAME)
    if pool is not None:
        Binding.Pool = pool
    if copies is not None:
        Binding.Copies = copies
    answers: list[Any] = []
    while pool is not None and len(answers) < HELLO_ANSWERS:
        answer = NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, None, 0, 0)
        if answer is None:
            break
        answers.append(answer)
    HelloGiveAnswers(Binding, answers)
    return copies is not None and len(answers) == HELLO_ANSWERS


def HelloFree(Binding: BINDING) -> None:
    """Free what HelloAllocate has made, and the binding's context."""
    for answer in HelloTakeAnswers(Binding, HELLO_ANSWERS):
        NdisFreeNetBufferList(answer)
    for pool in (Binding.Pool, Binding.Copies):
        if pool:
            NdisFreeNetBufferListPool(pool)
    NdisFreeSpinLock(Binding.Lock)
    NdisFreeMemory(Binding, 0, 0)


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
    HelloFree(Binding)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def HelloOpenComplete(Binding: BINDING, Status: NDIS_STATUS) -> None:
    """Wake HelloBind."""
    Binding.Status = Status
    NdisSetEvent(Binding.Done)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def HelloCloseComplete(Binding: BINDING) -> None:
    """Nothing of ours is on its way when we close."""


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
