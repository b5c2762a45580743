"""mux: an intermediate driver that makes several virtual adapters of one, told apart by their VLAN tags (802.1Q).

Law: what is sent over a VLAN is a copy with the tag; what has no tag goes down as the list that it is.  A received
frame goes up on its own memory, the tag taken off; what was only lent is copied.  A VELAN's memory lives as long as the
binding below it, and its Outstanding says whether its handle may still be used.

Registry: VlanIds, ids with commas between them ("10,20"); 0 is the adapter of frames without a tag.  The virtual
adapters are called after the one below, as in adapter0.10.
"""

from __future__ import annotations

from typing import Any, Literal

from emulator.ndis import *
from sample_drivers.mux_adapters import *
from sample_drivers.mux_vlan import *

MuxMiniport: MiniportDriverHandle | None = None
MuxProtocol: ProtocolDriverHandle | None = None


class ADAPT(NONPAGED):
    """The adapter below.  Outstanding is 1 while it runs, and 1 more for each list that is below or above."""

    Handle: BindingHandle
    Running: ULONG
    Outstanding: LONG
    Done: NDIS_EVENT
    Status: INT
    Lock: NDIS_SPIN_LOCK
    PacketFilter: ULONG
    MtuSize: ULONG
    MediaConnectState: ULONG
    LinkSpeed: ULONG64
    Address: Bytes[Literal[6]]
    Name: Bytes[Literal[64]]
    SendLists: NetBufferListPoolHandle
    SendBuffers: NetBufferPoolHandle
    ReceiveLists: NetBufferListPoolHandle
    ReceiveCopies: NetBufferListPoolHandle
    VelanCount: ULONG
    Velans: Array[PVOID, Literal[8]]


class VELAN(NONPAGED):
    """A virtual adapter.  Outstanding is as in ADAPT; References is 1 from initialize to halt, and 1 for each user."""

    Handle: AdapterHandle
    Adapt: PVOID
    Place: ULONG
    VlanId: ULONG
    Running: ULONG
    PausePending: LONG
    Outstanding: LONG
    References: LONG
    Idle: NDIS_EVENT
    Address: Bytes[Literal[6]]
    PacketFilter: ULONG
    MulticastCount: ULONG
    MulticastList: Bytes[Literal[192]]
    Sent: LONG
    Received: LONG


@MINIPORT_SEND_NET_BUFFER_LISTS
def MPSendNetBufferLists(Velan: VELAN, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """Send each list over the adapter below, tagged as a copy or without a tag as it is."""
    adapt, flags = Velan.Adapt, SendFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL
    given = MuxLists(NetBufferList)
    InterlockedExchangeAdd(Velan.Outstanding, len(given))
    InterlockedExchangeAdd(adapt.Outstanding, len(given))
    running = Velan.Running and adapt.Running
    lists: list[Any] = []
    refused: list[Any] = []
    for nbl in given:
        nbl.Status = NDIS_STATUS_FAILURE if running else NDIS_STATUS_PAUSED
        down = MuxDown(Velan, adapt, nbl) if running else None
        (refused if down is None else lists).append(nbl if down is None else down)
    InterlockedExchangeAdd(Velan.Sent, len(lists))
    if lists:
        NdisSendNetBufferLists(adapt.Handle, MuxLink(lists), NDIS_DEFAULT_PORT_NUMBER, flags)
    if refused:
        NdisMSendNetBufferListsComplete(Velan.Handle, MuxLink(refused), flags)
        MuxVelanDereference(Velan, len(refused))
        MuxAdaptDereference(adapt, len(refused))


@MINIPORT_RETURN_NET_BUFFER_LISTS
def MPReturnNetBufferLists(Velan: VELAN, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """Free the lists, and return the frames that they carried to the adapter below."""
    adapt, lists = Velan.Adapt, MuxLists(NetBufferLists)
    MuxGiveBack(adapt, MuxFramesOf(lists), ReturnFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    MuxVelanDereference(Velan, len(lists))


@MINIPORT_CANCEL_SEND
def MPCancelSend(Velan: VELAN, CancelId: Any) -> None:
    """Nothing waits here; what is below is sent soon."""


@MINIPORT_OID_REQUEST
def MPOidRequest(Velan: VELAN, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Answer queries; what the adapter below must know of a set goes down through our own binding."""
    if OidRequest.RequestType == NDIS_REQUEST_TYPE.NdisRequestMethod:
        return NDIS_STATUS_NOT_SUPPORTED
    if OidRequest.RequestType == NDIS_REQUEST_TYPE.NdisRequestSetInformation:
        return MuxSetInformation(Velan, Velan.Adapt, OidRequest)
    return MuxQueryInformation(Velan, Velan.Adapt, OidRequest.DATA.QUERY_INFORMATION)


@MINIPORT_CANCEL_OID_REQUEST
def MPCancelOidRequest(Velan: VELAN, RequestId: Any) -> None:
    """What is below is answered soon."""


@MINIPORT_INITIALIZE
def MPInitializeEx(
    MiniportAdapterHandle: AdapterHandle,
    MiniportDriverContext: None,
    MiniportInitParameters: NDIS_MINIPORT_INIT_PARAMETERS,
) -> NDIS_STATUS:
    """Tell NDIS about the VELAN that PtBindAdapter has made."""
    Velan = MiniportInitParameters.IMDeviceInstanceContext
    status = MuxSetAttributes(MiniportAdapterHandle, Velan)
    if status == NDIS_STATUS_SUCCESS:
        Velan.Handle = MiniportAdapterHandle
        InterlockedExchangeAdd(Velan.References, 1)
        NdisResetEvent(Velan.Idle)
    return status


@MINIPORT_HALT
def MPHaltEx(Velan: VELAN, HaltAction: NDIS_HALT_ACTION) -> None:
    """Wait for who still tells of the link; the VELAN's memory is freed when the adapter below is unbound."""
    if InterlockedExchangeAdd(Velan.References, -1) > 1:
        NdisWaitEvent(Velan.Idle, 0)
    Velan.Handle = AdapterHandle(0)


@MINIPORT_PAUSE
def MPPause(Velan: VELAN, PauseParameters: NDIS_MINIPORT_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """Refuse new work; whoever gives the last list back completes the pause."""
    InterlockedExchange(Velan.PausePending, 1)
    Velan.Running = 0
    if InterlockedExchangeAdd(Velan.Outstanding, -1) == 1 and InterlockedExchange(Velan.PausePending, 0):
        return NDIS_STATUS_SUCCESS
    return NDIS_STATUS_PENDING


@MINIPORT_RESTART
def MPRestart(Velan: VELAN, RestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Let frames flow."""
    InterlockedExchangeAdd(Velan.Outstanding, 1)
    Velan.Running = 1
    return NDIS_STATUS_SUCCESS


@MINIPORT_DEVICE_PNP_EVENT_NOTIFY
def MPDevicePnpEventNotify(Velan: VELAN, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """There is no hardware to be removed."""


@MINIPORT_SHUTDOWN
def MPShutdownEx(Velan: VELAN, ShutdownAction: NDIS_SHUTDOWN_ACTION) -> None:
    """There is no hardware to be silenced."""


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def PtReceiveNetBufferLists(
    Adapt: ADAPT, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Indicate each frame by the adapter of its VLAN; return at once what nobody wants or what was copied."""
    lent = NDIS_TEST_RECEIVE_CANNOT_PEND(ReceiveFlags)
    flags = ReceiveFlags & NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL
    velans = {velan.VlanId: velan for velan in Adapt.Velans[: Adapt.VelanCount]}
    up: dict[int, list[Any]] = {}
    back: list[Any] = []
    InterlockedExchangeAdd(Adapt.Outstanding, NumberOfNetBufferLists)
    for frame in MuxLists(NetBufferLists):
        read = MuxRead(frame) if Adapt.Running else None
        velan = velans.get(read.VlanId) if read is not None else None
        nbl = None
        if read is not None and velan is not None and velan.Running and MuxWants(velan, read.Destination):
            nbl = MuxReceiveList(Adapt, frame, read, lent)
        if nbl is not None and velan is not None:
            nbl.SourceHandle = velan.Handle
            up.setdefault(velan.VlanId, []).append(nbl)
        if nbl is None or nbl.MiniportReserved[0] is None:
            back.append(frame)
    for vlan, lists in up.items():
        velan = velans[vlan]
        InterlockedExchangeAdd(velan.Outstanding, len(lists))
        if velan.Running:
            InterlockedExchangeAdd(velan.Received, len(lists))
            NdisMIndicateReceiveNetBufferLists(velan.Handle, MuxLink(lists), PortNumber, len(lists), flags)
            continue
        back += MuxFramesOf(lists)
        MuxVelanDereference(velan, len(lists))
    if lent:
        MuxAdaptDereference(Adapt, len(back))
    else:
        MuxGiveBack(Adapt, back, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def PtSendNetBufferListsComplete(Adapt: ADAPT, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Free the copies, and complete what was to be sent to whoever is above."""
    done: dict[int, list[Any]] = {}
    for nbl in MuxLists(NetBufferList):
        original, place = MuxUp(Adapt, nbl)
        done.setdefault(place, []).append(original)
    for place, originals in done.items():
        velan, flags = Adapt.Velans[place], SendCompleteFlags & NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL
        NdisMSendNetBufferListsComplete(velan.Handle, MuxLink(originals), flags)
        MuxVelanDereference(velan, len(originals))
        MuxAdaptDereference(Adapt, len(originals))


@PROTOCOL_OID_REQUEST_COMPLETE
def PtOidRequestComplete(Adapt: ADAPT, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Complete the request of above that ours was made for."""
    original, velan = OidRequest.SourceReserved[0], OidRequest.SourceReserved[1]
    MuxFreeRequest(OidRequest)
    NdisMOidRequestComplete(velan.Handle, original, Status)


@PROTOCOL_STATUS_EX
def PtStatus(Adapt: ADAPT, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Tell who is above of the link below."""
    MuxTellLink(Adapt, StatusIndication)


@PROTOCOL_NET_PNP_EVENT
def PtPnPEvent(Adapt: ADAPT, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart: let frames through.  Pause: wait for what is below, and for received frames that are still above."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        InterlockedExchangeAdd(Adapt.Outstanding, 1)
        NdisResetEvent(Adapt.Done)
        Adapt.Running = 1
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        Adapt.Running = 0
        if InterlockedExchangeAdd(Adapt.Outstanding, -1) > 1:
            NdisWaitEvent(Adapt.Done, 0)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_BIND_ADAPTER_EX
def PtBindAdapter(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    """Open the adapter below and ask NDIS for a virtual adapter for each VLAN."""
    adapt = NdisAllocateMemoryWithTagPriority(MuxProtocol, sizeof(ADAPT), MUX_TAG, NormalPoolPriority)
    if adapt is None or MuxProtocol is None or MuxMiniport is None:
        return NDIS_STATUS_RESOURCES
    MuxPrepare(adapt, BindParameters)
    status = MuxOpen(adapt, MuxProtocol, BindParameters.AdapterName, BindContext)
    if status == NDIS_STATUS_SUCCESS:
        status = MuxAllocate(adapt)
    for vlan in MuxReadVlanIds(adapt.Handle) if status == NDIS_STATUS_SUCCESS else []:
        velan = NdisAllocateMemoryWithTagPriority(MuxProtocol, sizeof(VELAN), MUX_TAG, NormalPoolPriority)
        if velan is None:
            break
        MuxEnter(adapt, velan, vlan)
        NdisIMInitializeDeviceInstanceEx(MuxMiniport, MuxName(adapt, vlan), velan)
    if status != NDIS_STATUS_SUCCESS:
        MuxFree(adapt)
    return status


@PROTOCOL_UNBIND_ADAPTER_EX
def PtUnbindAdapter(UnbindContext: BindContext, Adapt: ADAPT) -> NDIS_STATUS:
    """Take the virtual adapters back, those that were started and those that were not, and close the one below."""
    for velan in Adapt.Velans[: Adapt.VelanCount]:
        if velan.Handle:
            NdisIMDeInitializeDeviceInstance(velan.Handle)
        elif MuxMiniport is not None:
            NdisIMCancelInitializeDeviceInstance(MuxMiniport, MuxName(Adapt, velan.VlanId))
    MuxFree(Adapt)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def PtOpenAdapterComplete(Adapt: ADAPT, Status: NDIS_STATUS) -> None:
    """Wake MuxOpen."""
    Adapt.Status = Status
    NdisSetEvent(Adapt.Done)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def PtCloseAdapterComplete(Adapt: ADAPT) -> None:
    """Nothing of ours is on its way when we close."""


@MINIPORT_UNLOAD
def MuxUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take both registrations back."""
    if MuxProtocol is not None:
        NdisDeregisterProtocolDriver(MuxProtocol)
    if MuxMiniport is not None:
        NdisMDeregisterMiniportDriver(MuxMiniport)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the miniport and the protocol, and tell NDIS that they are one driver."""
    global MuxMiniport, MuxProtocol
    miniport = NDIS_MINIPORT_DRIVER_CHARACTERISTICS(
        Header=MUX_DRIVER_HEADER,
        MajorNdisVersion=NDIS_MINIPORT_MAJOR_VERSION,
        MinorNdisVersion=NDIS_MINIPORT_MINOR_VERSION,
        Flags=NDIS_INTERMEDIATE_DRIVER,
        InitializeHandlerEx=MPInitializeEx,
        HaltHandlerEx=MPHaltEx,
        UnloadHandler=MuxUnload,
        PauseHandler=MPPause,
        RestartHandler=MPRestart,
        OidRequestHandler=MPOidRequest,
        SendNetBufferListsHandler=MPSendNetBufferLists,
        ReturnNetBufferListsHandler=MPReturnNetBufferLists,
        CancelSendHandler=MPCancelSend,
        DevicePnPEventNotifyHandler=MPDevicePnpEventNotify,
        ShutdownHandlerEx=MPShutdownEx,
        CancelOidRequestHandler=MPCancelOidRequest,
    )
    status, MuxMiniport = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, miniport)
    if MuxMiniport is None:
        return status
    protocol = NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
        Header=MUX_PROTOCOL_HEADER,
        MajorNdisVersion=NDIS_PROTOCOL_MAJOR_VERSION,
        MinorNdisVersion=NDIS_PROTOCOL_MINOR_VERSION,
        Name="MUX",
        BindAdapterHandlerEx=PtBindAdapter,
        UnbindAdapterHandlerEx=PtUnbindAdapter,
        OpenAdapterCompleteHandlerEx=PtOpenAdapterComplete,
        CloseAdapterCompleteHandlerEx=PtCloseAdapterComplete,
        NetPnPEventHandler=PtPnPEvent,
        OidRequestCompleteHandler=PtOidRequestComplete,
        StatusHandlerEx=PtStatus,
        ReceiveNetBufferListsHandler=PtReceiveNetBufferLists,
        SendNetBufferListsCompleteHandler=PtSendNetBufferListsComplete,
    )
    status, MuxProtocol = NdisRegisterProtocolDriver(None, protocol)
    if MuxProtocol is None:
        NdisMDeregisterMiniportDriver(MuxMiniport)
        return status
    NdisIMAssociateMiniport(MuxMiniport, MuxProtocol)
    return status
