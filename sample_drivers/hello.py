"""hello: a complete small protocol driver, which answers each frame with the addresses swapped.

Law: a received list is held until the answer on its memory has been sent, which knows it as its parent; what was only
lent is copied.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final, Literal

from emulator.ndis import *

HELLO_TAG: Final = int.from_bytes(b"oleH", "little")
HELLO_MAXIMUM_FRAME: Final = 1514
HELLO_ADDRESSES: Final = Struct("6s6s")
HELLO_HEADER: Final = HELLO_ADDRESSES.size
HelloReadAddresses, HelloWriteAddresses = HELLO_ADDRESSES.unpack_from, HELLO_ADDRESSES.pack_into
HELLO_ANSWERS: Final = 512

HelloDriver: ProtocolDriverHandle | None = None


class BINDING(NONPAGED):
    """One adapter.  References is 1 while the binding runs, and 1 more for each list that a pause must wait for.

    Lock guards it, and the answers that are free.
    """

    Handle: BindingHandle
    Pool: NetBufferListPoolHandle
    Copies: NetBufferListPoolHandle
    Lock: NDIS_SPIN_LOCK
    Free: ULONG
    Answers: Array[PVOID, Literal[512]]
    References: ULONG
    Running: ULONG
    Status: INT
    Done: NDIS_EVENT


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def HelloReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Answer a chain of received frames with a chain of answers; return at once what is not answered."""
    handle, lent = Binding.Handle, ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES
    answers = HelloReference(Binding, NumberOfNetBufferLists, 0 if lent else NumberOfNetBufferLists)
    refused: NET_BUFFER_LIST | None = None
    if lent:
        first, count = HelloCopy(Binding, NetBufferLists)
    else:
        first, count, refused = HelloAnswer(NetBufferLists, answers)
    if first is not None:
        NdisSendNetBufferLists(handle, first, NDIS_DEFAULT_PORT_NUMBER, ReceiveFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL)
    if refused is not None:
        NdisReturnNetBufferLists(handle, refused, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if count < NumberOfNetBufferLists:
        HelloDereference(Binding, NumberOfNetBufferLists - count, answers[count:])


def HelloAnswer(Chain: NET_BUFFER_LIST, Answers: list[Any]) -> tuple[Any, int, Any]:
    """Answers on the received frames' own memory, how many, and the frames for which there were none."""
    count = len(Answers)
    last: Any = None
    received: Any = Chain
    for answer in Answers:
        frame, buffer = received.FirstNetBuffer, answer.FirstNetBuffer
        mdl, offset, length = frame.CurrentMdl, frame.CurrentMdlOffset, frame.DataLength
        if length < HELLO_HEADER or mdl.ByteCount - offset < HELLO_HEADER:
            count = Answers.index(answer)
            break
        memory = mdl.MappedSystemVa
        destination, source = HelloReadAddresses(memory, offset)
        HelloWriteAddresses(memory, offset, source, destination)
        buffer.MdlChain = buffer.CurrentMdl = mdl
        buffer.DataOffset = buffer.CurrentMdlOffset = offset
        buffer.DataLength = length
        answer.ParentNetBufferList = received
        received.Next, received = None, received.Next
        if last is not None:
            last.Next = answer
        last = answer
    return Answers[0] if count else None, count, received


def HelloReference(Binding: BINDING, Count: int, Answers: int) -> list[Any]:
    """Take references, and so many free answers, or as many as there are; none while the binding is paused."""
    answers: list[Any] = []
    NdisAcquireSpinLock(Binding.Lock)
    Binding.References += Count
    if Answers and Binding.Running:
        free = Binding.Free
        Binding.Free = left = max(free - Answers, 0)
        answers = Binding.Answers[left:free]
    NdisReleaseSpinLock(Binding.Lock)
    return answers


def HelloDereference(Binding: BINDING, Count: int, Answers: list[Any]) -> None:
    """Give references back, and answers for the next frames; the last one says that a pause may go on."""
    NdisAcquireSpinLock(Binding.Lock)
    if Answers:
        free = Binding.Free
        Binding.Free = end = free + len(Answers)
        Binding.Answers[free:end] = Answers
    Binding.References = left = Binding.References - Count
    NdisReleaseSpinLock(Binding.Lock)
    if not left:
        NdisSetEvent(Binding.Done)


def HelloCopy(Binding: BINDING, Chain: NET_BUFFER_LIST) -> tuple[NET_BUFFER_LIST | None, int]:
    """Answers on copies of frames that are only lent, and how many; what cannot be copied is not answered."""
    first = last = None
    count = 0
    received: Any = Chain if Binding.Running else None
    while received is not None:
        frame, answer = received.FirstNetBuffer, NdisAllocateNetBufferList(Binding.Copies, 0, 0)
        if answer is not None and answer.FirstNetBuffer is not None:
            answer.FirstNetBuffer.DataLength = frame.DataLength
            NdisCopyFromNetBufferToNetBuffer(answer.FirstNetBuffer, 0, frame.DataLength, frame, 0)
            header: Any = NdisGetDataBuffer(answer.FirstNetBuffer, HELLO_HEADER, None, 1, 0)
            destination, source = HelloReadAddresses(header)
            HelloWriteAddresses(header, 0, source, destination)
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
        following, received = answer.Next, answer.ParentNetBufferList
        if received is None:
            NdisFreeNetBufferList(answer)
            copies += 1
        else:
            answer.Next = answer.ParentNetBufferList = None
            answers.append(answer)
            if last is None:
                first = received
            else:
                last.Next = received
            last = received
        answer = following
    if first is not None:
        NdisReturnNetBufferLists(Binding.Handle, first, SendCompleteFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    HelloDereference(Binding, copies + len(answers), answers)


@PROTOCOL_NET_PNP_EVENT
def HelloNetPnPEvent(Binding: BINDING, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart: ask for the frames that are addressed to the adapter.  Pause: wait until every answer is back."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        HelloReference(Binding, 1, 0)
        Binding.Running = 1
        return HelloSetFilter(Binding, NDIS_PACKET_TYPE_DIRECTED)
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        NdisResetEvent(Binding.Done)
        Binding.Running = 0
        HelloDereference(Binding, 1, [])
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
    Binding.Answers[: len(answers)] = answers
    Binding.Free = len(answers)
    return copies is not None and len(answers) == HELLO_ANSWERS


def HelloFree(Binding: BINDING) -> None:
    """Free what HelloAllocate has made, and the binding's context."""
    for answer in Binding.Answers[: Binding.Free]:
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
