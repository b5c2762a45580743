"""A small protocol that keeps every rule: the common part of the bad ones, and what sends to the bad miniports.

Law: correct by itself.  The functions that begin with ``On`` are hooks, which a driver that includes this one replaces;
a millisecond after each restart it sends one frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.ndis import *

TAG: Final = int.from_bytes(b"torP", "little")
MILLISECOND: Final = -10_000
PATIENCE: Final = 100
"""Milliseconds that a pause waits for what was sent; after that NDIS waits, and says who blocks the pause."""

ProtocolDriver: ProtocolDriverHandle | None = None


class BINDING(NONPAGED):
    """The context of one binding, with room for what a bad driver needs."""

    Handle: BindingHandle
    Timer: TimerHandle
    Pool: NetBufferListPoolHandle
    Asked: NDIS_EVENT
    Closed: NDIS_EVENT
    Status: i32
    Running: u32
    Interface: u32
    Received: LONG
    Open: LONG
    Cookie: u64


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    """Inside ProtocolBindAdapterEx, the adapter open."""


def OnUnbind(binding: BINDING) -> None:
    """Inside ProtocolUnbindAdapterEx, before the adapter is closed."""


def OnTimer(binding: BINDING) -> None:
    """A millisecond after each restart, at DISPATCH_LEVEL."""
    nbl = ProtocolFrame(binding)
    if nbl is not None:
        NdisInterlockedIncrement(binding.Open)
        NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Received frames, at DISPATCH_LEVEL."""
    if not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def OnSendComplete(binding: BINDING, nbl: NET_BUFFER_LIST) -> None:
    """Frames that have been sent."""
    NdisFreeNetBufferList(nbl)


def OnStatus(binding: BINDING, indication: NDIS_STATUS_INDICATION) -> None:
    """A status indication, at any IRQL up to DISPATCH_LEVEL."""


def OnEvent(binding: BINDING, event: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Another network PnP event than a pause or a restart, at PASSIVE_LEVEL."""
    return NDIS_STATUS_SUCCESS


def OnClosed(binding: BINDING) -> None:
    """A close that was pending is complete, at PASSIVE_LEVEL."""


def OnUninstall() -> None:
    """Inside ProtocolUninstall, at PASSIVE_LEVEL."""


def OnPause(binding: BINDING) -> None:
    """NetEventPause, at PASSIVE_LEVEL."""


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Inside DriverUnload, at PASSIVE_LEVEL."""


@NDIS_TIMER_FUNCTION
def ProtocolTimer(first: Any, binding: BINDING, second: Any, third: Any) -> None:
    """The timer of each restart."""
    if binding.Running:
        OnTimer(binding)


def ProtocolFrame(binding: BINDING) -> NET_BUFFER_LIST | None:
    """A frame to be sent."""
    nbl = NdisAllocateNetBufferList(binding.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return None
    nbl.SourceHandle = binding.Handle
    nbl.FirstNetBuffer.DataLength = 60
    data = NdisGetDataBuffer(nbl.FirstNetBuffer, 60, None, 1, 0)
    if data is not None:
        data[0:60] = bytes.fromhex("020000000009 020000000001 88b5").ljust(60, b"\0")
    return nbl


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def ProtocolReceive(
    binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Frames for us."""
    NdisInterlockedIncrement(binding.Received)
    OnReceive(binding, NetBufferLists, ReceiveFlags)


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def ProtocolSendComplete(binding: BINDING, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Frames of ours are back; the binding may not have been restarted yet when the timer fired."""
    if NetBufferList.Status == NDIS_STATUS_PAUSED and binding.Running:
        NdisSetTimerObject(binding.Timer, MILLISECOND, 0, None)
    OnSendComplete(binding, NetBufferList)
    NdisInterlockedDecrement(binding.Open)


@PROTOCOL_NET_PNP_EVENT
def ProtocolNetPnPEvent(binding: BINDING, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart and pause."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        ProtocolAsk(binding, NDIS_REQUEST_TYPE.NdisRequestQueryInformation, OID_GEN_TRANSMIT_BUFFER_SPACE, 0)
        status = ProtocolAsk(
            binding,
            NDIS_REQUEST_TYPE.NdisRequestSetInformation,
            OID_GEN_CURRENT_PACKET_FILTER,
            NDIS_PACKET_TYPE_DIRECTED,
        )
        if status == NDIS_STATUS_SUCCESS:
            binding.Running = 1
            NdisSetTimerObject(binding.Timer, MILLISECOND, 0, None)
        return status
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        binding.Running = 0
        NdisCancelTimerObject(binding.Timer)
        OnPause(binding)
        for _ in range(PATIENCE):
            if binding.Open.value > 0:
                NdisMSleep(1000)
        return NDIS_STATUS_SUCCESS
    return OnEvent(binding, NetPnPEventNotification)


def ProtocolRequest(binding: BINDING, kind: NDIS_REQUEST_TYPE, oid: int, value: int = 0) -> NDIS_OID_REQUEST:
    """A request that sets or asks four bytes."""
    memory = NdisAllocateMemoryWithTagPriority(binding.Handle, 4, TAG, 0)
    if memory is not None:
        memory[0:4] = value.to_bytes(4, "little")
    request = NDIS_OID_REQUEST(RequestType=kind)
    request.Header.Type = NDIS_OBJECT_TYPE_OID_REQUEST
    request.Header.Revision = NDIS_OID_REQUEST_REVISION_1
    request.Header.Size = NDIS_SIZEOF_OID_REQUEST_REVISION_1
    request.DATA.SET_INFORMATION.Oid = oid
    request.DATA.SET_INFORMATION.InformationBuffer = memory
    request.DATA.SET_INFORMATION.InformationBufferLength = 4
    return request


def ProtocolFreeRequest(request: NDIS_OID_REQUEST) -> None:
    """Give a request and its four bytes back."""
    NdisFreeMemory(request.DATA.SET_INFORMATION.InformationBuffer, 0, 0)
    NdisFreeMemory(request, 0, 0)


def ProtocolAsk(binding: BINDING, kind: NDIS_REQUEST_TYPE, oid: int, value: int) -> NDIS_STATUS:
    """Set or ask four bytes and wait for the answer, which may come from another context."""
    request = ProtocolRequest(binding, kind, oid, value)
    NdisResetEvent(binding.Asked)
    status = NdisOidRequest(binding.Handle, request)
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(binding.Asked, 0)
        status = NDIS_STATUS(binding.Status)
    ProtocolFreeRequest(request)
    return status


@PROTOCOL_OID_REQUEST_COMPLETE
def ProtocolOidComplete(binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """The answer to ProtocolAsk."""
    binding.Status = Status
    NdisSetEvent(binding.Asked)


@PROTOCOL_DIRECT_OID_REQUEST_COMPLETE
def ProtocolDirectOidComplete(binding: BINDING, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """The answer to a direct request."""
    binding.Status = Status
    NdisSetEvent(binding.Asked)


@PROTOCOL_STATUS_EX
def ProtocolStatus(binding: BINDING, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Whatever the adapter tells."""
    OnStatus(binding, StatusIndication)


def TimerCharacteristics(binding: BINDING, function: Callable[..., None]) -> NDIS_TIMER_CHARACTERISTICS:
    """What NDIS is told of a timer."""
    header = NDIS_OBJECT_HEADER(0x97, 1, NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1)
    return NDIS_TIMER_CHARACTERISTICS(Header=header, AllocationTag=TAG, TimerFunction=function, FunctionContext=binding)


@PROTOCOL_BIND_ADAPTER_EX
def ProtocolBind(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    """Make the binding's context and open the adapter."""
    if ProtocolDriver is None:
        return NDIS_STATUS_FAILURE
    binding = NdisAllocateMemoryWithTagPriority(ProtocolDriver, sizeof(BINDING), TAG, 0)
    if binding is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(binding, sizeof(BINDING))
    NdisInitializeEvent(binding.Asked)
    NdisInitializeEvent(binding.Closed)
    pool = NdisAllocateNetBufferListPool(
        ProtocolDriver,
        NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1),
            fAllocateNetBuffer=True,
            PoolTag=TAG,
            DataSize=64,
        ),
    )
    _, timer = NdisAllocateTimerObject(ProtocolDriver, TimerCharacteristics(binding, ProtocolTimer))
    if pool is None or timer is None:
        return NDIS_STATUS_RESOURCES
    binding.Pool, binding.Timer = pool, timer
    status, handle = NdisOpenAdapterEx(
        ProtocolDriver,
        binding,
        NDIS_OPEN_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x87, 1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1),
            AdapterName=BindParameters.AdapterName,
            MediumArray=(NDIS_MEDIUM.NdisMedium802_3,),
            MediumArraySize=1,
        ),
        BindContext,
    )
    if status == NDIS_STATUS_PENDING:
        NdisWaitEvent(binding.Asked, 0)
        status = NDIS_STATUS(binding.Status)
    if handle is None or status != NDIS_STATUS_SUCCESS:
        ProtocolFree(binding)
        return status
    binding.Handle = handle
    OnBind(binding, BindContext)
    return status


def ProtocolFree(binding: BINDING) -> None:
    """Give everything of the binding back."""
    NdisFreeTimerObject(binding.Timer)
    NdisFreeNetBufferListPool(binding.Pool)
    NdisFreeMemory(binding, 0, 0)


@PROTOCOL_UNBIND_ADAPTER_EX
def ProtocolUnbind(UnbindContext: BindContext, binding: BINDING) -> NDIS_STATUS:
    """Close the adapter."""
    OnUnbind(binding)
    if NdisCloseAdapterEx(binding.Handle) == NDIS_STATUS_PENDING:
        while not NdisWaitEvent(binding.Closed, 1000):
            pass
    ProtocolFree(binding)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def ProtocolOpenComplete(binding: BINDING, Status: NDIS_STATUS) -> None:
    """The answer to ProtocolBind."""
    binding.Status = Status
    NdisSetEvent(binding.Asked)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def ProtocolCloseComplete(binding: BINDING) -> None:
    """A request was still on its way when the adapter was closed."""
    OnClosed(binding)
    NdisSetEvent(binding.Closed)


@PROTOCOL_UNINSTALL
def ProtocolUninstall() -> None:
    """Nothing to be cleaned up."""
    OnUninstall()


@DRIVER_UNLOAD
def ProtocolUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back."""
    OnUnload(DriverObject)
    if ProtocolDriver is not None:
        NdisDeregisterProtocolDriver(ProtocolDriver)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the protocol."""
    global ProtocolDriver
    DriverObject.DriverUnload = ProtocolUnload
    status, ProtocolDriver = NdisRegisterProtocolDriver(
        None,
        NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(0x95, 2, NDIS_SIZEOF_PROTOCOL_DRIVER_CHARACTERISTICS_REVISION_2),
            MajorNdisVersion=6,
            MinorNdisVersion=50,
            Name="SMALL",
            BindAdapterHandlerEx=ProtocolBind,
            UnbindAdapterHandlerEx=ProtocolUnbind,
            OpenAdapterCompleteHandlerEx=ProtocolOpenComplete,
            CloseAdapterCompleteHandlerEx=ProtocolCloseComplete,
            NetPnPEventHandler=ProtocolNetPnPEvent,
            UninstallHandler=ProtocolUninstall,
            OidRequestCompleteHandler=ProtocolOidComplete,
            DirectOidRequestCompleteHandler=ProtocolDirectOidComplete,
            StatusHandlerEx=ProtocolStatus,
            ReceiveNetBufferListsHandler=ProtocolReceive,
            SendNetBufferListsCompleteHandler=ProtocolSendComplete,
        ),
    )
    return status
