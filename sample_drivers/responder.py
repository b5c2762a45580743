"""responder: a protocol driver that answers ARP, neighbour discovery, and ICMP and UDP echo, for IPv4 and IPv6.

Law: a received frame is only read, and returned before its handler returns; every answer has memory of its own. The
neighbours, and what is counted, lie in the binding's nonpaged memory and are touched under its lock alone: learned at
DISPATCH_LEVEL, aged by a work item at PASSIVE_LEVEL that a timer queues. What a frame says is responder_packets.py's.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis import *
from sample_drivers.receive_scale import *
from sample_drivers.responder_packets import *

TAG: Final = int.from_bytes(b"pseR", "little")
NEIGHBOURS: Final = 256
AGE_MS: Final = 60_000
AGING_MS: Final = 1000
"""How often the table is aged, unless the registry's AgingInterval says otherwise."""

Driver: ProtocolDriverHandle | None = None
Device: DEVICE_OBJECT | None = None


class NEIGHBOUR(NONPAGED):
    """One machine of the network, an IPv4 address mapped; Seen is when it was learned, in milliseconds of up time."""

    Used: ULONG
    Seen: ULONG64
    Address: Bytes[Literal[16]]
    Hardware: Bytes[Literal[6]]


class BINDING(NONPAGED):
    """One adapter.  References is 1 while it runs, and 1 more for each answer and work item that is on its way."""

    Handle: BindingHandle
    Answers: NetBufferListPoolHandle
    Timer: TimerHandle
    WorkItem: PIO_WORKITEM
    AgingQueued: LONG
    References: LONG
    Running: ULONG
    AgingMs: ULONG
    Status: INT
    Done: NDIS_EVENT
    Hardware: Bytes[Literal[6]]
    Ipv4: Bytes[Literal[4]]
    LinkLocal: Bytes[Literal[16]]
    Global: Bytes[Literal[16]]
    Lock: NDIS_SPIN_LOCK
    Neighbours: Array[NEIGHBOUR, Literal[256]]
    Learned: ULONG64
    Aged: ULONG64
    ArpAnswered: ULONG64
    SolicitationsAnswered: ULONG64
    EchoAnswered: ULONG64
    UdpAnswered: ULONG64
    Refused: ULONG64


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def RespReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Read every frame of a chain, send the answers as one chain, and return what was received."""
    first = last = None
    station = RespStation(Binding)
    received: NET_BUFFER_LIST | None = NetBufferLists
    while received is not None:
        answer = RespAnswer(Binding, received.FirstNetBuffer, station)
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


def RespStation(Binding: BINDING) -> STATION:
    """Who is answered for; addresses of zeros are none."""
    ipv4, beyond = Binding.Ipv4, Binding.Global
    return STATION(Binding.Hardware, ipv4 if any(ipv4) else b"", Binding.LinkLocal, beyond if any(beyond) else b"")


def RespAnswer(Binding: BINDING, Frame: NET_BUFFER | None, Station: STATION) -> NET_BUFFER_LIST | None:
    """The answer to a frame; None where there is nothing to say."""
    size = Frame.DataLength if Frame is not None else 0
    data = NdisGetDataBuffer(Frame, size, bytearray(size), 1, 0) if Frame and 0 < size <= MAXIMUM_FRAME else None
    found = RespParse(data, Station) if data is not None else REFUSED
    if found is None:
        return None
    answer, out = RespFrame(Binding, len(found.Frame)) if found.Frame is not None else (None, None)
    if found.Frame is not None and out is None:
        found = found._replace(Counter="")
    hardware = RespNote(Binding, found)
    if found.Frame is not None and out is not None:
        out[:] = found.Frame
        if hardware is not None:
            out[:6] = hardware
    return answer


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


def RespNote(Binding: BINDING, Found: ANSWER) -> bytes | None:
    """Learn, count and look up under one hold of the lock, since several processors may receive at once.

    A neighbour has the place that its address gives it; who had it before is forgotten.
    """
    peer, hardware = Found.Peer, None
    place = (peer[-1] if peer.startswith(IPV4_MAPPED) else sum(peer)) % NEIGHBOURS
    now = NdisGetSystemUpTimeEx() if Found.Learned else 0
    NdisAcquireSpinLock(Binding.Lock)
    if Found.Counter:
        setattr(Binding, Found.Counter, getattr(Binding, Found.Counter) + 1)
    if peer:
        neighbour = Binding.Neighbours[place]
        known = neighbour.Used and neighbour.Address == peer
        if Found.Learned:
            Binding.Learned += 0 if known else 1
            neighbour.Address, neighbour.Hardware, neighbour.Seen, neighbour.Used = peer, Found.Learned, now, 1
        elif known:
            hardware = neighbour.Hardware
    NdisReleaseSpinLock(Binding.Lock)
    return hardware


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
    """Restart: set the timer, join groups, open the filter.  Pause: cancel it, wait for answers and work item."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        InterlockedExchange(Binding.References, 1)
        Binding.Running = 1
        NdisSetTimerObject(Binding.Timer, -Binding.AgingMs * 10_000, Binding.AgingMs, None)
        status = RespSet(Binding, OID_802_3_MULTICAST_LIST, RespGroups(RespStation(Binding)))
        if status != NDIS_STATUS_SUCCESS:
            return status
        kinds = NDIS_PACKET_TYPE_DIRECTED | NDIS_PACKET_TYPE_MULTICAST | NDIS_PACKET_TYPE_BROADCAST
        return RespSet(Binding, OID_GEN_CURRENT_PACKET_FILTER, kinds.to_bytes(4, "little"))
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        NdisCancelTimerObject(Binding.Timer)
        NdisResetEvent(Binding.Done)
        Binding.Running = 0
        RespDereference(Binding, 1)
        NdisWaitEvent(Binding.Done, 0)
    return NDIS_STATUS_SUCCESS


def RespSet(Binding: BINDING, Oid: int, Data: bytes) -> NDIS_STATUS:
    """Set an OID and wait for the answer, which may come from another context."""
    buffer = NdisAllocateMemoryWithTagPriority(Binding.Handle, len(Data), TAG, NormalPoolPriority)
    if buffer is None:
        return NDIS_STATUS_RESOURCES
    buffer[0 : len(Data)] = Data
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    header, given = request.Header, request.DATA.SET_INFORMATION
    header.Type, header.Revision = NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1
    header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    given.Oid, given.InformationBuffer, given.InformationBufferLength = Oid, buffer, len(Data)
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
    """Wake RespSet."""
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
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(Binding.Done, 0)
        status = NDIS_STATUS(Binding.Status)
    if handle is not None and status == NDIS_STATUS_SUCCESS:
        Binding.Handle = handle
        status = RespAllocate(Binding)
        if status == NDIS_STATUS_SUCCESS:
            RespScale(Binding, BindParameters.RcvScaleCapabilities)
    if status != NDIS_STATUS_SUCCESS:
        RespFree(Binding)
    return status


def RespScale(Binding: BINDING, Capabilities: NDIS_RECEIVE_SCALE_CAPABILITIES | None) -> None:
    """Let all processors receive where the adapter has several queues; nothing depends on its being done."""
    if Capabilities is not None and Capabilities.NumberOfReceiveQueues > 1:
        _, _, size = NdisGetRssProcessorInformation(Binding.Handle, 0)
        _, found, _ = NdisGetRssProcessorInformation(Binding.Handle, size)
        if found is not None:
            processors = [each.ProcNum for each in found.RssProcessors]
            status = RespSet(Binding, OID_GEN_RECEIVE_SCALE_PARAMETERS, ScaleParameters(Capabilities, processors))
            DbgPrint("receive side scaling over %d processors: %08x", len(processors), status & 0xFFFF_FFFF)


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
    return RespReadAddresses(Binding)


def RespReadAddresses(Binding: BINDING) -> NDIS_STATUS:
    """IpAddress and Ipv6Address of the registry, else those behind the host's own, its Address; and AgingInterval."""
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
    texts = []
    for keyword in ("IpAddress", "Ipv6Address", "Address"):
        _, parameter = NdisReadConfiguration(configuration, keyword, NDIS_PARAMETER_TYPE.NdisParameterString)
        texts.append(parameter.ParameterData.StringData if parameter is not None else "")
    integer = NDIS_PARAMETER_TYPE.NdisParameterInteger
    _, parameter = NdisReadConfiguration(configuration, "AgingInterval", integer)
    interval = parameter.ParameterData.IntegerData if parameter is not None else 0
    Binding.AgingMs = interval if 0 < interval < 1 << 31 else AGING_MS
    NdisCloseConfiguration(configuration)
    ipv4, ipv6, host = texts
    try:
        station = STATION(b"", RespAddress(4, ipv4, host), RespLinkLocal(Binding.Hardware), RespAddress(6, ipv6, host))
    except ValueError as error:
        DbgPrint("IpAddress, Ipv6Address or Address of the registry: %s", str(error))
        return NDIS_STATUS_FAILURE
    if not station.Ipv4 and not station.Global:
        DbgPrint("no address: none of IpAddress, Ipv6Address and Address of the registry holds one")
        return NDIS_STATUS_FAILURE
    Binding.Ipv4, Binding.LinkLocal = station.Ipv4 or Binding.Ipv4, station.LinkLocal
    Binding.Global = station.Global or Binding.Global
    DbgPrint("answers for %s", RespInWords(station))
    return NDIS_STATUS_SUCCESS


@PROTOCOL_UNBIND_ADAPTER_EX
def RespUnbind(UnbindContext: BindContext, Binding: BINDING) -> NDIS_STATUS:
    """Say what was done, and give everything back."""
    answered = (Binding.ArpAnswered, Binding.SolicitationsAnswered, Binding.EchoAnswered, Binding.UdpAnswered)
    DbgPrint("answered: %d ARP requests, %d neighbour solicitations, %d ICMP and %d UDP echoes", *answered)
    DbgPrint("%d refused, %d neighbours learned, %d aged", Binding.Refused, Binding.Learned, Binding.Aged)
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
    """Wake RespBind."""
    Binding.Status = Status
    NdisSetEvent(Binding.Done)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def RespCloseComplete(Binding: BINDING) -> None:
    """Nothing of ours is on its way when we close."""


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
