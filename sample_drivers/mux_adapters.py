"""What mux tells of its adapters: numbers, attributes, pools, answers to OIDs, and the requests that it makes itself.

Law: as in a header file, nothing here keeps state and nothing is called by NDIS; the handlers are in mux.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *
from sample_drivers.mux_vlan import *

if TYPE_CHECKING:
    from sample_drivers.mux import ADAPT, VELAN

MUX_MULTICAST_LIST: Final = 32
MUX_FILTERS: Final = (
    NDIS_PACKET_TYPE_DIRECTED
    | NDIS_PACKET_TYPE_MULTICAST
    | NDIS_PACKET_TYPE_ALL_MULTICAST
    | NDIS_PACKET_TYPE_BROADCAST
    | NDIS_PACKET_TYPE_PROMISCUOUS
)
MUX_NUMBERS: Final = (
    (OID_GEN_TRANSMIT_BUFFER_SPACE, MUX_MAXIMUM_FRAME * 64),
    (OID_GEN_RECEIVE_BUFFER_SPACE, MUX_MAXIMUM_FRAME * 64),
    (OID_GEN_TRANSMIT_BLOCK_SIZE, MUX_MAXIMUM_FRAME),
    (OID_GEN_RECEIVE_BLOCK_SIZE, MUX_MAXIMUM_FRAME),
    (OID_GEN_VENDOR_ID, 0xFF_FFFF),
    (OID_GEN_VENDOR_DRIVER_VERSION, 0x0001_0000),
    (OID_802_3_MAXIMUM_LIST_SIZE, MUX_MULTICAST_LIST),
)
MUX_OIDS: Final = (
    *(oid for oid, _ in MUX_NUMBERS),
    OID_GEN_MAXIMUM_TOTAL_SIZE,
    OID_GEN_VENDOR_DESCRIPTION,
    OID_GEN_STATISTICS,
    OID_GEN_XMIT_OK,
    OID_GEN_RCV_OK,
    OID_GEN_VLAN_ID,
    OID_802_3_PERMANENT_ADDRESS,
    OID_802_3_CURRENT_ADDRESS,
    OID_802_3_MULTICAST_LIST,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_CURRENT_LOOKAHEAD,
)
MUX_DRIVER_HEADER: Final = NDIS_OBJECT_HEADER(
    NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
    NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
    NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
)
MUX_PROTOCOL_HEADER: Final = NDIS_OBJECT_HEADER(
    NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS,
    NDIS_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
    NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2,
)


def MuxRegistrationAttributes(Velan: VELAN) -> NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES:
    """An adapter without hardware."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
        NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
        NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
    )
    return NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(
        Header=header,
        MiniportAdapterContext=Velan,
        AttributeFlags=NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK | NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND,
        InterfaceType=NDIS_INTERFACE_TYPE.NdisInterfaceInternal,
    )


def MuxGeneralAttributes(Velan: VELAN, Adapt: ADAPT) -> NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES:
    """What the adapter below is, with four bytes less where there is a tag."""
    mtu = Adapt.MtuSize - (MUX_VLAN_TAG if Velan.VlanId else 0)
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
        NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
        NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
    )
    return NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
        Header=header,
        MediaType=NDIS_MEDIUM.NdisMedium802_3,
        PhysicalMediumType=NDIS_PHYSICAL_MEDIUM.NdisPhysicalMedium802_3,
        MtuSize=mtu,
        LookaheadSize=mtu,
        MaxXmitLinkSpeed=Adapt.LinkSpeed,
        XmitLinkSpeed=Adapt.LinkSpeed,
        MaxRcvLinkSpeed=Adapt.LinkSpeed,
        RcvLinkSpeed=Adapt.LinkSpeed,
        MediaConnectState=NDIS_MEDIA_CONNECT_STATE(Adapt.MediaConnectState),
        MediaDuplexState=NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateFull,
        MacOptions=NDIS_MAC_OPTION_NO_LOOPBACK | NDIS_MAC_OPTION_8021P_PRIORITY | NDIS_MAC_OPTION_8021Q_VLAN,
        SupportedPacketFilters=MUX_FILTERS,
        MaxMulticastListSize=MUX_MULTICAST_LIST,
        MacAddressLength=ETH_LENGTH_OF_ADDRESS,
        PermanentMacAddress=Velan.Address,
        CurrentMacAddress=Velan.Address,
        AccessType=NET_IF_ACCESS_TYPE.NET_IF_ACCESS_BROADCAST,
        ConnectionType=NET_IF_CONNECTION_TYPE.NET_IF_CONNECTION_DEDICATED,
        IfType=IF_TYPE_ETHERNET_CSMACD,
        SupportedStatistics=NDIS_STATISTICS_GEN_STATISTICS_SUPPORTED,
        SupportedOidList=MUX_OIDS,
        SupportedOidListLength=len(MUX_OIDS) * 4,
    )


def MuxPool(Handle: BindingHandle, DataSize: int, Context: int = 0) -> NetBufferListPoolHandle | None:
    """A pool of lists with one NET_BUFFER each."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
    )
    parameters = NET_BUFFER_LIST_POOL_PARAMETERS(
        Header=header, fAllocateNetBuffer=True, PoolTag=MUX_TAG, DataSize=DataSize, ContextSize=Context
    )
    return NdisAllocateNetBufferListPool(Handle, parameters)


def MuxBufferPool(Handle: BindingHandle) -> NetBufferPoolHandle | None:
    """A pool of NET_BUFFERs, for lists that have more than one."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NET_BUFFER_POOL_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1,
    )
    parameters = NET_BUFFER_POOL_PARAMETERS(Header=header, PoolTag=MUX_TAG, DataSize=MUX_MAXIMUM_FRAME)
    return NdisAllocateNetBufferPool(Handle, parameters)


def MuxOpen(Adapt: ADAPT, Driver: ProtocolDriverHandle, AdapterName: str, BindContext: BindContext) -> NDIS_STATUS:
    """Open an adapter by the name that the bind parameters give, for Ethernet, and wait where that pends."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_OPEN_PARAMETERS, NDIS_OPEN_PARAMETERS_REVISION_1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1
    )
    parameters = NDIS_OPEN_PARAMETERS(
        Header=header, AdapterName=AdapterName, MediumArray=(NDIS_MEDIUM.NdisMedium802_3,), MediumArraySize=1
    )
    status, handle = NdisOpenAdapterEx(Driver, Adapt, parameters, BindContext)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(Adapt.Done, 0)
        status = NDIS_STATUS(Adapt.Status)
    if handle is not None and status == NDIS_STATUS_SUCCESS:
        Adapt.Handle = handle
    return status


def MuxReadVlanIds(Handle: BindingHandle) -> list[int]:
    """VlanIds of the registry, ids with commas between them; what is no id is left out."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT,
        NDIS_CONFIGURATION_OBJECT_REVISION_1,
        NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1,
    )
    _, configuration = NdisOpenConfigurationEx(NDIS_CONFIGURATION_OBJECT(Header=header, NdisHandle=Handle))
    if configuration is None:
        return []
    _, found = NdisReadConfiguration(configuration, "VlanIds", NDIS_PARAMETER_TYPE.NdisParameterString)
    NdisCloseConfiguration(configuration)
    words = found.ParameterData.StringData.split(",") if found is not None else []
    ids = dict.fromkeys(int(word) for word in words if word.strip().isdigit())
    return [vlan for vlan in ids if vlan <= MUX_MOST_VLAN_ID][:MUX_MOST_VELANS]


def MuxQuery(Velan: VELAN, Adapt: ADAPT, Oid: int) -> bytes | None:
    """The answer to a query; None for an OID that is not supported."""
    if Oid in (OID_802_3_PERMANENT_ADDRESS, OID_802_3_CURRENT_ADDRESS):
        return Velan.Address
    if Oid == OID_GEN_VENDOR_DESCRIPTION:
        return b"VLAN multiplexer\0"
    if Oid in (OID_GEN_XMIT_OK, OID_GEN_RCV_OK):
        return (Velan.Sent if Oid == OID_GEN_XMIT_OK else Velan.Received).value.to_bytes(8, "little")
    if Oid == OID_GEN_STATISTICS:
        header = NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT, NDIS_STATISTICS_INFO_REVISION_1, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1
        )
        known = NDIS_STATISTICS_FLAGS_VALID_DIRECTED_FRAMES_RCV | NDIS_STATISTICS_FLAGS_VALID_DIRECTED_FRAMES_XMIT
        return NDIS_STATISTICS_INFO(
            Header=header,
            SupportedStatistics=known,
            ifHCInUcastPkts=Velan.Received.value,
            ifHCOutUcastPkts=Velan.Sent.value,
        ).to_bytes()
    if Oid in (OID_GEN_VLAN_ID, OID_GEN_MAXIMUM_TOTAL_SIZE):
        size = Adapt.MtuSize + 14 - (MUX_VLAN_TAG if Velan.VlanId else 0)
        return (Velan.VlanId if Oid == OID_GEN_VLAN_ID else size).to_bytes(4, "little")
    return next((value.to_bytes(4, "little") for oid, value in MUX_NUMBERS if oid == Oid), None)


def MuxAllocate(Adapt: ADAPT) -> NDIS_STATUS:
    """The pools of an adapter below; what was made is given back by MuxFree."""
    made = (
        ("SendLists", MuxPool(Adapt.Handle, MUX_MAXIMUM_FRAME)),
        ("SendBuffers", MuxBufferPool(Adapt.Handle)),
        ("ReceiveLists", MuxPool(Adapt.Handle, 0)),
        ("ReceiveCopies", MuxPool(Adapt.Handle, MUX_MAXIMUM_FRAME)),
    )
    for name, pool in made:
        if pool is not None:
            setattr(Adapt, name, pool)
    return NDIS_STATUS_RESOURCES if any(pool is None for _, pool in made) else NDIS_STATUS_SUCCESS


def MuxFree(Adapt: ADAPT) -> None:
    """Close the adapter below and give everything back that it has, as far as it came."""
    if Adapt.Handle:
        NdisCloseAdapterEx(Adapt.Handle)
    for velan in Adapt.Velans[: Adapt.VelanCount]:
        NdisFreeMemory(velan, 0, 0)
    for pool in (Adapt.SendLists, Adapt.ReceiveLists, Adapt.ReceiveCopies):
        if pool:
            NdisFreeNetBufferListPool(pool)
    if Adapt.SendBuffers:
        NdisFreeNetBufferPool(Adapt.SendBuffers)
    NdisFreeSpinLock(Adapt.Lock)
    NdisFreeMemory(Adapt, 0, 0)


def MuxSetFilter(Velan: VELAN, Adapt: ADAPT, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Ask the adapter below for what all VELANs together want; they look for groups of their own themselves."""
    NdisAcquireSpinLock(Adapt.Lock)
    wanted = 0
    for velan in Adapt.Velans[: Adapt.VelanCount]:
        wanted |= velan.PacketFilter
    if wanted & NDIS_PACKET_TYPE_MULTICAST:
        wanted = wanted & ~NDIS_PACKET_TYPE_MULTICAST | NDIS_PACKET_TYPE_ALL_MULTICAST
    same, Adapt.PacketFilter = wanted == Adapt.PacketFilter, wanted
    NdisReleaseSpinLock(Adapt.Lock)
    if same:
        return NDIS_STATUS_SUCCESS
    request = MuxFilterRequest(Adapt, wanted)
    if request is None:
        return NDIS_STATUS_RESOURCES
    request.SourceReserved[0], request.SourceReserved[1] = OidRequest, Velan
    status = NdisOidRequest(Adapt.Handle, request)
    if status != NDIS_STATUS_PENDING:
        MuxFreeRequest(request)
    return status


def MuxFilterRequest(Adapt: ADAPT, Filter: int) -> NDIS_OID_REQUEST | None:
    """A request that sets the packet filter of the adapter below."""
    buffer = NdisAllocateMemoryWithTagPriority(Adapt.Handle, 4, MUX_TAG, NormalPoolPriority)
    if buffer is None:
        return None
    buffer[0:4] = Filter.to_bytes(4, "little")
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    header, given = request.Header, request.DATA.SET_INFORMATION
    header.Type, header.Revision = NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1
    header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    given.Oid, given.InformationBuffer, given.InformationBufferLength = OID_GEN_CURRENT_PACKET_FILTER, buffer, 4
    return request


def MuxFreeRequest(Request: NDIS_OID_REQUEST) -> None:
    """Free a request of MuxFilterRequest."""
    NdisFreeMemory(Request.DATA.SET_INFORMATION.InformationBuffer, 0, 0)
    NdisFreeMemory(Request, 0, 0)


def MuxLinkIndication(Handle: AdapterHandle, State: NDIS_LINK_STATE) -> NDIS_STATUS_INDICATION:
    """The status that tells of the link."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_STATUS_INDICATION,
        NDIS_STATUS_INDICATION_REVISION_1,
        NDIS_SIZEOF_STATUS_INDICATION_REVISION_1,
    )
    return NDIS_STATUS_INDICATION(
        Header=header,
        SourceHandle=Handle,
        StatusCode=NDIS_STATUS_LINK_STATE,
        StatusBuffer=State,
        StatusBufferSize=NDIS_SIZEOF_LINK_STATE_REVISION_1,
    )


def MuxSetAttributes(Handle: AdapterHandle, Velan: VELAN) -> NDIS_STATUS:
    """Registration attributes, then the general ones."""
    status = NdisMSetMiniportAttributes(Handle, MuxRegistrationAttributes(Velan))
    if status == NDIS_STATUS_SUCCESS:
        status = NdisMSetMiniportAttributes(Handle, MuxGeneralAttributes(Velan, Velan.Adapt))
    return status


def MuxPrepare(Adapt: ADAPT, Parameters: NDIS_BIND_PARAMETERS) -> None:
    """Keep what the virtual adapters are told of the one below."""
    NdisZeroMemory(Adapt, sizeof(type(Adapt)))
    NdisInitializeEvent(Adapt.Done)
    NdisAllocateSpinLock(Adapt.Lock)
    Adapt.MtuSize, Adapt.LinkSpeed = Parameters.MtuSize, Parameters.XmitLinkSpeed
    Adapt.MediaConnectState = Parameters.MediaConnectState
    Adapt.Address = bytes(Parameters.CurrentMacAddress[:6])
    Adapt.Name = Parameters.AdapterName.encode().ljust(64, b"\0")


def MuxSetInformation(Velan: VELAN, Adapt: ADAPT, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Carry out a set request."""
    given = OidRequest.DATA.SET_INFORMATION
    length = given.InformationBufferLength
    data = bytes(given.InformationBuffer[0:length]) if length else b""
    given.BytesRead = length
    if given.Oid == OID_802_3_MULTICAST_LIST and length <= MUX_MULTICAST_LIST * ETH_LENGTH_OF_ADDRESS:
        Velan.MulticastList = data.ljust(MUX_MULTICAST_LIST * ETH_LENGTH_OF_ADDRESS, b"\0")
        Velan.MulticastCount = length // ETH_LENGTH_OF_ADDRESS
        return NDIS_STATUS_SUCCESS
    if given.Oid == OID_GEN_CURRENT_PACKET_FILTER:
        Velan.PacketFilter = int.from_bytes(data[:4], "little")
        return MuxSetFilter(Velan, Adapt, OidRequest)
    # The adapter below goes to sleep and wakes up for itself.
    known = given.Oid in (OID_GEN_CURRENT_LOOKAHEAD, OID_PNP_SET_POWER)
    return NDIS_STATUS_SUCCESS if known else NDIS_STATUS_NOT_SUPPORTED


def MuxQueryInformation(Velan: VELAN, Adapt: ADAPT, Query: Any) -> NDIS_STATUS:
    """Answer a query."""
    answer = MuxQuery(Velan, Adapt, Query.Oid)
    if answer is None:
        return NDIS_STATUS_NOT_SUPPORTED
    Query.BytesNeeded, Query.BytesWritten = len(answer), 0
    if Query.InformationBufferLength < len(answer):
        return NDIS_STATUS_BUFFER_TOO_SHORT
    NdisMoveMemory(Query.InformationBuffer, answer, len(answer))
    Query.BytesWritten = len(answer)
    return NDIS_STATUS_SUCCESS


def MuxTellLink(Adapt: ADAPT, Indication: NDIS_STATUS_INDICATION) -> None:
    """Tell who is above of the link, and of nothing else; a VELAN that is being halted waits for this."""
    if Indication.StatusCode != NDIS_STATUS_LINK_STATE:
        return
    state = Indication.StatusBuffer
    Adapt.MediaConnectState, Adapt.LinkSpeed = state.MediaConnectState, state.XmitLinkSpeed
    for velan in Adapt.Velans[: Adapt.VelanCount]:
        if InterlockedExchangeAdd(velan.References, 1) > 0:
            NdisMIndicateStatusEx(velan.Handle, MuxLinkIndication(velan.Handle, state))
        if InterlockedExchangeAdd(velan.References, -1) == 1:
            NdisSetEvent(velan.Idle)
