"""ndislwf: a lightweight filter that lets everything pass, as the WDK's sample of this name; begin your own with it.

Law: a list goes on as it came; an OID request goes on as a clone, and its answer is copied back.
"""

from __future__ import annotations

from typing import Any, Final

from emulator.ndis import *

FILTER_TAG: Final = int.from_bytes(b"Fwln", "little")
FILTER_FRIENDLY_NAME: Final = "NDIS Sample LightWeight Filter"
FILTER_UNIQUE_NAME: Final = "{5cbf81bd-5055-47cd-9055-a76b2b4e3697}"
FILTER_SERVICE_NAME: Final = "NDISLWF"

FilterPaused, FilterRunning = 0, 1

NdisLwfDriver: FilterDriverHandle | None = None


class MS_FILTER(NONPAGED):
    """One filter module."""

    FilterHandle: FilterModuleHandle
    Lock: NDIS_SPIN_LOCK
    State: u32
    PendingOidRequest: PVOID
    """The clone that is below, so that it can be cancelled."""


# -- sends ------------------------------------------------------------------------------------------------------------


@FILTER_SEND_NET_BUFFER_LISTS
def FilterSendNetBufferLists(
    Filter: MS_FILTER, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, SendFlags: int
) -> None:
    """Look at what is sent here; drop a list by completing it, hold it by sending it later."""
    if Filter.State != FilterRunning:
        current: NET_BUFFER_LIST | None = NetBufferLists
        while current is not None:
            current.Status = NDIS_STATUS_PAUSED
            current = current.Next
        flags = SendFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL
        NdisFSendNetBufferListsComplete(Filter.FilterHandle, NetBufferLists, flags)
        return
    NdisFSendNetBufferLists(Filter.FilterHandle, NetBufferLists, PortNumber, SendFlags)


@FILTER_SEND_NET_BUFFER_LISTS_COMPLETE
def FilterSendNetBufferListsComplete(
    Filter: MS_FILTER, NetBufferLists: NET_BUFFER_LIST, SendCompleteFlags: int
) -> None:
    """What was sent is done.  A filter that sends lists of its own finds them here by their SourceHandle."""
    NdisFSendNetBufferListsComplete(Filter.FilterHandle, NetBufferLists, SendCompleteFlags)


@FILTER_CANCEL_SEND_NET_BUFFER_LISTS
def FilterCancelSendNetBufferLists(Filter: MS_FILTER, CancelId: Any) -> None:
    """Nothing is queued here; what is below may have it."""
    NdisFCancelSendNetBufferLists(Filter.FilterHandle, CancelId)


# -- receives ---------------------------------------------------------------------------------------------------------


@FILTER_RECEIVE_NET_BUFFER_LISTS
def FilterReceiveNetBufferLists(
    Filter: MS_FILTER,
    NetBufferLists: NET_BUFFER_LIST,
    PortNumber: int,
    NumberOfNetBufferLists: int,
    ReceiveFlags: int,
) -> None:
    """Look at what is received here; drop a list by returning it, unless it is only lent (RESOURCES)."""
    if Filter.State != FilterRunning:
        if not ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
            flags = ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL
            NdisFReturnNetBufferLists(Filter.FilterHandle, NetBufferLists, flags)
        return
    NdisFIndicateReceiveNetBufferLists(
        Filter.FilterHandle, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags
    )


@FILTER_RETURN_NET_BUFFER_LISTS
def FilterReturnNetBufferLists(Filter: MS_FILTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """What was received comes back."""
    NdisFReturnNetBufferLists(Filter.FilterHandle, NetBufferLists, ReturnFlags)


# -- OID requests -----------------------------------------------------------------------------------------------------


@FILTER_OID_REQUEST
def FilterOidRequest(Filter: MS_FILTER, Request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Pass a request on as a clone, which remembers it; complete it when the clone is complete."""
    status, clone = NdisAllocateCloneOidRequest(Filter.FilterHandle, Request, FILTER_TAG)
    if clone is None:
        return status
    clone.SourceReserved[0] = Request
    clone.RequestId = Request.RequestId
    NdisAcquireSpinLock(Filter.Lock)
    Filter.PendingOidRequest = clone
    NdisReleaseSpinLock(Filter.Lock)
    status = NdisFOidRequest(Filter.FilterHandle, clone)
    if status != NDIS_STATUS_PENDING:
        # It is complete, and FilterOidRequestComplete is not called: this request does not pend either.
        FilterFinishRequest(Filter, clone, status)
    return status


@FILTER_OID_REQUEST_COMPLETE
def FilterOidRequestComplete(Filter: MS_FILTER, Request: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """A clone that was pending is complete, perhaps before NdisFOidRequest has returned."""
    original = FilterFinishRequest(Filter, Request, Status)
    NdisFOidRequestComplete(Filter.FilterHandle, original, Status)


def FilterFinishRequest(Filter: MS_FILTER, Clone: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> NDIS_OID_REQUEST:
    """Copy what the clone brought to the request that it was made of, and free it; that request."""
    original: NDIS_OID_REQUEST = Clone.SourceReserved[0]
    NdisAcquireSpinLock(Filter.Lock)
    Filter.PendingOidRequest = None
    NdisReleaseSpinLock(Filter.Lock)
    if Clone.RequestType == NDIS_REQUEST_TYPE.NdisRequestMethod:
        answer, asked = Clone.DATA.METHOD_INFORMATION, original.DATA.METHOD_INFORMATION
        asked.OutputBufferLength = answer.OutputBufferLength
        asked.BytesRead, asked.BytesNeeded = answer.BytesRead, answer.BytesNeeded
        asked.BytesWritten = answer.BytesWritten
    elif Clone.RequestType == NDIS_REQUEST_TYPE.NdisRequestSetInformation:
        original.DATA.SET_INFORMATION.BytesRead = Clone.DATA.SET_INFORMATION.BytesRead
        original.DATA.SET_INFORMATION.BytesNeeded = Clone.DATA.SET_INFORMATION.BytesNeeded
    else:
        original.DATA.QUERY_INFORMATION.BytesWritten = Clone.DATA.QUERY_INFORMATION.BytesWritten
        original.DATA.QUERY_INFORMATION.BytesNeeded = Clone.DATA.QUERY_INFORMATION.BytesNeeded
    NdisFreeCloneOidRequest(Filter.FilterHandle, Clone)
    return original


@FILTER_CANCEL_OID_REQUEST
def FilterCancelOidRequest(Filter: MS_FILTER, RequestId: Any) -> None:
    """Cancel the clone of the request that is to be cancelled."""
    NdisAcquireSpinLock(Filter.Lock)
    clone = Filter.PendingOidRequest
    cancels = clone is not None and clone.RequestId == RequestId
    NdisReleaseSpinLock(Filter.Lock)
    if cancels:
        NdisFCancelOidRequest(Filter.FilterHandle, RequestId)


# -- status and PnP events --------------------------------------------------------------------------------------------


@FILTER_STATUS
def FilterStatus(Filter: MS_FILTER, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Pass on what the adapter tells."""
    NdisFIndicateStatus(Filter.FilterHandle, StatusIndication)


@FILTER_DEVICE_PNP_EVENT_NOTIFY
def FilterDevicePnPEventNotify(Filter: MS_FILTER, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """Pass on what happens to the device."""
    NdisFDevicePnPEventNotify(Filter.FilterHandle, NetDevicePnPEvent)


@FILTER_NET_PNP_EVENT
def FilterNetPnPEvent(Filter: MS_FILTER, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Pass on what happens to the network."""
    return NdisFNetPnPEvent(Filter.FilterHandle, NetPnPEventNotification)


# -- attach, restart, pause, detach -----------------------------------------------------------------------------------


@FILTER_ATTACH
def FilterAttach(
    NdisFilterHandle: FilterModuleHandle, FilterDriverContext: None, AttachParameters: NDIS_FILTER_ATTACH_PARAMETERS
) -> NDIS_STATUS:
    """Make the module's context; only Ethernet is wanted."""
    if AttachParameters.MiniportMediaType != NDIS_MEDIUM.NdisMedium802_3:
        return NDIS_STATUS_INVALID_PARAMETER
    Filter = NdisAllocateMemoryWithTagPriority(NdisFilterHandle, sizeof(MS_FILTER), FILTER_TAG, NormalPoolPriority)
    if Filter is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Filter, sizeof(MS_FILTER))
    Filter.FilterHandle = NdisFilterHandle
    NdisAllocateSpinLock(Filter.Lock)
    attributes = NDIS_FILTER_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_ATTRIBUTES,
            NDIS_FILTER_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_FILTER_ATTRIBUTES_REVISION_1,
        )
    )
    status = NdisFSetAttributes(NdisFilterHandle, Filter, attributes)
    if status != NDIS_STATUS_SUCCESS:
        NdisFreeSpinLock(Filter.Lock)
        NdisFreeMemory(Filter, 0, 0)
        return status
    Filter.State = FilterPaused
    DbgPrint("attached to %s", AttachParameters.BaseMiniportInstanceName)
    return NDIS_STATUS_SUCCESS


@FILTER_RESTART
def FilterRestart(Filter: MS_FILTER, RestartParameters: NDIS_FILTER_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Frames may pass; a filter that changes the stack's attributes does it here, in RestartParameters."""
    Filter.State = FilterRunning
    return NDIS_STATUS_SUCCESS


@FILTER_PAUSE
def FilterPause(Filter: MS_FILTER, PauseParameters: NDIS_FILTER_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """No frame passes any more.  A filter that holds lists gives them back here; this one holds none."""
    Filter.State = FilterPaused
    return NDIS_STATUS_SUCCESS


@FILTER_DETACH
def FilterDetach(Filter: MS_FILTER) -> None:
    """Free the module's context."""
    NdisFreeSpinLock(Filter.Lock)
    NdisFreeMemory(Filter, 0, 0)


@DRIVER_UNLOAD
def FilterUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back; every module has been detached."""
    if NdisLwfDriver is not None:
        NdisFDeregisterFilterDriver(NdisLwfDriver)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the filter driver."""
    global NdisLwfDriver
    DriverObject.DriverUnload = FilterUnload
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_FILTER_DRIVER_CHARACTERISTICS,
        NDIS_FILTER_CHARACTERISTICS_REVISION_2,
        NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_2,
    )
    status, NdisLwfDriver = NdisFRegisterFilterDriver(
        DriverObject,
        None,
        NDIS_FILTER_DRIVER_CHARACTERISTICS(
            Header=header,
            MajorNdisVersion=NDIS_FILTER_MAJOR_VERSION,
            MinorNdisVersion=NDIS_FILTER_MINOR_VERSION,
            MajorDriverVersion=1,
            MinorDriverVersion=0,
            FriendlyName=FILTER_FRIENDLY_NAME,
            UniqueName=FILTER_UNIQUE_NAME,
            ServiceName=FILTER_SERVICE_NAME,
            AttachHandler=FilterAttach,
            DetachHandler=FilterDetach,
            RestartHandler=FilterRestart,
            PauseHandler=FilterPause,
            SendNetBufferListsHandler=FilterSendNetBufferLists,
            SendNetBufferListsCompleteHandler=FilterSendNetBufferListsComplete,
            CancelSendNetBufferListsHandler=FilterCancelSendNetBufferLists,
            ReceiveNetBufferListsHandler=FilterReceiveNetBufferLists,
            ReturnNetBufferListsHandler=FilterReturnNetBufferLists,
            OidRequestHandler=FilterOidRequest,
            OidRequestCompleteHandler=FilterOidRequestComplete,
            CancelOidRequestHandler=FilterCancelOidRequest,
            DevicePnPEventNotifyHandler=FilterDevicePnPEventNotify,
            NetPnPEventHandler=FilterNetPnPEvent,
            StatusHandler=FilterStatus,
        ),
    )
    return status
