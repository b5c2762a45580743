"""A small filter driver that keeps every rule: the common part of the bad ones.

Law: correct by itself.  The functions that begin with ``On`` are hooks, which a driver that includes this one replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.ndis import *

TAG: Final = int.from_bytes(b"tliF", "little")

FilterDriver: FilterDriverHandle | None = None


class FILTER(NONPAGED):
    """The context of one module, with room for what a bad driver needs."""

    Handle: FilterModuleHandle
    Item: WorkItemHandle
    Pool: NetBufferListPoolHandle
    Kept: PVOID
    Done: NDIS_EVENT
    Lock: NDIS_SPIN_LOCK
    Running: u32
    Cookie: u64


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterAttach, the attributes set."""
    return NDIS_STATUS_SUCCESS


def OnDetach(filter: FILTER) -> None:
    """Inside FilterDetach."""


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterRestart."""
    return NDIS_STATUS_SUCCESS


def OnPause(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterPause."""
    return NDIS_STATUS_SUCCESS


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Frames on their way down."""
    NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)


def OnSendComplete(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Frames that have been sent; those of the filter's own end here."""
    if nbl.SourceHandle == filter.Handle:
        NdisFreeNetBufferList(nbl)
        NdisSetEvent(filter.Done)
        return
    NdisFSendNetBufferListsComplete(filter.Handle, nbl, flags)


def OnReceive(filter: FILTER, nbl: NET_BUFFER_LIST, count: int, flags: int) -> None:
    """Frames on their way up."""
    NdisFIndicateReceiveNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, count, flags)


def OnReturn(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Frames on their way back."""
    NdisFReturnNetBufferLists(filter.Handle, nbl, flags)


def OnStatus(filter: FILTER, indication: NDIS_STATUS_INDICATION) -> None:
    """What the adapter tells."""
    NdisFIndicateStatus(filter.Handle, indication)


def OnOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Requests on their way down."""
    return FilterPassOn(filter, request, NdisFOidRequest)


def OnOidComplete(filter: FILTER, clone: NDIS_OID_REQUEST, status: NDIS_STATUS) -> None:
    """Answers on their way up."""
    NdisFOidRequestComplete(filter.Handle, FilterFinish(filter, clone), status)


def OnDirectOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Direct requests on their way down."""
    return FilterPassOn(filter, request, NdisFDirectOidRequest)


def OnSynchronousOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Synchronous requests on their way down."""
    return NDIS_STATUS_SUCCESS


def OnSynchronousOidComplete(filter: FILTER, request: NDIS_OID_REQUEST, status: NDIS_STATUS) -> NDIS_STATUS:
    """Synchronous requests on their way up; the status with which they go on."""
    return status


def FilterPassOn(filter: FILTER, request: NDIS_OID_REQUEST, issue: Callable[..., NDIS_STATUS]) -> NDIS_STATUS:
    """Send a clone of a request on; it is finished here, or when it is completed."""
    status, clone = NdisAllocateCloneOidRequest(filter.Handle, request, TAG)
    if clone is None:
        return status
    clone.SourceReserved[0] = request
    status = issue(filter.Handle, clone)
    if status != NDIS_STATUS_PENDING:
        FilterFinish(filter, clone)
    return status


def FilterFinish(filter: FILTER, clone: NDIS_OID_REQUEST) -> NDIS_OID_REQUEST:
    """Copy the answer and free the clone; the request that it was made of."""
    request: NDIS_OID_REQUEST = clone.SourceReserved[0]
    request.DATA.QUERY_INFORMATION.BytesWritten = clone.DATA.QUERY_INFORMATION.BytesWritten
    request.DATA.QUERY_INFORMATION.BytesNeeded = clone.DATA.QUERY_INFORMATION.BytesNeeded
    NdisFreeCloneOidRequest(filter.Handle, clone)
    return request


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Inside DriverUnload, before the registration is taken back."""


def OnSetModuleOptions(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterSetModuleOptions, before each restart."""
    return NDIS_STATUS_SUCCESS


def OnCharacteristics(given: NDIS_FILTER_DRIVER_CHARACTERISTICS) -> None:
    """Before the driver is registered."""


@FILTER_ATTACH
def FilterAttach(
    NdisFilterHandle: FilterModuleHandle, FilterDriverContext: None, AttachParameters: NDIS_FILTER_ATTACH_PARAMETERS
) -> NDIS_STATUS:
    """Make the module's context."""
    filter = NdisAllocateMemoryWithTagPriority(NdisFilterHandle, sizeof(FILTER), TAG, 0)
    if filter is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(filter, sizeof(FILTER))
    filter.Handle = NdisFilterHandle
    NdisInitializeEvent(filter.Done)
    pool = NdisAllocateNetBufferListPool(
        NdisFilterHandle,
        NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1),
            fAllocateNetBuffer=True,
            PoolTag=TAG,
            DataSize=64,
        ),
    )
    if pool is not None:
        filter.Pool = pool
    attributes = NDIS_FILTER_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_ATTRIBUTES,
            NDIS_FILTER_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_FILTER_ATTRIBUTES_REVISION_1,
        )
    )
    status = NdisFSetAttributes(NdisFilterHandle, filter, attributes)
    if status == NDIS_STATUS_SUCCESS:
        status = OnAttach(filter)
    if status != NDIS_STATUS_SUCCESS:
        FilterFree(filter)
    return status


def FilterFree(filter: FILTER) -> None:
    """Give everything of the module back."""
    NdisFreeNetBufferListPool(filter.Pool)
    NdisFreeMemory(filter, 0, 0)


def FilterFrame(filter: FILTER) -> NET_BUFFER_LIST:
    """A frame of the filter's own."""
    nbl = NdisAllocateNetBufferList(filter.Pool, 0, 0)
    assert nbl is not None
    assert nbl.FirstNetBuffer is not None
    nbl.SourceHandle = filter.Handle
    nbl.FirstNetBuffer.DataLength = 60
    data = NdisGetDataBuffer(nbl.FirstNetBuffer, 60, None, 1, 0)
    if data is not None:
        data[0:60] = bytes.fromhex("020000000009 020000000001 88b5").ljust(60, b"\0")
    return nbl


@FILTER_SET_MODULE_OPTIONS
def FilterSetModuleOptions(filter: FILTER) -> NDIS_STATUS:
    """Before each restart."""
    return OnSetModuleOptions(filter)


@FILTER_DETACH
def FilterDetach(filter: FILTER) -> None:
    """Free the module's context."""
    OnDetach(filter)
    FilterFree(filter)


@FILTER_RESTART
def FilterRestart(filter: FILTER, RestartParameters: NDIS_FILTER_RESTART_PARAMETERS) -> NDIS_STATUS:
    """From here on frames pass."""
    filter.Running = 1
    return OnRestart(filter)


@FILTER_PAUSE
def FilterPause(filter: FILTER, PauseParameters: NDIS_FILTER_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """From here on none do."""
    filter.Running = 0
    return OnPause(filter)


@FILTER_SEND_NET_BUFFER_LISTS
def FilterSend(filter: FILTER, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """Frames on their way down."""
    OnSend(filter, NetBufferList, SendFlags)


@FILTER_SEND_NET_BUFFER_LISTS_COMPLETE
def FilterSendComplete(filter: FILTER, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Frames that have been sent."""
    OnSendComplete(filter, NetBufferList, SendCompleteFlags)


@FILTER_CANCEL_SEND_NET_BUFFER_LISTS
def FilterCancelSend(filter: FILTER, CancelId: Any) -> None:
    """Nothing is queued here."""
    NdisFCancelSendNetBufferLists(filter.Handle, CancelId)


@FILTER_RECEIVE_NET_BUFFER_LISTS
def FilterReceive(
    filter: FILTER, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Frames on their way up."""
    OnReceive(filter, NetBufferLists, NumberOfNetBufferLists, ReceiveFlags)


@FILTER_RETURN_NET_BUFFER_LISTS
def FilterReturn(filter: FILTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """Frames on their way back."""
    OnReturn(filter, NetBufferLists, ReturnFlags)


@FILTER_OID_REQUEST
def FilterOid(filter: FILTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Requests on their way down."""
    return OnOid(filter, OidRequest)


@FILTER_OID_REQUEST_COMPLETE
def FilterOidComplete(filter: FILTER, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Answers on their way up."""
    OnOidComplete(filter, OidRequest, Status)


@FILTER_DIRECT_OID_REQUEST
def FilterDirectOid(filter: FILTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Direct requests on their way down."""
    return OnDirectOid(filter, OidRequest)


@FILTER_DIRECT_OID_REQUEST_COMPLETE
def FilterDirectOidComplete(filter: FILTER, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Answers on their way up."""
    NdisFDirectOidRequestComplete(filter.Handle, FilterFinish(filter, OidRequest), Status)


@FILTER_SYNCHRONOUS_OID_REQUEST
def FilterSynchronousOid(filter: FILTER, OidRequest: NDIS_OID_REQUEST) -> tuple[NDIS_STATUS, Any]:
    """Synchronous requests on their way down."""
    return OnSynchronousOid(filter, OidRequest), None


@FILTER_SYNCHRONOUS_OID_REQUEST_COMPLETE
def FilterSynchronousOidComplete(
    filter: FILTER, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS, CallContext: Any
) -> NDIS_STATUS:
    """Synchronous requests on their way up."""
    return OnSynchronousOidComplete(filter, OidRequest, Status)


@FILTER_STATUS
def FilterStatus(filter: FILTER, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """What the adapter tells."""
    OnStatus(filter, StatusIndication)


@DRIVER_UNLOAD
def FilterUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back."""
    OnUnload(DriverObject)
    if FilterDriver is not None:
        NdisFDeregisterFilterDriver(FilterDriver)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the filter."""
    global FilterDriver
    DriverObject.DriverUnload = FilterUnload
    given = NDIS_FILTER_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_DRIVER_CHARACTERISTICS,
            NDIS_FILTER_CHARACTERISTICS_REVISION_3,
            NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_3,
        ),
        MajorNdisVersion=NDIS_FILTER_MAJOR_VERSION,
        MinorNdisVersion=NDIS_FILTER_MINOR_VERSION,
        FriendlyName="Small filter",
        UniqueName="{5cbf81bd-5055-47cd-9055-a76b2b4e3698}",
        ServiceName="SMALLLWF",
        SetFilterModuleOptionsHandler=FilterSetModuleOptions,
        AttachHandler=FilterAttach,
        DetachHandler=FilterDetach,
        RestartHandler=FilterRestart,
        PauseHandler=FilterPause,
        SendNetBufferListsHandler=FilterSend,
        SendNetBufferListsCompleteHandler=FilterSendComplete,
        CancelSendNetBufferListsHandler=FilterCancelSend,
        ReceiveNetBufferListsHandler=FilterReceive,
        ReturnNetBufferListsHandler=FilterReturn,
        OidRequestHandler=FilterOid,
        OidRequestCompleteHandler=FilterOidComplete,
        StatusHandler=FilterStatus,
        DirectOidRequestHandler=FilterDirectOid,
        DirectOidRequestCompleteHandler=FilterDirectOidComplete,
        SynchronousOidRequestHandler=FilterSynchronousOid,
        SynchronousOidRequestCompleteHandler=FilterSynchronousOidComplete,
    )
    OnCharacteristics(given)
    status, FilterDriver = NdisFRegisterFilterDriver(DriverObject, None, given)
    return status
