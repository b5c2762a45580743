"""ndislwf: a lightweight filter that lets everything pass, until its control tool chooses received frames for a rule.

Law: a list goes on as it came; an OID request goes on as a clone, and its answer is copied back.  Frames that the rule
means wait in a ring of their module, and a work item drops, delays or alters them; what is only lent always passes.
"""

from __future__ import annotations

from typing import Any, Literal

from emulator.ndis import *
from sample_drivers.ndislwf_tool import *

NdisLwfDriver: FilterDriverHandle | None = None
NdisLwfDevice: DeviceHandle | None = None


class LWF_SHARED(NONPAGED):
    """The rule, which is every module's."""

    Lock: NDIS_SPIN_LOCK
    Modules: LIST_ENTRY
    Action: ULONG
    EtherType: ULONG
    Milliseconds: ULONG
    Offset: ULONG
    Value: ULONG
    Counters: Array[LONG, Literal[4]]


Shared = LWF_SHARED()


class MS_FILTER(NONPAGED):
    """One filter module."""

    FilterHandle: FilterModuleHandle
    Lock: NDIS_SPIN_LOCK
    State: ULONG
    PendingOidRequest: PVOID  # the clone that is below, so that it can be cancelled
    Link: LIST_ENTRY
    Item: WorkItemHandle
    Working: ULONG
    Put: ULONG
    Take: ULONG
    Ring: Array[PVOID, Literal[256]]


# -- sends ------------------------------------------------------------------------------------------------------------


@FILTER_SEND_NET_BUFFER_LISTS
def FilterSendNetBufferLists(
    Filter: MS_FILTER, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, SendFlags: int
) -> None:
    """Look at what is sent here; drop a list by completing it, hold it by sending it later."""
    if Filter.State == FilterPaused:
        LwfSetStatus(NetBufferLists, NDIS_STATUS_PAUSED)
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
    """Pass on what is received, but for what the rule chooses."""
    if Filter.State != FilterRunning:
        if Filter.State == FilterChoosing:
            FilterChoose(Filter, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
        elif not ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
            flags = ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL
            NdisFReturnNetBufferLists(Filter.FilterHandle, NetBufferLists, flags)
        return
    NdisFIndicateReceiveNetBufferLists(
        Filter.FilterHandle, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags
    )


def FilterChoose(Filter: MS_FILTER, First: NET_BUFFER_LIST, PortNumber: int, Count: int, ReceiveFlags: int) -> None:
    """Take what the rule means out of the chain, into the ring; pass the rest on."""
    if ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisFIndicateReceiveNetBufferLists(Filter.FilterHandle, First, PortNumber, Count, ReceiveFlags)
        return
    NdisAcquireSpinLock(Filter.Lock)
    passed = LwfTakeChosen(Filter, Shared, First)
    FilterQueueWork(Filter)
    NdisReleaseSpinLock(Filter.Lock)
    if passed is None:
        NdisFReturnNetBufferLists(Filter.FilterHandle, First, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    elif passed:
        NdisFIndicateReceiveNetBufferLists(Filter.FilterHandle, passed[0], PortNumber, len(passed), ReceiveFlags)


def FilterQueueWork(Filter: MS_FILTER) -> None:
    """Under the module's lock: let the work item empty the ring, unless its frames are to be held."""
    if Filter.Take != Filter.Put and not Filter.Working and not (Filter.State and Shared.Action == LwfHold):
        Filter.Working = 1
        NdisQueueIoWorkItem(Filter.Item, FilterWork, Filter)


@NDIS_IO_WORKITEM_FUNCTION
def FilterWork(Filter: MS_FILTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Do to the frames in the ring what the rule says."""
    while True:
        NdisAcquireSpinLock(Filter.Lock)
        if Filter.Take == Filter.Put or (Filter.State and Shared.Action == LwfHold):
            Filter.Working = 0
            NdisReleaseSpinLock(Filter.Lock)
            return
        held = Filter.Ring[Filter.Take % LWF_RING]
        Filter.Take += 1
        NdisReleaseSpinLock(Filter.Lock)
        action = Shared.Action
        if action > LwfHold:
            NdisInterlockedIncrement(Shared.Counters[action - 1])
        if action == LwfDelay and Filter.State:
            NdisMSleep(1000 * Shared.Milliseconds)
        if action == LwfAlter:
            LwfAlterByte(held, Shared.Offset, Shared.Value)
        if not Filter.State or action == LwfDrop:
            NdisFReturnNetBufferLists(Filter.FilterHandle, held, 0)
        else:
            NdisFIndicateReceiveNetBufferLists(Filter.FilterHandle, held, 0, 1, 0)


@FILTER_RETURN_NET_BUFFER_LISTS
def FilterReturnNetBufferLists(Filter: MS_FILTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """What was received comes back."""
    NdisFReturnNetBufferLists(Filter.FilterHandle, NetBufferLists, ReturnFlags)


# -- the control tool -------------------------------------------------------------------------------------------------


@DRIVER_DISPATCH
def FilterDispatch(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """The tool opens or closes the device."""
    return LwfComplete(Irp, STATUS_SUCCESS)


@DRIVER_DISPATCH
def FilterDeviceIoControl(DeviceObject: DEVICE_OBJECT, Irp: IRP) -> int:
    """The tool sets the rule, or asks for the counters."""
    code = IoGetCurrentIrpStackLocation(Irp).Parameters.DeviceIoControl.IoControlCode
    if code == IOCTL_LWF_COUNTERS:
        return LwfTellCounters(Shared, Irp)
    if code != IOCTL_LWF_SET_RULE:
        return LwfComplete(Irp, STATUS_INVALID_DEVICE_REQUEST)
    NdisAcquireSpinLock(Shared.Lock)
    status = LwfTakeRule(Shared, Irp)
    link = Shared.Modules.Flink
    while link != Shared.Modules:
        Filter = CONTAINING_RECORD(link, MS_FILTER, "Link")
        NdisDprAcquireSpinLock(Filter.Lock)
        if Filter.State:
            Filter.State = FilterChoosing if Shared.Action else FilterRunning
        FilterQueueWork(Filter)
        NdisDprReleaseSpinLock(Filter.Lock)
        link = link.Flink
    NdisReleaseSpinLock(Shared.Lock)
    return LwfComplete(Irp, status)


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
        LwfFinishRequest(Filter, clone, status)
    return status


@FILTER_OID_REQUEST_COMPLETE
def FilterOidRequestComplete(Filter: MS_FILTER, Request: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """A clone that was pending is complete, perhaps before NdisFOidRequest has returned."""
    original = LwfFinishRequest(Filter, Request, Status)
    NdisFOidRequestComplete(Filter.FilterHandle, original, Status)


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
    item = NdisAllocateIoWorkItem(NdisFilterHandle)
    if item is None:
        NdisFreeMemory(Filter, 0, 0)
        return NDIS_STATUS_RESOURCES
    Filter.FilterHandle, Filter.Item = NdisFilterHandle, item
    NdisAllocateSpinLock(Filter.Lock)
    status = NdisFSetAttributes(NdisFilterHandle, Filter, LwfModuleAttributes())
    if status != NDIS_STATUS_SUCCESS:
        LwfFree(Filter)
        return status
    Filter.State = FilterPaused
    NdisInterlockedInsertTailList(Shared.Modules, Filter.Link, Shared.Lock)
    DbgPrint("attached to %s", AttachParameters.BaseMiniportInstanceName)
    return NDIS_STATUS_SUCCESS


@FILTER_RESTART
def FilterRestart(Filter: MS_FILTER, RestartParameters: NDIS_FILTER_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Frames may pass; a filter that changes the stack's attributes does it here, in RestartParameters."""
    Filter.State = FilterChoosing if Shared.Action else FilterRunning
    return NDIS_STATUS_SUCCESS


@FILTER_PAUSE
def FilterPause(Filter: MS_FILTER, PauseParameters: NDIS_FILTER_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """No frame passes any more; what is held goes back, in the work item."""
    NdisAcquireSpinLock(Filter.Lock)
    Filter.State = FilterPaused
    FilterQueueWork(Filter)
    NdisReleaseSpinLock(Filter.Lock)
    while Filter.Working:
        NdisMSleep(1000)
    return NDIS_STATUS_SUCCESS


@FILTER_DETACH
def FilterDetach(Filter: MS_FILTER) -> None:
    """Free the module's context."""
    NdisAcquireSpinLock(Shared.Lock)
    RemoveEntryList(Filter.Link)
    NdisReleaseSpinLock(Shared.Lock)
    LwfFree(Filter)


@DRIVER_UNLOAD
def FilterUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back; every module has been detached."""
    if NdisLwfDevice is not None:
        NdisDeregisterDeviceEx(NdisLwfDevice)
    if NdisLwfDriver is not None:
        NdisFDeregisterFilterDriver(NdisLwfDriver)
    NdisFreeSpinLock(Shared.Lock)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the filter driver, and the device of its control tool."""
    global NdisLwfDriver, NdisLwfDevice
    DriverObject.DriverUnload = FilterUnload
    NdisAllocateSpinLock(Shared.Lock)
    InitializeListHead(Shared.Modules)
    status, NdisLwfDriver = NdisFRegisterFilterDriver(
        DriverObject,
        None,
        LwfCharacteristics(
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
    if NdisLwfDriver is None:
        return status
    attributes = LwfDeviceAttributes(DriverObject.DriverName, FilterDispatch, FilterDeviceIoControl)
    status, _, NdisLwfDevice = NdisRegisterDeviceEx(NdisLwfDriver, attributes)
    if status != NDIS_STATUS_SUCCESS:
        NdisFDeregisterFilterDriver(NdisLwfDriver)
    return status
