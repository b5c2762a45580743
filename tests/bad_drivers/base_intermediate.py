"""A small intermediate driver that keeps every rule: the common part of the bad ones, one virtual adapter over one.

Law: correct by itself.  The functions that begin with ``On`` are hooks, which a driver that includes this one replaces;
what is sent goes down as the list that it is, what is received goes up as a copy.
"""

from __future__ import annotations

from typing import Any, Final

from emulator.ndis import *

TAG: Final = int.from_bytes(b"etnI", "little")
VIRTUAL: Final = "virtual0"
WORD: Final = 16

MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None


class ADAPT(NONPAGED):
    """Both edges: the binding below and the virtual adapter above.  Open is what is below."""

    Binding: BindingHandle
    Handle: AdapterHandle
    Pool: NetBufferListPoolHandle
    Asked: NDIS_EVENT
    Status: i32
    Open: LONG
    Address: Bytes[Literal[6]]


def OnLoad() -> None:
    """In DriverEntry, both halves registered."""
    if MiniportDriver is not None and ProtocolDriver is not None:
        NdisIMAssociateMiniport(MiniportDriver, ProtocolDriver)


def OnBind(adapt: ADAPT) -> None:
    """Inside ProtocolBindAdapterEx, the adapter open."""
    if MiniportDriver is not None:
        NdisIMInitializeDeviceInstanceEx(MiniportDriver, VIRTUAL, adapt)


def OnUnbind(adapt: ADAPT) -> None:
    """Inside ProtocolUnbindAdapterEx, before the adapter is closed."""
    if adapt.Handle:
        NdisIMDeInitializeDeviceInstance(adapt.Handle)


def OnSend(adapt: ADAPT, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """A list that is to be sent."""
    Save(adapt, nbl)
    nbl.SourceHandle = adapt.Binding
    NdisInterlockedIncrement(adapt.Open)
    NdisSendNetBufferLists(adapt.Binding, nbl, 0, flags)


def OnSendComplete(adapt: ADAPT, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """A list of above that has been sent."""
    Restore(nbl)
    NdisMSendNetBufferListsComplete(adapt.Handle, nbl, flags)
    NdisInterlockedDecrement(adapt.Open)


def OnReceive(adapt: ADAPT, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """A received list."""
    copy = Copy(adapt, nbl)
    if copy is not None:
        NdisMIndicateReceiveNetBufferLists(adapt.Handle, copy, 0, 1, flags & NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL)
    if not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(adapt.Binding, nbl, flags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def OnHalt(adapt: ADAPT) -> None:
    """Inside MiniportHaltEx."""


def Save(adapt: ADAPT, nbl: NET_BUFFER_LIST) -> None:
    """Keep the list's SourceHandle in a context of its own."""
    NdisAllocateNetBufferListContext(nbl, WORD, 0, TAG)
    NET_BUFFER_LIST_CONTEXT_DATA_START(nbl)[0:8] = (nbl.SourceHandle or 0).to_bytes(8, "little")


def Restore(nbl: NET_BUFFER_LIST) -> None:
    """Give the list its SourceHandle back."""
    saved = bytes(NET_BUFFER_LIST_CONTEXT_DATA_START(nbl)[0:8])
    NdisFreeNetBufferListContext(nbl, WORD)
    nbl.SourceHandle = NDIS_HANDLE(int.from_bytes(saved, "little"))


def Copy(adapt: ADAPT, nbl: NET_BUFFER_LIST) -> NET_BUFFER_LIST | None:
    """A list of our own with a received frame."""
    frame, copy = nbl.FirstNetBuffer, NdisAllocateNetBufferList(adapt.Pool, 0, 0)
    if frame is None or copy is None or copy.FirstNetBuffer is None:
        return None
    copy.FirstNetBuffer.DataLength = frame.DataLength
    NdisCopyFromNetBufferToNetBuffer(copy.FirstNetBuffer, 0, frame.DataLength, frame, 0)
    copy.SourceHandle = adapt.Handle
    return copy


@MINIPORT_SEND_NET_BUFFER_LISTS
def MPSendNetBufferLists(adapt: ADAPT, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """One list at a time comes from above here."""
    OnSend(adapt, NetBufferList, SendFlags)


@MINIPORT_RETURN_NET_BUFFER_LISTS
def MPReturnNetBufferLists(adapt: ADAPT, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """A copy is back."""
    NdisFreeNetBufferList(NetBufferLists)


@MINIPORT_CANCEL_SEND
def MPCancelSend(adapt: ADAPT, CancelId: Any) -> None:
    """Nothing is kept here."""


@MINIPORT_OID_REQUEST
def MPOidRequest(adapt: ADAPT, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """The packet filter goes down; the rest is whatever is asked."""
    given = OidRequest.DATA.SET_INFORMATION
    if given.Oid != OID_GEN_CURRENT_PACKET_FILTER:
        return NDIS_STATUS_SUCCESS
    request = NDIS_OID_REQUEST(RequestType=NDIS_REQUEST_TYPE.NdisRequestSetInformation)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.SET_INFORMATION.Oid = OID_GEN_CURRENT_PACKET_FILTER
    request.DATA.SET_INFORMATION.InformationBuffer = given.InformationBuffer
    request.DATA.SET_INFORMATION.InformationBufferLength = 4
    NdisResetEvent(adapt.Asked)
    status = NdisOidRequest(adapt.Binding, request)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(adapt.Asked, 0)
        status = NDIS_STATUS(adapt.Status)
    NdisFreeMemory(request, 0, 0)
    return status


@MINIPORT_CANCEL_OID_REQUEST
def MPCancelOidRequest(adapt: ADAPT, RequestId: Any) -> None:
    """Nothing is kept here."""


@MINIPORT_INITIALIZE
def MPInitializeEx(
    NdisMiniportHandle: AdapterHandle,
    MiniportDriverContext: None,
    MiniportInitParameters: NDIS_MINIPORT_INIT_PARAMETERS,
) -> NDIS_STATUS:
    """Tell NDIS the attributes; the context is that of the adapter below."""
    adapt = MiniportInitParameters.IMDeviceInstanceContext
    status = NdisMSetMiniportAttributes(
        NdisMiniportHandle,
        NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(
            Header=NDIS_OBJECT_HEADER(0x9E, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1),
            MiniportAdapterContext=adapt,
        ),
    )
    if status != NDIS_STATUS_SUCCESS:
        return status
    adapt.Handle = NdisMiniportHandle
    return NdisMSetMiniportAttributes(
        NdisMiniportHandle,
        NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
            Header=NDIS_OBJECT_HEADER(0x9F, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1),
            MtuSize=1500,
            MediaConnectState=NDIS_MEDIA_CONNECT_STATE.MediaConnectStateConnected,
            LookaheadSize=1500,
            SupportedPacketFilters=0x2F,
            MacAddressLength=6,
            PermanentMacAddress=adapt.Address,
            CurrentMacAddress=adapt.Address,
        ),
    )


@MINIPORT_HALT
def MPHaltEx(adapt: ADAPT, HaltAction: NDIS_HALT_ACTION) -> None:
    """The context lives until the adapter below is unbound."""
    OnHalt(adapt)


@MINIPORT_PAUSE
def MPPause(adapt: ADAPT, MiniportPauseParameters: NDIS_MINIPORT_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """Wait for what is below."""
    while adapt.Open.value > 0:
        NdisMSleep(1000)
    return NDIS_STATUS_SUCCESS


@MINIPORT_RESTART
def MPRestart(adapt: ADAPT, MiniportRestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Nothing to be done."""
    return NDIS_STATUS_SUCCESS


@MINIPORT_DEVICE_PNP_EVENT_NOTIFY
def MPDevicePnPEvent(adapt: ADAPT, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """Nothing to be done."""


@MINIPORT_SHUTDOWN
def MPShutdownEx(adapt: ADAPT, ShutdownAction: NDIS_SHUTDOWN_ACTION) -> None:
    """Nothing to be done."""


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def PtReceive(
    adapt: ADAPT, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """One list at a time comes from below here."""
    OnReceive(adapt, NetBufferLists, ReceiveFlags)


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def PtSendComplete(adapt: ADAPT, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """A list of above is back."""
    OnSendComplete(adapt, NetBufferList, SendCompleteFlags)


@PROTOCOL_OID_REQUEST_COMPLETE
def PtOidComplete(adapt: ADAPT, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Wake MPOidRequest."""
    adapt.Status = Status
    NdisSetEvent(adapt.Asked)


@PROTOCOL_STATUS_EX
def PtStatus(adapt: ADAPT, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Whatever the adapter below tells."""


@PROTOCOL_NET_PNP_EVENT
def PtNetPnPEvent(adapt: ADAPT, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """A pause waits for what is below."""
    if NetPnPEventNotification.NetPnPEvent.NetEvent == NET_PNP_EVENT_CODE.NetEventPause:
        while adapt.Open.value > 0:
            NdisMSleep(1000)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_BIND_ADAPTER_EX
def PtBind(ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS) -> NDIS_STATUS:
    """Open the adapter below; then the one above may be asked for."""
    adapt = NdisAllocateMemoryWithTagPriority(ProtocolDriver, sizeof(ADAPT), TAG, 0)
    pool = NdisAllocateNetBufferListPool(
        ProtocolDriver,
        NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1),
            fAllocateNetBuffer=True,
            PoolTag=TAG,
            DataSize=64,
        ),
    )
    if adapt is None or pool is None or ProtocolDriver is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(adapt, sizeof(ADAPT))
    NdisInitializeEvent(adapt.Asked)
    adapt.Pool, adapt.Address = pool, bytes(BindParameters.CurrentMacAddress[:6])
    status, handle = NdisOpenAdapterEx(
        ProtocolDriver,
        adapt,
        NDIS_OPEN_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x87, 1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1),
            AdapterName=BindParameters.AdapterName,
            MediumArray=(NDIS_MEDIUM.NdisMedium802_3,),
            MediumArraySize=1,
        ),
        BindContext,
    )
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(adapt.Asked, 0)
        status = NDIS_STATUS_SUCCESS
    if handle is not None:
        adapt.Binding = handle
        OnBind(adapt)
    return status


@PROTOCOL_UNBIND_ADAPTER_EX
def PtUnbind(UnbindContext: BindContext, adapt: ADAPT) -> NDIS_STATUS:
    """The adapter above goes first, then the one below is closed."""
    OnUnbind(adapt)
    NdisCloseAdapterEx(adapt.Binding)
    NdisFreeNetBufferListPool(adapt.Pool)
    NdisFreeMemory(adapt, 0, 0)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def PtOpenComplete(adapt: ADAPT, Status: NDIS_STATUS) -> None:
    """Wake PtBind."""
    NdisSetEvent(adapt.Asked)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def PtCloseComplete(adapt: ADAPT) -> None:
    """NdisCloseAdapterEx never pends here."""


@MINIPORT_UNLOAD
def MPUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take both registrations back."""
    if ProtocolDriver is not None:
        NdisDeregisterProtocolDriver(ProtocolDriver)
    if MiniportDriver is not None:
        NdisMDeregisterMiniportDriver(MiniportDriver)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register both halves."""
    global MiniportDriver, ProtocolDriver
    miniport = NDIS_MINIPORT_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(0x8A, 2, NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2),
        MajorNdisVersion=6,
        MinorNdisVersion=50,
        Flags=NDIS_INTERMEDIATE_DRIVER,
        InitializeHandlerEx=MPInitializeEx,
        HaltHandlerEx=MPHaltEx,
        UnloadHandler=MPUnload,
        PauseHandler=MPPause,
        RestartHandler=MPRestart,
        OidRequestHandler=MPOidRequest,
        SendNetBufferListsHandler=MPSendNetBufferLists,
        ReturnNetBufferListsHandler=MPReturnNetBufferLists,
        CancelSendHandler=MPCancelSend,
        DevicePnPEventNotifyHandler=MPDevicePnPEvent,
        ShutdownHandlerEx=MPShutdownEx,
        CancelOidRequestHandler=MPCancelOidRequest,
    )
    protocol = NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(0x95, 2, NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2),
        MajorNdisVersion=6,
        MinorNdisVersion=50,
        Name="SMALLINTERMEDIATE",
        BindAdapterHandlerEx=PtBind,
        UnbindAdapterHandlerEx=PtUnbind,
        OpenAdapterCompleteHandlerEx=PtOpenComplete,
        CloseAdapterCompleteHandlerEx=PtCloseComplete,
        NetPnPEventHandler=PtNetPnPEvent,
        OidRequestCompleteHandler=PtOidComplete,
        StatusHandlerEx=PtStatus,
        ReceiveNetBufferListsHandler=PtReceive,
        SendNetBufferListsCompleteHandler=PtSendComplete,
    )
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, miniport)
    if status == NDIS_STATUS_SUCCESS:
        status, ProtocolDriver = NdisRegisterProtocolDriver(None, protocol)
    OnLoad()
    return status
