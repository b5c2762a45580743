"""What bridge knows of a port: numbers, the structures that it fills, and the steps that need nothing of its handlers.

Law: as in a header file, nothing here keeps state and nothing is called by NDIS; the handlers are in bridge.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *
from sample_drivers.bridge_offload import *

if TYPE_CHECKING:
    from sample_drivers.bridge import PORT

BRIDGE_TAG: Final = int.from_bytes(b"gdrB", "little")
BRIDGE_ADDRESSES: Final = 12
BRIDGE_CARRIERS: Final = 512
BRIDGE_STATIONS: Final = 4096
BRIDGE_AGEING_TIME: Final = 300
BRIDGE_SWEEPS: Final = 10
"""How often the stations are looked at while one of them ages."""
BRIDGE_ADDRESS: Final = 0xFFFF_FFFF_FFFF
BRIDGE_STATION: Final = 0xFF_FFFF_FFFF_FFFF
BRIDGE_PORT_SHIFT: Final = 48
BRIDGE_AGE_SHIFT: Final = 56
BRIDGE_GROUP: Final = 1 << 40
BRIDGE_RESERVED: Final = 0x0180_C200_0000
"""The first of sixteen group addresses that no bridge forwards."""
BRIDGE_DRIVER_HEADER: Final = NDIS_OBJECT_HEADER(
    NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS,
    NDIS_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
    NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
)


def BridgeOpen(Port: PORT, Driver: ProtocolDriverHandle, AdapterName: str, BindContext: BindContext) -> NDIS_STATUS:
    """Open an adapter by the name that the bind parameters give, for Ethernet, and wait where that pends."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_OPEN_PARAMETERS, NDIS_OPEN_PARAMETERS_REVISION_1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1
    )
    parameters = NDIS_OPEN_PARAMETERS(
        Header=header, AdapterName=AdapterName, MediumArray=(NDIS_MEDIUM.NdisMedium802_3,), MediumArraySize=1
    )
    status, handle = NdisOpenAdapterEx(Driver, Port, parameters, BindContext)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(Port.Done, 0)
        status = NDIS_STATUS(Port.Status)
    if handle is not None and status == NDIS_STATUS_SUCCESS:
        Port.Handle = handle
    return status


def BridgeTimerCharacteristics(Port: PORT, TimerFunction: Any) -> NDIS_TIMER_CHARACTERISTICS:
    """A timer of the port."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_TIMER_CHARACTERISTICS,
        NDIS_TIMER_CHARACTERISTICS_REVISION_1,
        NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1,
    )
    return NDIS_TIMER_CHARACTERISTICS(
        Header=header, AllocationTag=BRIDGE_TAG, TimerFunction=TimerFunction, FunctionContext=Port
    )


def BridgeAllocate(Port: PORT, TimerFunction: Any, Device: DEVICE_OBJECT) -> NDIS_STATUS:
    """What a port needs beside its binding: lists, timer, work item; what was made is given back by BridgeFree."""
    pool, copies = BridgePool(Port, 0), BridgePool(Port, BRIDGE_MAXIMUM_FRAME)
    _, timer = NdisAllocateTimerObject(Port.Handle, BridgeTimerCharacteristics(Port, TimerFunction))
    work_item = IoAllocateWorkItem(Device)
    for name, made in (("Pool", pool), ("Copies", copies), ("Timer", timer), ("WorkItem", work_item)):
        if made is not None:
            setattr(Port, name, made)
    if pool is None or copies is None or timer is None or work_item is None:
        return NDIS_STATUS_RESOURCES
    for place in range(BRIDGE_CARRIERS):
        carrier = NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, None, 0, 0)
        if carrier is None:
            return NDIS_STATUS_RESOURCES
        carrier.SourceHandle = Port.Handle
        Port.Carriers[place] = carrier
        Port.Free = place + 1
    Port.SweepMs = BridgeReadAgeingTime(Port) * 1000 // BRIDGE_SWEEPS
    return NDIS_STATUS_SUCCESS


def BridgeFree(Port: PORT) -> None:
    """Give back what a port has, as far as it came."""
    if Port.Handle:
        NdisCloseAdapterEx(Port.Handle)
    if Port.WorkItem:
        IoFreeWorkItem(Port.WorkItem)
    if Port.Timer:
        NdisFreeTimerObject(Port.Timer)
    for carrier in Port.Carriers[: Port.Free]:
        NdisFreeNetBufferList(carrier)
    for pool in (Port.Pool, Port.Copies):
        if pool:
            NdisFreeNetBufferListPool(pool)
    NdisFreeMemory(Port, 0, 0)


def BridgePool(Port: PORT, DataSize: int) -> NetBufferListPoolHandle | None:
    """A pool of lists with one NET_BUFFER each."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
    )
    parameters = NET_BUFFER_LIST_POOL_PARAMETERS(
        Header=header, fAllocateNetBuffer=True, PoolTag=BRIDGE_TAG, DataSize=DataSize
    )
    return NdisAllocateNetBufferListPool(Port.Handle, parameters)


def BridgeReadAgeingTime(Port: PORT) -> int:
    """AgeingTime of the registry, in seconds."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT,
        NDIS_CONFIGURATION_OBJECT_REVISION_1,
        NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1,
    )
    _, configuration = NdisOpenConfigurationEx(NDIS_CONFIGURATION_OBJECT(Header=header, NdisHandle=Port.Handle))
    if configuration is None:
        return BRIDGE_AGEING_TIME
    _, found = NdisReadConfiguration(configuration, "AgeingTime", NDIS_PARAMETER_TYPE.NdisParameterInteger)
    NdisCloseConfiguration(configuration)
    seconds = found.ParameterData.IntegerData if found is not None else 0
    return seconds if 0 < seconds <= 1_000_000 else BRIDGE_AGEING_TIME


def BridgeSet(Port: PORT, Oid: int, Data: bytes) -> NDIS_STATUS:
    """Set something and wait for the answer, which may come from another context."""
    buffer = NdisAllocateMemoryWithTagPriority(Port.Handle, len(Data), BRIDGE_TAG, NormalPoolPriority)
    if buffer is None:
        return NDIS_STATUS_RESOURCES
    buffer[0 : len(Data)] = Data
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    header, given = request.Header, request.DATA.SET_INFORMATION
    header.Type, header.Revision = NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1
    header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    given.Oid, given.InformationBuffer, given.InformationBufferLength = Oid, buffer, len(Data)
    NdisResetEvent(Port.Done)
    status = NdisOidRequest(Port.Handle, request)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(Port.Done, 0)
        status = NDIS_STATUS(Port.Status)
    NdisFreeMemory(request, 0, 0)
    NdisFreeMemory(buffer, 0, 0)
    return status


def BridgeCopy(Target: PORT, Frame: Any) -> list[Any]:
    """Lists with memory of their own and the frame's bytes, several where it has to be cut; none without memory."""
    frame = Frame.FirstNetBuffer
    if frame.DataLength > BRIDGE_MAXIMUM_FRAME:
        whole = BridgeCopyWhole(Target, frame, BridgeSegments(Frame)) if Target.Cuts else None
        return [whole] if whole is not None else BridgeCopyCut(Target, frame, BridgeSegments(Frame))
    copy = BridgeList(Target, frame.DataLength)
    if copy is None:
        return []
    NdisCopyFromNetBufferToNetBuffer(copy.FirstNetBuffer, 0, frame.DataLength, frame, 0)
    return [copy]


def BridgeCopyWhole(Target: PORT, Frame: Any, Segments: int) -> Any:
    """A list with a large frame that the port's adapter cuts, in one piece; None without memory, or if it cannot."""
    length = Frame.DataLength
    memory = NdisAllocateMemoryWithTagPriority(Target.Handle, length, BRIDGE_TAG, NormalPoolPriority)
    mdl = NdisAllocateMdl(Target.Handle, memory, length) if memory is not None else None
    nbl: Any = NdisAllocateNetBufferAndNetBufferList(Target.Pool, 0, 0, mdl, 0, length) if mdl is not None else None
    if nbl is not None:
        nbl.SourceHandle, nbl.ProtocolReserved[2] = Target.Handle, memory
        NdisCopyFromNetBufferToNetBuffer(nbl.FirstNetBuffer, 0, length, Frame, 0)
        layout = BridgeLayout(nbl.FirstNetBuffer, Segments)
        if layout is not None:
            BridgeMark(nbl, layout)
            return nbl
        NdisFreeNetBufferList(nbl)
    if mdl is not None:
        NdisFreeMdl(mdl)
    if memory is not None:
        NdisFreeMemory(memory, 0, 0)
    return None


def BridgeCopyCut(Target: PORT, Frame: Any, Segments: int) -> list[Any]:
    """The frames that a large one is cut into, as lists."""
    whole = NdisGetDataBuffer(Frame, Frame.DataLength, bytearray(Frame.DataLength), 1, 0)
    pieces = BridgeCut(bytes(whole), Segments) if whole is not None else []
    lists = [BridgeList(Target, len(piece)) for piece in pieces]
    for nbl, piece in zip(lists, pieces, strict=True):
        if nbl is not None:
            nbl.FirstNetBuffer.CurrentMdl.MappedSystemVa[: len(piece)] = piece
    return [nbl for nbl in lists if nbl is not None]


def BridgeFreeCopy(Copy: Any) -> None:
    """Free a list of BridgeCopy with its memory."""
    memory, mdl = Copy.ProtocolReserved[2], Copy.FirstNetBuffer.MdlChain
    NdisFreeNetBufferList(Copy)
    if memory is not None:
        NdisFreeMdl(mdl)
        NdisFreeMemory(memory, 0, 0)


def BridgeLoadCarrier(Source: PORT, Carrier: Any, Received: Any, Layout: Any) -> None:
    """Let a carrier describe a frame on the frame's own memory, large where it has a layout; remember whose it is."""
    buffer, frame = Carrier.FirstNetBuffer, Received.FirstNetBuffer
    buffer.MdlChain = buffer.CurrentMdl = frame.CurrentMdl
    buffer.DataOffset = buffer.CurrentMdlOffset = frame.CurrentMdlOffset
    buffer.DataLength = frame.DataLength
    Received.Next = None
    reserved = Carrier.ProtocolReserved
    reserved[0], reserved[1] = Received, Source
    if Layout is not None:
        BridgeMark(Carrier, Layout)


def BridgeUnloadCarrier(Target: PORT, Carrier: Any) -> None:
    """Let it forget the frame: the memory's adapter may be gone before this port uses the carrier again."""
    buffer, reserved = Carrier.FirstNetBuffer, Carrier.ProtocolReserved
    buffer.MdlChain = buffer.CurrentMdl = Carrier.Next = reserved[0] = reserved[1] = None
    if Target.Cuts:
        Carrier.NetBufferListInfo[TcpLargeSendNetBufferListInfo] = 0


def BridgeList(Target: PORT, Length: int) -> Any:
    """A list with room for so many bytes; None without memory, or for more than a frame has."""
    nbl = NdisAllocateNetBufferList(Target.Copies, 0, 0) if Length <= BRIDGE_MAXIMUM_FRAME else None
    if nbl is not None and nbl.FirstNetBuffer is not None:
        nbl.FirstNetBuffer.DataLength = Length
        nbl.SourceHandle = Target.Handle
    return nbl


def BridgeLists(First: NET_BUFFER_LIST) -> list[Any]:
    """The lists of a chain."""
    lists: list[Any] = []
    nbl: Any = First
    while nbl is not None:
        lists.append(nbl)
        nbl = nbl.Next
    return lists


def BridgeLink(Lists: list[Any]) -> NET_BUFFER_LIST:
    """One chain of lists, in their order."""
    last: Any = None
    for nbl in reversed(Lists):
        nbl.Next, last = last, nbl
    first: NET_BUFFER_LIST = last
    return first


def BridgeDereference(Port: PORT, Count: int) -> None:
    """Give references back; the last one says that a pause may go on."""
    if InterlockedExchangeAdd(Port.References, -Count) == Count:
        NdisSetEvent(Port.Done)
