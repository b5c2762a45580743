"""responder: a protocol driver that answers ARP and ICMP echo for an IPv4 address of its own.

Law: a received frame is only read, and returned before its handler returns; every answer has memory of its own. The
neighbours, and what is counted, lie in the binding's nonpaged memory and are touched under its lock alone: learned at
DISPATCH_LEVEL, aged by a work item at PASSIVE_LEVEL that a timer queues.
"""

from __future__ import annotations

from struct import Struct, pack_into, unpack_from
from typing import Final

from emulator.ndis import *

TAG: Final = int.from_bytes(b"pseR", "little")
BROADCAST: Final = b"\xff" * 6
ETHERNET: Final = Struct("!6s6sH")
ARP: Final = Struct("!HHBBH6s4s6s4s")
IPV4: Final = Struct("!BBHHHBBH4s4s")
ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ARP_ETHERNET_IPV4: Final = (1, ETHERTYPE_IPV4, 6, 4)
ARP_REQUEST, ARP_REPLY = 1, 2
IP_HEADER: Final = IPV4.size
IP_VERSION_AND_LENGTH: Final = 0x45
IP_DO_NOT_FRAGMENT: Final = 0x4000
IP_FRAGMENT: Final = 0x3FFF
IP_TIME_TO_LIVE: Final = 64
IP_ICMP: Final = 1
ICMP_HEADER: Final = 8
ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST = 0, 8
MAXIMUM_FRAME: Final = 1514
NEIGHBOURS: Final = 256
AGE_MS: Final = 60_000
AGING_MS: Final = 1000
"""How often the table is aged, unless the registry's AgingInterval says otherwise."""

Driver: ProtocolDriverHandle | None = None
Device: DEVICE_OBJECT | None = None


class NEIGHBOUR(NONPAGED):
    """One machine of the network; Seen is when it was learned, in milliseconds of up time."""

    Used: u32
    Seen: u64
    Address: Bytes[Literal[4]]
    Hardware: Bytes[Literal[6]]


class BINDING(NONPAGED):
    """One adapter.  References is 1 while it runs, and 1 more for each answer and work item that is on its way."""

    Handle: BindingHandle
    Answers: NetBufferListPoolHandle
    Timer: TimerHandle
    WorkItem: PIO_WORKITEM
    AgingQueued: LONG
    References: LONG
    Running: u32
    AgingMs: u32
    Status: i32
    Done: NDIS_EVENT
    Hardware: Bytes[Literal[6]]
    Address: Bytes[Literal[4]]
    Lock: NDIS_SPIN_LOCK
    Neighbours: Array[NEIGHBOUR, Literal[256]]
    Learned: u64
    Aged: u64
    ArpAnswered: u64
    EchoAnswered: u64
    Refused: u64


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def RespReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Read every frame of a chain, send the answers as one chain, and return what was received."""
    first = last = None
    received: NET_BUFFER_LIST | None = NetBufferLists
    while received is not None:
        answer = RespAnswer(Binding, received.FirstNetBuffer)
        if answer is not None:
            answer.SourceHandle = Binding.Handle
            if last is None:
                first = answer
            else:
                last.Next = answer
            last = answer
        received = received.Next
    if not ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(Binding.Handle, NetBufferLists, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if first is not None:
        NdisSendNetBufferLists(Binding.Handle, first, 0, ReceiveFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL)


def RespAnswer(Binding: BINDING, Frame: NET_BUFFER | None) -> NET_BUFFER_LIST | None:
    """The answer to a frame; None where there is nothing to say."""
    header = Frame and NdisGetDataBuffer(Frame, ETHERNET.size, bytearray(ETHERNET.size), 1, 0)
    if Frame is None or header is None:
        return None
    destination, source, kind = ETHERNET.unpack_from(header)
    if destination not in (Binding.Hardware, BROADCAST):
        return None
    if kind == ETHERTYPE_ARP:
        return RespArp(Binding, Frame)
    if kind == ETHERTYPE_IPV4 and destination != BROADCAST:
        return RespIpv4(Binding, Frame, source)
    return None


def RespArp(Binding: BINDING, Frame: NET_BUFFER) -> NET_BUFFER_LIST | None:
    """Learn from a request or reply that is meant for us, and answer the request (RFC 826)."""
    size = ETHERNET.size + ARP.size
    data = NdisGetDataBuffer(Frame, size, bytearray(size), 1, 0)
    if data is None:
        return None
    *form, operation, hardware, address, _, target = ARP.unpack_from(data, ETHERNET.size)
    if tuple(form) != ARP_ETHERNET_IPV4 or target != Binding.Address or hardware[0] & 1:
        return None
    RespLearn(Binding, address, hardware)
    if operation != ARP_REQUEST:
        return None
    answer, out = RespFrame(Binding, size)
    if out is not None:
        own = Binding.Hardware
        ETHERNET.pack_into(out, 0, hardware, own, ETHERTYPE_ARP)
        ARP.pack_into(out, ETHERNET.size, *form, ARP_REPLY, own, Binding.Address, hardware, address)
        RespCount(Binding, "ArpAnswered")
    return answer


def RespIpv4(Binding: BINDING, Frame: NET_BUFFER, Source: bytes) -> NET_BUFFER_LIST | None:
    """Answer an ICMP echo request that is whole and has its checksums right; refuse fragments."""
    available = Frame.DataLength - ETHERNET.size
    if not IP_HEADER <= available <= MAXIMUM_FRAME - ETHERNET.size:
        return None
    data = NdisGetDataBuffer(Frame, Frame.DataLength, bytearray(Frame.DataLength), 1, 0)
    if data is None:
        return None
    packet = data[ETHERNET.size :]
    version, service, total, identification, fragment, _, protocol, _, sender, target = IPV4.unpack_from(packet)
    header = (version & 0xF) * 4
    if target != Binding.Address or protocol != IP_ICMP:
        return None
    message = packet[header:total]
    if (
        version >> 4 != 4
        or not IP_HEADER <= header <= total - ICMP_HEADER
        or total > available
        or fragment & IP_FRAGMENT
        or RespChecksum(packet[:header])
        or RespChecksum(message)
    ):
        RespCount(Binding, "Refused")
        return None
    if unpack_from("!BB", message) != (ICMP_ECHO_REQUEST, 0):
        return None
    # Options are not repeated in the answer: none of them asks for more than its sender's own routers do.
    size = IP_HEADER + len(message)
    answer, out = RespFrame(Binding, ETHERNET.size + size)
    if out is None:
        return None
    ETHERNET.pack_into(out, 0, RespNeighbour(Binding, sender) or Source, Binding.Hardware, ETHERTYPE_IPV4)
    head, body = out[ETHERNET.size : ETHERNET.size + IP_HEADER], out[ETHERNET.size + IP_HEADER :]
    fields = (IP_VERSION_AND_LENGTH, service, size, identification, IP_DO_NOT_FRAGMENT, IP_TIME_TO_LIVE, IP_ICMP)
    IPV4.pack_into(head, 0, *fields, 0, target, sender)
    pack_into("!H", head, 10, RespChecksum(head))
    body[:] = message
    pack_into("!BBH", body, 0, ICMP_ECHO_REPLY, 0, 0)
    pack_into("!H", body, 2, RespChecksum(body))
    RespCount(Binding, "EchoAnswered")
    return answer


def RespChecksum(Data: memoryview) -> int:
    """The Internet checksum (RFC 1071); 0 for data that contain a right one."""
    total = int.from_bytes(Data, "big") << (8 if len(Data) & 1 else 0)
    # The one's complement sum of 16-bit words is the number modulo 0xFFFF, where 0 stands for 0xFFFF unless all is 0.
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))


def RespFrame(Binding: BINDING, Length: int) -> tuple[NET_BUFFER_LIST | None, memoryview | None]:
    """A frame with memory of its own, counted as on its way, and its bytes; None when paused or out of memory."""
    if not RespReference(Binding):
        return None, None
    answer = NdisAllocateNetBufferList(Binding.Answers, 0, 0)
    if answer is None or answer.FirstNetBuffer is None:
        RespDereference(Binding, 1)
        return None, None
    answer.FirstNetBuffer.DataLength = Length
    return answer, NdisGetDataBuffer(answer.FirstNetBuffer, Length, None, 1, 0)


def RespLearn(Binding: BINDING, Address: bytes, Hardware: bytes) -> None:
    """Remember a neighbour, in the place that its address has; who had it before is forgotten."""
    now = NdisGetSystemUpTimeEx()
    NdisAcquireSpinLock(Binding.Lock)
    neighbour = Binding.Neighbours[Address[3] % NEIGHBOURS]
    if not neighbour.Used or neighbour.Address != Address:
        Binding.Learned += 1
    neighbour.Address, neighbour.Hardware, neighbour.Seen, neighbour.Used = Address, Hardware, now, 1
    NdisReleaseSpinLock(Binding.Lock)


def RespNeighbour(Binding: BINDING, Address: bytes) -> bytes | None:
    """The hardware address of a neighbour, if it is known."""
    NdisAcquireSpinLock(Binding.Lock)
    neighbour = Binding.Neighbours[Address[3] % NEIGHBOURS]
    found = neighbour.Hardware if neighbour.Used and neighbour.Address == Address else None
    NdisReleaseSpinLock(Binding.Lock)
    return found


def RespCount(Binding: BINDING, Counter: str) -> None:
    """Add one to a counter; several processors may receive at once."""
    NdisAcquireSpinLock(Binding.Lock)
    setattr(Binding, Counter, getattr(Binding, Counter) + 1)
    NdisReleaseSpinLock(Binding.Lock)


@NDIS_TIMER_FUNCTION
def RespTimer(SystemSpecific1: None, Binding: BINDING, SystemSpecific2: None, SystemSpecific3: None) -> None:
    """Queue the work item that ages the table, unless it is on its way."""
    if RespReference(Binding):
        if InterlockedExchange(Binding.AgingQueued, 1) == 0:
            IoQueueWorkItem(Binding.WorkItem, RespAge, WORK_QUEUE_TYPE.DelayedWorkQueue, Binding)
        else:
            RespDereference(Binding, 1)


@IO_WORKITEM_ROUTINE
def RespAge(DeviceObject: DEVICE_OBJECT, Binding: BINDING) -> None:
    """Forget the neighbours of which nothing was heard for a while."""
    InterlockedExchange(Binding.AgingQueued, 0)
    oldest = max(0, NdisGetSystemUpTimeEx() - AGE_MS)
    NdisAcquireSpinLock(Binding.Lock)
    for place in range(NEIGHBOURS):
        neighbour = Binding.Neighbours[place]
        if neighbour.Used and neighbour.Seen < oldest:
            neighbour.Used = 0
            Binding.Aged += 1
    NdisReleaseSpinLock(Binding.Lock)
    RespDereference(Binding, 1)


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def RespSendComplete(Binding: BINDING, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Free the answers."""
    count = 0
    answer: NET_BUFFER_LIST | None = NetBufferList
    while answer is not None:
        following = answer.Next
        NdisFreeNetBufferList(answer)
        answer = following
        count += 1
    RespDereference(Binding, count)


def RespReference(Binding: BINDING) -> bool:
    """Take a reference for something that is on its way; False when the binding is paused or about to be."""
    NdisInterlockedIncrement(Binding.References)
    if Binding.Running:
        return True
    RespDereference(Binding, 1)
    return False


def RespDereference(Binding: BINDING, Count: int) -> None:
    """Give references back; the last one says that a pause may go on."""
    if InterlockedExchangeAdd(Binding.References, -Count) == Count:
        NdisSetEvent(Binding.Done)


@PROTOCOL_NET_PNP_EVENT
def RespNetPnPEvent(Binding: BINDING, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart: open the filter and set the timer.  Pause: cancel the timer, wait for answers and work item."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        InterlockedExchange(Binding.References, 1)
        Binding.Running = 1
        NdisSetTimerObject(Binding.Timer, -Binding.AgingMs * 10_000, Binding.AgingMs, None)
        return RespSetFilter(Binding, NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_BROADCAST)
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        NdisCancelTimerObject(Binding.Timer)
        NdisResetEvent(Binding.Done)
        Binding.Running = 0
        RespDereference(Binding, 1)
        NdisWaitEvent(Binding.Done, 0)
    return NDIS_STATUS_SUCCESS


def RespSetFilter(Binding: BINDING, Filter: int) -> NDIS_STATUS:
    """Set the packet filter and wait for the answer, which may come from another context."""
    buffer = NdisAllocateMemoryWithTagPriority(Binding.Handle, 4, TAG, NormalPoolPriority)
    if buffer is None:
        return NDIS_STATUS_RESOURCES
    buffer[0:4] = Filter.to_bytes(4, "little")
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    header, given = request.Header, request.DATA.SET_INFORMATION
    header.Type, header.Revision = NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1
    header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    given.Oid, given.InformationBuffer, given.InformationBufferLength = OID_GEN_CURRENT_PACKET_FILTER, buffer, 4
    NdisResetEvent(Binding.Done)
    status = NdisOidRequest(Binding.Handle, request)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(Binding.Done, 0)
        status = NDIS_STATUS(Binding.Status)
    NdisFreeMemory(request, 0, 0)
    NdisFreeMemory(buffer, 0, 0)
    return status


@PROTOCOL_OID_REQUEST_COMPLETE
def RespOidRequestComplete(Binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Wake RespSetFilter."""
    Binding.Status = Status
    NdisSetEvent(Binding.Done)


@PROTOCOL_STATUS_EX
def RespStatus(Binding: BINDING, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Nothing depends on the adapter's status."""


@PROTOCOL_BIND_ADAPTER_EX
def RespBind(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    """Open an adapter and take what it needs; what was taken is given back where a step fails."""
    Binding = NdisAllocateMemoryWithTagPriority(Driver, sizeof(BINDING), TAG, NormalPoolPriority)
    if Binding is None or Driver is None or Device is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Binding, sizeof(BINDING))
    Binding.Hardware = bytes(BindParameters.CurrentMacAddress[:6])
    NdisInitializeEvent(Binding.Done)
    NdisAllocateSpinLock(Binding.Lock)
    parameters = NDIS_OPEN_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_OPEN_PARAMETERS, NDIS_OPEN_PARAMETERS_REVISION_1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1
        ),
        AdapterName=BindParameters.AdapterName,
        MediumArray=(NDIS_MEDIUM.NdisMedium802_3,),
        MediumArraySize=1,
    )
    status, handle = NdisOpenAdapterEx(Driver, Binding, parameters, BindContext)
    if handle is not None:
        Binding.Handle = handle
        status = RespAllocate(Binding)
    if status != NDIS_STATUS_SUCCESS:
        RespFree(Binding)
    return status


def RespAllocate(Binding: BINDING) -> NDIS_STATUS:
    """The pool, the timer, the work item and the address of a binding."""
    pool = NdisAllocateNetBufferListPool(
        Binding.Handle,
        NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_DEFAULT,
                NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
            ),
            fAllocateNetBuffer=True,
            PoolTag=TAG,
            DataSize=MAXIMUM_FRAME,
        ),
    )
    if pool is not None:
        Binding.Answers = pool
    _, timer = NdisAllocateTimerObject(
        Binding.Handle,
        NDIS_TIMER_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_TIMER_CHARACTERISTICS,
                NDIS_TIMER_CHARACTERISTICS_REVISION_1,
                NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1,
            ),
            AllocationTag=TAG,
            TimerFunction=RespTimer,
            FunctionContext=Binding,
        ),
    )
    if timer is not None:
        Binding.Timer = timer
    work_item = IoAllocateWorkItem(Device) if Device is not None else None
    if work_item is not None:
        Binding.WorkItem = work_item
    if pool is None or timer is None or work_item is None:
        return NDIS_STATUS_RESOURCES
    return RespReadAddress(Binding)


def RespReadAddress(Binding: BINDING) -> NDIS_STATUS:
    """IpAddress of the registry, else the one behind the host's own, its Address; AgingInterval is in milliseconds."""
    status, configuration = NdisOpenConfigurationEx(
        NDIS_CONFIGURATION_OBJECT(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT,
                NDIS_CONFIGURATION_OBJECT_REVISION_1,
                NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1,
            ),
            NdisHandle=Binding.Handle,
        )
    )
    if configuration is None:
        return status
    text, distance = "", 0
    for keyword, beyond in (("IpAddress", 0), ("Address", 1)):
        _, parameter = NdisReadConfiguration(configuration, keyword, NDIS_PARAMETER_TYPE.NdisParameterString)
        if parameter is not None and not text:
            text, distance = parameter.ParameterData.StringData, beyond
    integer = NDIS_PARAMETER_TYPE.NdisParameterInteger
    _, parameter = NdisReadConfiguration(configuration, "AgingInterval", integer)
    interval = parameter.ParameterData.IntegerData if parameter is not None else 0
    Binding.AgingMs = interval if 0 < interval < 1 << 31 else AGING_MS
    NdisCloseConfiguration(configuration)
    parts = text.partition("/")[0].split(".")
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        DbgPrint("no IPv4 address: neither IpAddress nor Address of the registry holds one ('%s')", text)
        return NDIS_STATUS_FAILURE
    number = int.from_bytes(bytes(int(part) for part in parts), "big") + distance
    Binding.Address = (number & 0xFFFF_FFFF).to_bytes(4, "big")
    DbgPrint("answers for %d.%d.%d.%d", *Binding.Address)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_UNBIND_ADAPTER_EX
def RespUnbind(UnbindContext: BindContext, Binding: BINDING) -> NDIS_STATUS:
    """Say what was done, and give everything back."""
    counts = (Binding.ArpAnswered, Binding.EchoAnswered, Binding.Refused, Binding.Learned, Binding.Aged)
    DbgPrint("%d ARP and %d echo requests answered, %d refused, %d neighbours learned, %d aged", *counts)
    RespFree(Binding)
    return NDIS_STATUS_SUCCESS


def RespFree(Binding: BINDING) -> None:
    """Give back what a binding has, as far as it came."""
    if Binding.Handle:
        NdisCloseAdapterEx(Binding.Handle)
    if Binding.WorkItem:
        IoFreeWorkItem(Binding.WorkItem)
    if Binding.Timer:
        NdisFreeTimerObject(Binding.Timer)
    if Binding.Answers:
        NdisFreeNetBufferListPool(Binding.Answers)
    NdisFreeSpinLock(Binding.Lock)
    NdisFreeMemory(Binding, 0, 0)


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def RespOpenComplete(Binding: BINDING, Status: NDIS_STATUS) -> None:
    """NdisOpenAdapterEx never pends here."""


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def RespCloseComplete(Binding: BINDING) -> None:
    """NdisCloseAdapterEx never pends here."""


@DRIVER_UNLOAD
def RespUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back and delete the device."""
    if Driver is not None:
        NdisDeregisterProtocolDriver(Driver)
    if Device is not None:
        IoDeleteDevice(Device)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Create the device object that the work items need, and register the protocol."""
    global Driver, Device
    DriverObject.DriverUnload = RespUnload
    status, Device = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False)
    if Device is None:
        return status
    status, Driver = NdisRegisterProtocolDriver(
        None,
        NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS,
                NDIS_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
                NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
            ),
            MajorNdisVersion=NDIS_PROTOCOL_MAJOR_VERSION,
            MinorNdisVersion=NDIS_PROTOCOL_MINOR_VERSION,
            Name="RESPONDER",
            BindAdapterHandlerEx=RespBind,
            UnbindAdapterHandlerEx=RespUnbind,
            OpenAdapterCompleteHandlerEx=RespOpenComplete,
            CloseAdapterCompleteHandlerEx=RespCloseComplete,
            NetPnPEventHandler=RespNetPnPEvent,
            OidRequestCompleteHandler=RespOidRequestComplete,
            StatusHandlerEx=RespStatus,
            ReceiveNetBufferListsHandler=RespReceive,
            SendNetBufferListsCompleteHandler=RespSendComplete,
        ),
    )
    if Driver is None:
        IoDeleteDevice(Device)
    return status
