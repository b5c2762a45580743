"""What netvmini knows of its adapter: numbers, the structures that it fills, and all that takes no call of NDIS.

Law: as in a header file, nothing here calls the DDI and nothing keeps state; the handlers are in netvmini.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.ndis import *
from sample_drivers.netvmini_offload import *
from sample_drivers.netvmini_rss import *
from vnic.device import *

if TYPE_CHECKING:
    from sample_drivers.netvmini import ADAPTER, COUNTERS, QUEUE

NIC_TAG: Final = int.from_bytes(b"VMin", "little")
NIC_DRIVER_HEADER: Final = NDIS_OBJECT_HEADER(
    NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
    NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
    NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
)
NIC_RECEIVE_BUFFERS: Final = 512
NIC_FEW_BUFFERS: Final = 64
"""With fewer buffers in the hardware's hands received frames are only lent."""
NIC_TRANSMIT_ENTRIES: Final = 512
NIC_RING_ENTRIES: Final = 512
"""Of a ring of references: as many as the larger of the hardware's rings."""
NIC_RING_MASK: Final = NIC_RING_ENTRIES - 1
NIC_MULTICAST_LIST: Final = 32
NIC_SLOT_SHIFT: Final = VNIC_RECEIVE_SLOT.bit_length() - 1
NIC_BUDGET: Final = 192
"""Frames that are indicated at once."""
NIC_QUEUE_BUDGET: Final = 128
"""The same for one of several queues."""
NIC_DPC_ROUNDS: Final = 2048
"""Full rounds after which a DPC that finds no end goes on in a work item, unless the registry's FramesPerDpc says when;
each hand-over moves every list to it."""
NIC_WORK_ITEM_ROUNDS: Final = 16
NIC_INTERRUPTS: Final = VNIC_INTERRUPT_RECEIVE | VNIC_INTERRUPT_TRANSMIT | VNIC_INTERRUPT_LINK
"""Not REMOVED, which nothing could clear: PnP tells of it."""
NIC_RECOGNIZED: Final = IsrResult(True, True, 0)
"""What an interrupt service routine says: it was ours, and its DPC shall run on this processor."""
NIC_RESET_POLLS: Final = 1000
NIC_HANG_SECONDS: Final = 8
"""A wire whose other end is slow is no reason for a reset; one that takes nothing for so long is."""
NIC_RESET_INTERVAL: Final = -10_000
"""A millisecond, between two looks whether a reset is over."""
NIC_MTU: Final = 1500
NIC_HEADER: Final = 14
NIC_MAXIMUM_FRAME: Final = NIC_MTU + NIC_HEADER
NIC_MINIMUM_FRAME: Final = 60
NIC_BROADCAST: Final = 0xFFFF_FFFF_FFFF
"""Addresses are compared as numbers, the first byte lowest."""
NIC_GROUP_BIT: Final = 1
NIC_NOBODY: Final = -1
NIC_FILTERS: Final = (
    NDIS_PACKET_TYPE_DIRECTED
    | NDIS_PACKET_TYPE_MULTICAST
    | NDIS_PACKET_TYPE_ALL_MULTICAST
    | NDIS_PACKET_TYPE_BROADCAST
    | NDIS_PACKET_TYPE_PROMISCUOUS
)
NIC_EVERY_STATISTIC: Final = 0x3F_87FF
"""All of NDIS_STATISTICS_FLAGS_VALID_."""
# fmt: off
NIC_NUMBERS: Final = (
    (OID_GEN_MAXIMUM_TOTAL_SIZE, NIC_MAXIMUM_FRAME),
    (OID_GEN_RECEIVE_BLOCK_SIZE, VNIC_RECEIVE_SLOT),
    (OID_GEN_RECEIVE_BUFFER_SPACE, VNIC_RECEIVE_SLOT * NIC_RECEIVE_BUFFERS),
    (OID_GEN_TRANSMIT_BLOCK_SIZE, NIC_MAXIMUM_FRAME),
    (OID_GEN_TRANSMIT_BUFFER_SPACE, NIC_MAXIMUM_FRAME * NIC_TRANSMIT_ENTRIES),
    (OID_GEN_VENDOR_DRIVER_VERSION, 0x0001_0000),
    (OID_GEN_VENDOR_ID, 0xFF_FFFF),
    (OID_802_3_MAXIMUM_LIST_SIZE, NIC_MULTICAST_LIST),
)
NIC_OIDS: Final = (
    *(oid for oid, _ in NIC_NUMBERS),
    OID_GEN_STATISTICS, OID_GEN_RCV_OK, OID_GEN_XMIT_OK, OID_GEN_VENDOR_DESCRIPTION,
    OID_802_3_PERMANENT_ADDRESS, OID_802_3_CURRENT_ADDRESS, OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_PACKET_FILTER, OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_INTERRUPT_MODERATION, OID_GEN_LINK_PARAMETERS, OID_PNP_SET_POWER,
)
NIC_OFFLOAD_OIDS: Final = (OID_TCP_OFFLOAD_PARAMETERS, OID_OFFLOAD_ENCAPSULATION)
# fmt: on


class NIC_TOTALS(NamedTuple):
    """The members of COUNTERS, of several queues."""

    Frames: int
    Octets: int
    MulticastFrames: int
    MulticastOctets: int
    BroadcastFrames: int
    BroadcastOctets: int
    Discards: int


def NICRegistrationAttributes(Adapter: ADAPTER) -> NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES:
    """A bus-mastering PCI adapter that survives its own removal, and need not be halted when it goes to sleep."""
    return NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
            NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
        ),
        MiniportAdapterContext=Adapter,
        AttributeFlags=NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE
        | NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER
        | NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK
        | NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND,
        CheckForHangTimeInSeconds=NIC_HANG_SECONDS,
        InterfaceType=NDIS_INTERFACE_TYPE.NdisInterfacePci,
    )


def NICGeneralAttributes(Adapter: ADAPTER, Link: NDIS_LINK_STATE) -> NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES:
    """Ethernet, with the link as it is now."""
    oids = NIC_OIDS + NIC_OFFLOAD_OIDS if Adapter.Offloads else NIC_OIDS
    oids = oids + NIC_SCALING_OIDS if Adapter.QueueCount > 1 else oids
    return NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
            NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
            NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
        ),
        MediaType=NDIS_MEDIUM.NdisMedium802_3,
        PhysicalMediumType=NDIS_PHYSICAL_MEDIUM.NdisPhysicalMedium802_3,
        MtuSize=NIC_MTU,
        LookaheadSize=NIC_MTU,
        MaxXmitLinkSpeed=Link.XmitLinkSpeed,
        XmitLinkSpeed=Link.XmitLinkSpeed,
        MaxRcvLinkSpeed=Link.RcvLinkSpeed,
        RcvLinkSpeed=Link.RcvLinkSpeed,
        MediaConnectState=Link.MediaConnectState,
        MediaDuplexState=Link.MediaDuplexState,
        MacOptions=NDIS_MAC_OPTION_TRANSFERS_NOT_PEND | NDIS_MAC_OPTION_NO_LOOPBACK,
        SupportedPacketFilters=NIC_FILTERS,
        MaxMulticastListSize=NIC_MULTICAST_LIST,
        MacAddressLength=ETH_LENGTH_OF_ADDRESS,
        PermanentMacAddress=Adapter.PermanentAddress,
        CurrentMacAddress=Adapter.CurrentAddress,
        RecvScaleCapabilities=NICScalingCapabilities(Adapter),
        AccessType=NET_IF_ACCESS_TYPE.NET_IF_ACCESS_BROADCAST,
        ConnectionType=NET_IF_CONNECTION_TYPE.NET_IF_CONNECTION_DEDICATED,
        IfType=IF_TYPE_ETHERNET_CSMACD,
        IfConnectorPresent=True,
        SupportedStatistics=NDIS_STATISTICS_GEN_STATISTICS_SUPPORTED,
        SupportedOidList=oids,
        SupportedOidListLength=len(oids) * 4,
    )


def NICInterruptCharacteristics(
    Adapter: ADAPTER, Isr: Any, Dpc: Any, MessageIsr: Any, MessageDpc: Any
) -> NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS:
    """A line interrupt; messages for several queues."""
    return NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
            NDIS_MINIPORT_INTERRUPT_REVISION_1,
            NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
        ),
        InterruptHandler=Isr,
        InterruptDpcHandler=Dpc,
        MsiSupported=Adapter.QueueCount > 1,
        MessageInterruptHandler=MessageIsr,
        MessageInterruptDpcHandler=MessageDpc,
    )


def NICLetThrough(Adapter: ADAPTER, Interrupts: int) -> None:
    """Let these interrupts of all queues through, or none."""
    for number in range(Adapter.QueueCount):
        VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, Interrupts, number)


def NICTimerCharacteristics(Adapter: ADAPTER, Function: Any) -> NDIS_TIMER_CHARACTERISTICS:
    """A timer of the adapter's."""
    return NDIS_TIMER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_TIMER_CHARACTERISTICS,
            NDIS_TIMER_CHARACTERISTICS_REVISION_1,
            NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1,
        ),
        AllocationTag=NIC_TAG,
        TimerFunction=Function,
        FunctionContext=Adapter,
    )


def NICPoolParameters() -> NET_BUFFER_LIST_POOL_PARAMETERS:
    """Lists with one NET_BUFFER each, on memory of the driver's own."""
    return NET_BUFFER_LIST_POOL_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT,
            NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
            NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
        ),
        fAllocateNetBuffer=True,
        PoolTag=NIC_TAG,
    )


def NICConfigurationObject(Adapter: ADAPTER) -> NDIS_CONFIGURATION_OBJECT:
    """The registry key of the adapter."""
    return NDIS_CONFIGURATION_OBJECT(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT,
            NDIS_CONFIGURATION_OBJECT_REVISION_1,
            NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1,
        ),
        NdisHandle=Adapter.Handle,
    )


def NICLinkIndication(Adapter: ADAPTER) -> NDIS_STATUS_INDICATION:
    """The status that tells of the link as it is now."""
    return NDIS_STATUS_INDICATION(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_STATUS_INDICATION,
            NDIS_STATUS_INDICATION_REVISION_1,
            NDIS_SIZEOF_STATUS_INDICATION_REVISION_1,
        ),
        SourceHandle=Adapter.Handle,
        StatusCode=NDIS_STATUS_LINK_STATE,
        StatusBuffer=NICLinkState(Adapter.Nic),
        StatusBufferSize=NDIS_SIZEOF_LINK_STATE_REVISION_1,
    )


def NICLinkState(Nic: Vnic) -> NDIS_LINK_STATE:
    """The link as the registers have it."""
    state = NDIS_LINK_STATE(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT, NDIS_LINK_STATE_REVISION_1, NDIS_SIZEOF_LINK_STATE_REVISION_1
        ),
        MediaConnectState=NDIS_MEDIA_CONNECT_STATE.MediaConnectStateDisconnected,
        XmitLinkSpeed=NDIS_LINK_SPEED_UNKNOWN,
        RcvLinkSpeed=NDIS_LINK_SPEED_UNKNOWN,
    )
    if VnicReadRegister(Nic, VNIC_REGISTER_LINK_STATE) == 1:
        state.MediaConnectState = NDIS_MEDIA_CONNECT_STATE.MediaConnectStateConnected
        state.MediaDuplexState = NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateFull
        state.XmitLinkSpeed = state.RcvLinkSpeed = VnicReadRegister(Nic, VNIC_REGISTER_LINK_SPEED) * 1_000_000
    return state


def NICWants(Adapter: ADAPTER, Queue: QUEUE, Destination: int, Length: int) -> bool:
    """Does the packet filter let a frame through that is not for the adapter's own address?"""
    packet_filter = Adapter.PacketFilter
    wanted = packet_filter & NDIS_PACKET_TYPE_PROMISCUOUS
    if Destination == NIC_BROADCAST:
        wanted |= packet_filter & NDIS_PACKET_TYPE_BROADCAST
    elif Destination & NIC_GROUP_BIT:
        wanted |= packet_filter & NDIS_PACKET_TYPE_ALL_MULTICAST
        if not wanted and packet_filter & NDIS_PACKET_TYPE_MULTICAST:
            group, groups = Destination.to_bytes(ETH_LENGTH_OF_ADDRESS, "little"), Adapter.MulticastList
            wanted |= any(groups[place * 6 : place * 6 + 6] == group for place in range(Adapter.MulticastCount))
    if wanted and Destination & NIC_GROUP_BIT:
        NICCountGroup(Queue.In, Destination == NIC_BROADCAST, Length)
    return bool(wanted)


def NICFilter(
    Adapter: ADAPTER, Queue: QUEUE, Own: int, Destinations: list[int], Lists: list[Any], Lengths: list[int]
) -> list[Any]:
    """Take the frames that the packet filter does not let through out of ``Lists`` and ``Lengths``; their lists."""
    if Adapter.PacketFilter & NDIS_PACKET_TYPE_PROMISCUOUS and not any([each & NIC_GROUP_BIT for each in Destinations]):
        return []
    unwanted = [
        place
        for place, destination in enumerate(Destinations)
        if destination != Own and not NICWants(Adapter, Queue, destination, Lengths[place])
    ]
    refused = [Lists[place] for place in unwanted]
    for place in reversed(unwanted):
        del Lists[place], Lengths[place]
    return refused


def NICCountGroup(Counters: COUNTERS, Broadcast: bool, Length: int) -> None:
    """Count a frame that is for more than one receiver."""
    if Broadcast:
        Counters.BroadcastFrames += 1
        Counters.BroadcastOctets += Length
    else:
        Counters.MulticastFrames += 1
        Counters.MulticastOctets += Length


def NICStore(Ring: Any, Put: int, Lists: list[Any]) -> None:
    """Store lists in a ring of references from the free-running index ``Put`` on."""
    start, count = Put & NIC_RING_MASK, len(Lists)
    if count == 1:
        Ring[start] = Lists[0]
        return
    end = start + count
    if end <= NIC_RING_ENTRIES:
        Ring[start:end] = Lists
    else:
        room = NIC_RING_ENTRIES - start
        Ring[start:], Ring[: end - NIC_RING_ENTRIES] = Lists[:room], Lists[room:]


def NICTake(Ring: Any, Take: int, Count: int) -> list[Any]:
    """The references that lie in a ring from the free-running index ``Take`` on."""
    start = Take & NIC_RING_MASK
    if Count == 1:
        return [Ring[start]]
    lists: list[Any] = Ring[start : start + Count]
    return lists if len(lists) == Count else lists + Ring[: Count - len(lists)]


def NICTakeReceived(Queue: QUEUE, Count: int) -> list[Any]:
    """The lists of the oldest buffers that the hardware has: it fills them in the order in which they were posted."""
    take = Queue.BuffersTaken
    Queue.BuffersTaken = take + Count
    return NICTake(Queue.ReceiveNbls, take, Count)


def NICTakeTransmitted(Queue: QUEUE, Descriptors: int) -> list[Any]:
    """The lists that are done with the oldest descriptors, with SendLock held."""
    take = Queue.TransmitTake
    Queue.TransmitTake = take + Descriptors
    lists = NICTake(Queue.TransmitNbls, take, Descriptors)
    return [nbl for nbl in lists if nbl is not None] if None in lists else lists


def NICChainToList(Chain: Any) -> list[Any]:
    """The lists of a chain."""
    lists = []
    while Chain is not None:
        lists.append(Chain)
        Chain = Chain.Next
    return lists


def NICRefusal(Adapter: ADAPTER) -> NDIS_STATUS:
    """With which status a send is refused."""
    return NDIS_STATUS_RESET_IN_PROGRESS if Adapter.Resetting else NDIS_STATUS_PAUSED


def NICLetWait(Queue: QUEUE, First: Any, Last: Any, Buffer: Any) -> None:
    """Let these lists wait for room, the first from ``Buffer`` on, or none (None), with SendLock held."""
    Queue.SendHead, Queue.SendTail, Queue.SendBuffer = First, Last, Buffer
    Queue.SendsWait = First is not None


def NICTakeWaiting(Queue: QUEUE, CancelId: Any) -> list[Any]:
    """Take the waiting lists with this id, or all (None), out of the queue, except one that is partly on the wire.

    SendLock is held; the others keep their order.
    """
    kept: list[Any] = []
    taken: list[Any] = []
    nbl, buffer = Queue.SendHead, Queue.SendBuffer
    partly = nbl if nbl is not None and buffer is not nbl.FirstNetBuffer else None
    while nbl is not None:
        matches = nbl is not partly and CancelId in (None, NDIS_GET_NET_BUFFER_LIST_CANCEL_ID(nbl))
        (taken if matches else kept).append(nbl)
        nbl = nbl.Next
    for nbl, following in zip(kept, [*kept[1:], None], strict=False):  # an empty queue has neither
        nbl.Next = following
    first, last = (kept[0], kept[-1]) if kept else (None, None)
    NICLetWait(Queue, first, last, buffer if partly is not None else first and first.FirstNetBuffer)
    return taken


def NICHangs(Queue: QUEUE) -> bool:
    """Has the hardware finished nothing of what it had to send when this was asked last?"""
    take, waiting = Queue.TransmitTake, Queue.TransmitTake != Queue.TransmitPut
    hangs = waiting and Queue.HangWaiting and take == Queue.HangTake
    Queue.HangTake, Queue.HangWaiting = take, int(waiting)
    return bool(hangs)


def NICGiven(OidRequest: NDIS_OID_REQUEST) -> int:
    """How many bytes of its buffer a set request is read; 0 for any other."""
    given = OidRequest.DATA.SET_INFORMATION
    if OidRequest.RequestType != NDIS_REQUEST_TYPE.NdisRequestSetInformation:
        return 0
    length = NICSetLength(given.Oid, given.InformationBufferLength)
    return length if length <= given.InformationBufferLength else 0


def NICRequest(Adapter: ADAPTER, OidRequest: NDIS_OID_REQUEST, Given: bytes) -> tuple[NDIS_STATUS, bytes]:
    """Carry out an OID request with the bytes that it gives; what is to be put into its buffer."""
    kind = OidRequest.RequestType
    if kind == NDIS_REQUEST_TYPE.NdisRequestSetInformation:
        given = OidRequest.DATA.SET_INFORMATION
        given.BytesRead, given.BytesNeeded = 0, NICSetLength(given.Oid, given.InformationBufferLength)
        if given.InformationBufferLength < given.BytesNeeded:
            return NDIS_STATUS_INVALID_LENGTH, b""
        status = NICSet(Adapter, given.Oid, Given)
        given.BytesRead = len(Given) if status == NDIS_STATUS_SUCCESS else 0
        return status, b""
    if kind not in (NDIS_REQUEST_TYPE.NdisRequestQueryInformation, NDIS_REQUEST_TYPE.NdisRequestQueryStatistics):
        return NDIS_STATUS_NOT_SUPPORTED, b""
    query = OidRequest.DATA.QUERY_INFORMATION
    answer = NICQuery(Adapter, query.Oid)
    if answer is None:
        return NDIS_STATUS_NOT_SUPPORTED, b""
    query.BytesNeeded, query.BytesWritten = len(answer), 0
    if query.Oid in (OID_GEN_XMIT_OK, OID_GEN_RCV_OK) and 4 <= query.InformationBufferLength < len(answer):
        answer = answer[:4]
    if query.InformationBufferLength < len(answer):
        return NDIS_STATUS_BUFFER_TOO_SHORT, b""
    query.BytesWritten = len(answer)
    return NDIS_STATUS_SUCCESS, answer


def NICQuery(Adapter: ADAPTER, Oid: int) -> bytes | None:
    """The answer to a query; None for an OID that is not supported."""
    if Oid == OID_GEN_STATISTICS:
        return NICStatistics(Adapter).to_bytes()
    if Oid == OID_GEN_INTERRUPT_MODERATION:
        header = NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT,
            NDIS_INTERRUPT_MODERATION_PARAMETERS_REVISION_1,
            NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1,
        )
        moderation = NDIS_INTERRUPT_MODERATION.NdisInterruptModerationNotSupported
        return NDIS_INTERRUPT_MODERATION_PARAMETERS(Header=header, InterruptModeration=moderation).to_bytes()
    if Oid == OID_GEN_VENDOR_DESCRIPTION:
        return b"Virtual network adapter\0"
    if Oid in (OID_802_3_PERMANENT_ADDRESS, OID_802_3_CURRENT_ADDRESS):
        return Adapter.CurrentAddress if Oid == OID_802_3_CURRENT_ADDRESS else Adapter.PermanentAddress
    if Oid in (OID_GEN_XMIT_OK, OID_GEN_RCV_OK):
        received, sent = NICTotals(Adapter)
        return (sent if Oid == OID_GEN_XMIT_OK else received).Frames.to_bytes(8, "little")
    return next((value.to_bytes(4, "little") for oid, value in NIC_NUMBERS if oid == Oid), None)


def NICTotals(Adapter: ADAPTER) -> tuple[NIC_TOTALS, NIC_TOTALS]:
    """What all queues together have received, and sent."""
    queues = Adapter.Queues[: Adapter.QueueCount]
    return NICSum([Queue.In for Queue in queues]), NICSum([Queue.Out for Queue in queues])


def NICSum(Counters: list[COUNTERS]) -> NIC_TOTALS:
    """The sum of counters."""
    return NIC_TOTALS(*(sum(getattr(each, name) for each in Counters) for name in NIC_TOTALS._fields))


def NICStatistics(Adapter: ADAPTER) -> NDIS_STATISTICS_INFO:
    """What the driver and the hardware have counted."""
    nic, (received, sent) = Adapter.Nic, NICTotals(Adapter)
    return NDIS_STATISTICS_INFO(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT, NDIS_STATISTICS_INFO_REVISION_1, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1
        ),
        SupportedStatistics=NIC_EVERY_STATISTIC,
        ifInDiscards=received.Discards + VnicReadRegister(nic, VNIC_REGISTER_RECEIVE_DISCARDS),
        ifInErrors=VnicReadRegister(nic, VNIC_REGISTER_RECEIVE_ERRORS),
        ifHCInOctets=received.Octets,
        ifHCInUcastPkts=received.Frames - received.MulticastFrames - received.BroadcastFrames,
        ifHCInMulticastPkts=received.MulticastFrames,
        ifHCInBroadcastPkts=received.BroadcastFrames,
        ifHCOutOctets=sent.Octets,
        ifHCOutUcastPkts=sent.Frames - sent.MulticastFrames - sent.BroadcastFrames,
        ifHCOutMulticastPkts=sent.MulticastFrames,
        ifHCOutBroadcastPkts=sent.BroadcastFrames,
        ifOutErrors=VnicReadRegister(nic, VNIC_REGISTER_TRANSMIT_ERRORS),
        ifOutDiscards=sent.Discards,
        ifHCInUcastOctets=received.Octets - received.MulticastOctets - received.BroadcastOctets,
        ifHCInMulticastOctets=received.MulticastOctets,
        ifHCInBroadcastOctets=received.BroadcastOctets,
        ifHCOutUcastOctets=sent.Octets - sent.MulticastOctets - sent.BroadcastOctets,
        ifHCOutMulticastOctets=sent.MulticastOctets,
        ifHCOutBroadcastOctets=sent.BroadcastOctets,
    )


def NICSetLength(Oid: int, Length: int) -> int:
    """The bytes that a set request must have, and that are read of it."""
    if Oid in (OID_GEN_CURRENT_PACKET_FILTER, OID_GEN_CURRENT_LOOKAHEAD, OID_PNP_SET_POWER):
        return 4
    return -(-Length // ETH_LENGTH_OF_ADDRESS) * ETH_LENGTH_OF_ADDRESS if Oid == OID_802_3_MULTICAST_LIST else Length


def NICSet(Adapter: ADAPTER, Oid: int, Data: bytes) -> NDIS_STATUS:
    """Carry out a set request.  The virtual link has no parameters to set, and takes any."""
    value = int.from_bytes(Data[:4], "little")
    if Oid == OID_802_3_MULTICAST_LIST:
        if len(Data) > NIC_MULTICAST_LIST * ETH_LENGTH_OF_ADDRESS:
            return NDIS_STATUS_MULTICAST_FULL
        Adapter.MulticastCount = 0
        Adapter.MulticastList = Data.ljust(NIC_MULTICAST_LIST * ETH_LENGTH_OF_ADDRESS, b"\0")
        Adapter.MulticastCount = len(Data) // ETH_LENGTH_OF_ADDRESS
    elif Oid == OID_GEN_CURRENT_PACKET_FILTER:
        if value & ~NIC_FILTERS:
            return NDIS_STATUS_NOT_SUPPORTED
        Adapter.PacketFilter = value
        own = int.from_bytes(Adapter.CurrentAddress, "little")
        Adapter.Directed = own if value & NDIS_PACKET_TYPE_DIRECTED else NIC_NOBODY
    elif Oid in NIC_OFFLOAD_OIDS:
        return NICSetOffloads(Adapter, Oid, Data)
    elif Oid in NIC_SCALING_OIDS:
        return NICSetScaling(Adapter, Data)
    elif Oid == OID_PNP_SET_POWER:
        # The stack is paused, and the interrupt tells of the link alone.
        awake = value == NDIS_DEVICE_POWER_STATE.NdisDeviceStateD0
        NICLetThrough(Adapter, NIC_INTERRUPTS if awake else 0)
    elif Oid == OID_GEN_INTERRUPT_MODERATION or (Oid == OID_GEN_CURRENT_LOOKAHEAD and value > NIC_MTU):
        return NDIS_STATUS_INVALID_DATA
    elif Oid not in (OID_GEN_CURRENT_LOOKAHEAD, OID_GEN_LINK_PARAMETERS):
        return NDIS_STATUS_NOT_SUPPORTED
    return NDIS_STATUS_SUCCESS


__all__ = [
    "NICChainToList",
    "NICConfigurationObject",
    "NICCountGroup",
    "NICFilter",
    "NICGeneralAttributes",
    "NICGiven",
    "NICHangs",
    "NICInterruptCharacteristics",
    "NICLetWait",
    "NICLetThrough",
    "NICLinkIndication",
    "NICLinkState",
    "NICPoolParameters",
    "NICRefusal",
    "NICRegistrationAttributes",
    "NICRequest",
    "NICStore",
    "NICTake",
    "NICTakeReceived",
    "NICTakeTransmitted",
    "NICTakeWaiting",
    "NICTimerCharacteristics",
    "NIC_BROADCAST",
    "NIC_BUDGET",
    "NIC_DPC_ROUNDS",
    "NIC_DRIVER_HEADER",
    "NIC_FEW_BUFFERS",
    "NIC_GROUP_BIT",
    "NIC_HEADER",
    "NIC_INTERRUPTS",
    "NIC_MAXIMUM_FRAME",
    "NIC_MINIMUM_FRAME",
    "NIC_NOBODY",
    "NIC_OFFLOAD_OIDS",
    "NIC_QUEUE_BUDGET",
    "NIC_RECEIVE_BUFFERS",
    "NIC_RECOGNIZED",
    "NIC_RESET_INTERVAL",
    "NIC_RESET_POLLS",
    "NIC_SLOT_SHIFT",
    "NIC_TAG",
    "NIC_TRANSMIT_ENTRIES",
    "NIC_WORK_ITEM_ROUNDS",
]
