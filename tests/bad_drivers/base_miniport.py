"""A small miniport that keeps every rule: the common part of the bad ones, and the adapter below the bad protocols.

Law: correct by itself.  The functions that begin with ``On`` are hooks, which a driver that includes this one replaces;
what is sent comes back as a received frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.ndis import *

TAG: Final = int.from_bytes(b"iniM", "little")
MAC: Final = bytes.fromhex("020000000001")
MILLISECOND: Final = -10_000
FLAGS: Final = NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND | NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER

MiniportDriver: MiniportDriverHandle | None = None


class ADAPTER(NONPAGED):
    """The context of one adapter, with room for what a bad driver needs."""

    Handle: AdapterHandle
    Timer: TimerHandle
    Pool: NetBufferListPoolHandle
    Item: WorkItemHandle
    Interrupt: InterruptHandle
    SpareTimer: TimerHandle
    Poll: NDIS_POLL_HANDLE
    Dma: DmaHandle
    Log: LogHandle
    SGList: PVOID
    Lock: NDIS_SPIN_LOCK
    ReadWrite: NDIS_RW_LOCK
    Head: LIST_ENTRY
    Link: LIST_ENTRY
    OtherLink: LIST_ENTRY
    Lookaside: NPAGED_LOOKASIDE_LIST
    Mutex: KMUTEX
    Dpc: KDPC
    Deferred: WORK_QUEUE_ITEM
    KernelLock: KSPIN_LOCK
    Event: NDIS_EVENT
    Count: LONG
    Ticks: LONG
    Memory: PVOID
    List: PVOID


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    """Inside MiniportInitializeEx, the attributes set."""
    return NDIS_STATUS_SUCCESS


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    """Inside MiniportRestart, at PASSIVE_LEVEL."""
    return NDIS_STATUS_SUCCESS


def OnTimer(adapter: ADAPTER) -> None:
    """A millisecond after each restart, at DISPATCH_LEVEL."""


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    """Frames to be sent, at DISPATCH_LEVEL."""
    NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)


def OnIndicate(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    """A frame that was received, at DISPATCH_LEVEL: given to the protocol, and then another one that is only lent."""
    NdisMIndicateReceiveNetBufferLists(adapter.Handle, nbl, 0, 1, NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL)
    lent = MPFrame(adapter)
    if lent is not None:
        flags = NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL | NDIS_RECEIVE_FLAGS_RESOURCES
        NdisMIndicateReceiveNetBufferLists(adapter.Handle, lent, 0, 1, flags)
        NdisFreeNetBufferList(lent)


def OnCancelSend(adapter: ADAPTER, cancel_id: int) -> None:
    """Sends that the protocol does not want any more."""


def OnReturn(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    """Received frames that come back."""
    NdisFreeNetBufferList(nbl)


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """A request of the protocol."""
    return NDIS_STATUS_SUCCESS


def OnDirectOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """A direct request of the protocol."""
    return NDIS_STATUS_SUCCESS


def OnSynchronousOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """A synchronous request of the protocol."""
    return NDIS_STATUS_SUCCESS


def OnCheckForHang(adapter: ADAPTER) -> bool:
    """Every two seconds, at PASSIVE_LEVEL."""
    return False


def OnReset(adapter: ADAPTER) -> ResetResult:
    """Inside MiniportResetEx, at DISPATCH_LEVEL."""
    return ResetResult(NDIS_STATUS_SUCCESS, False)


def OnEvent(adapter: ADAPTER, event: NET_DEVICE_PNP_EVENT) -> None:
    """A device PnP event, at PASSIVE_LEVEL."""


def OnShutdown(adapter: ADAPTER, action: NDIS_SHUTDOWN_ACTION) -> None:
    """The end of the computer: at PASSIVE_LEVEL when it is switched off."""


def OnPauseReason(adapter: ADAPTER, reason: int) -> None:
    """Why it is paused, before OnPause."""


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    """Inside MiniportPause, at PASSIVE_LEVEL."""
    return NDIS_STATUS_SUCCESS


def OnHaltAction(action: NDIS_HALT_ACTION) -> None:
    """Why it is halted, before OnHalt."""


def OnHalt(adapter: ADAPTER) -> None:
    """Inside MiniportHaltEx, at PASSIVE_LEVEL."""


def OnSetOptions(handle: MiniportDriverHandle) -> NDIS_STATUS:
    """Inside SetOptions, in DriverEntry."""
    return NDIS_STATUS_SUCCESS


def OnAddDevice(handle: AdapterHandle) -> NDIS_STATUS:
    """Inside MiniportAddDevice, where OnSetOptions has set it."""
    return NDIS_STATUS_SUCCESS


def OnStartDevice(Irp: IRP) -> NDIS_STATUS:
    """Inside MiniportStartDevice, after MiniportAddDevice."""
    return NDIS_STATUS_SUCCESS


def OnFilterResourceRequirements(Irp: IRP) -> NDIS_STATUS:
    """Inside MiniportFilterResourceRequirements, between MiniportAddDevice and MiniportStartDevice."""
    return NDIS_STATUS_SUCCESS


def OnRemoveDevice(context: Any) -> None:
    """Inside MiniportRemoveDevice."""


def OnUnload(driver: MiniportDriverHandle) -> None:
    """Inside MiniportDriverUnload, at PASSIVE_LEVEL."""


@NDIS_TIMER_FUNCTION
def MPTimer(first: Any, adapter: ADAPTER, second: Any, third: Any) -> None:
    """The timer of each restart."""
    NdisInterlockedIncrement(adapter.Ticks)
    OnTimer(adapter)


@NDIS_TIMER_FUNCTION
def Tick(first: Any, adapter: ADAPTER, second: Any, third: Any) -> None:
    """A spare timer's routine."""
    NdisInterlockedIncrement(adapter.Count)


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    """A work item's routine."""
    NdisInterlockedIncrement(adapter.Count)


@WORKER_THREAD_ROUTINE
def Deferred(adapter: ADAPTER) -> None:
    """The routine of a work item of the executive's."""
    NdisInterlockedIncrement(adapter.Count)


@MINIPORT_ISR
def Isr(adapter: ADAPTER) -> tuple[bool, bool, int]:
    """No interrupt is ours."""
    return False, False, 0


@MINIPORT_INTERRUPT_DPC
def Dpc(adapter: ADAPTER, context: Any, throttle: Any, reserved: Any) -> None:
    """Nothing to be done."""


def TimerCharacteristics(adapter: ADAPTER, function: Callable[..., None]) -> NDIS_TIMER_CHARACTERISTICS:
    """What NDIS is told of a timer."""
    header = NDIS_OBJECT_HEADER(0x97, 1, NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1)
    return NDIS_TIMER_CHARACTERISTICS(Header=header, AllocationTag=TAG, TimerFunction=function, FunctionContext=adapter)


def InterruptCharacteristics() -> NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS:
    """What NDIS is told of an interrupt."""
    header = NDIS_OBJECT_HEADER(0x84, 1, NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1)
    return NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS(Header=header, InterruptHandler=Isr, InterruptDpcHandler=Dpc)


def PoolParameters() -> NET_BUFFER_LIST_POOL_PARAMETERS:
    """What NDIS is told of a pool: lists with one small NET_BUFFER each."""
    header = NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1)
    return NET_BUFFER_LIST_POOL_PARAMETERS(Header=header, fAllocateNetBuffer=True, PoolTag=TAG, DataSize=64)


def ConfigurationObject(adapter: ADAPTER) -> NDIS_CONFIGURATION_OBJECT:
    """What NDIS is told when the adapter's configuration is opened."""
    header = NDIS_OBJECT_HEADER(0xA9, 1, NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1)
    return NDIS_CONFIGURATION_OBJECT(Header=header, NdisHandle=adapter.Handle)


def StatusIndication(handle: AdapterHandle) -> NDIS_STATUS_INDICATION:
    """A status of no consequence."""
    header = NDIS_OBJECT_HEADER(0x98, 1, NDIS_SIZEOF_STATUS_INDICATION_REVISION_1)
    code = NDIS_STATUS_MEDIA_SPECIFIC_INDICATION
    return NDIS_STATUS_INDICATION(Header=header, SourceHandle=handle, StatusCode=code)


def RegistrationAttributes(adapter: ADAPTER) -> NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES:
    """The first attributes that a miniport sets."""
    header = NDIS_OBJECT_HEADER(0x9E, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1)
    return NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(
        Header=header, MiniportAdapterContext=adapter, AttributeFlags=FLAGS
    )


def GeneralAttributes() -> NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES:
    """The attributes that every miniport sets then."""
    header = NDIS_OBJECT_HEADER(0x9F, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1)
    return NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
        Header=header,
        MtuSize=1500,
        MaxXmitLinkSpeed=1_000_000_000,
        XmitLinkSpeed=1_000_000_000,
        MaxRcvLinkSpeed=1_000_000_000,
        RcvLinkSpeed=1_000_000_000,
        MediaConnectState=NDIS_MEDIA_CONNECT_STATE.MediaConnectStateConnected,
        LookaheadSize=1500,
        SupportedPacketFilters=0x2F,
        MaxMulticastListSize=8,
        MacAddressLength=6,
        PermanentMacAddress=MAC,
        CurrentMacAddress=MAC,
    )


@MINIPORT_PROCESS_SG_LIST
def ProcessList(device: None, reserved: None, sgl: SCATTER_GATHER_LIST, adapter: ADAPTER) -> None:
    """A scatter/gather list has been built."""
    adapter.SGList = sgl


def RegisterDma(adapter: ADAPTER, complete: Callable[..., None] | None = None) -> NDIS_STATUS:
    """Make the adapter one that masters its bus."""
    header = NDIS_OBJECT_HEADER(0x83, 1, NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1)
    description = NDIS_SG_DMA_DESCRIPTION(
        Header=header,
        MaximumPhysicalMapping=2048,
        ProcessSGListHandler=ProcessList,
        SharedMemAllocateCompleteHandler=complete,
    )
    status, dma = NdisMRegisterScatterGatherDma(adapter.Handle, description)
    if dma is not None:
        adapter.Dma = dma
    return status


def DeviceAttributes() -> NDIS_DEVICE_OBJECT_ATTRIBUTES:
    """What NDIS is told of a device for programs."""
    header = NDIS_OBJECT_HEADER(0x85, 1, NDIS_SIZEOF_DEVICE_OBJECT_ATTRIBUTES_REVISION_1)
    return NDIS_DEVICE_OBJECT_ATTRIBUTES(Header=header, DeviceName=r"\Device\Small", SymbolicName=r"\DosDevices\Small")


def RegisterInterrupt(adapter: ADAPTER) -> NDIS_STATUS:
    """Connect the adapter's interrupt."""
    status, interrupt = NdisMRegisterInterruptEx(adapter.Handle, adapter, InterruptCharacteristics())
    if interrupt is not None:
        adapter.Interrupt = interrupt
    return status


def QueueWork(adapter: ADAPTER) -> NDIS_STATUS:
    """Queue a new work item for Work, a hook, which may free it."""
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    NdisQueueIoWorkItem(item, Work, adapter)
    return NDIS_STATUS_SUCCESS


def MPAllocate(adapter: ADAPTER) -> NDIS_STATUS:
    """The timer and the pool."""
    status, timer = NdisAllocateTimerObject(adapter.Handle, TimerCharacteristics(adapter, MPTimer))
    pool = NdisAllocateNetBufferListPool(adapter.Handle, PoolParameters())
    if timer is None or pool is None:
        return NDIS_STATUS_RESOURCES
    adapter.Timer, adapter.Pool = timer, pool
    return status


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    """A hook: tell NDIS the attributes."""
    return SetAttributes(adapter)


def SetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    """Registration attributes, then the general ones."""
    status = NdisMSetMiniportAttributes(adapter.Handle, RegistrationAttributes(adapter))
    if status == NDIS_STATUS_SUCCESS:
        status = NdisMSetMiniportAttributes(adapter.Handle, GeneralAttributes())
    return status


@SET_OPTIONS
def MPSetOptions(NdisDriverHandle: MiniportDriverHandle, DriverContext: None) -> NDIS_STATUS:
    """Inside NdisMRegisterMiniportDriver."""
    return OnSetOptions(NdisDriverHandle)


@MINIPORT_ADD_DEVICE
def MPAddDevice(NdisMiniportHandle: AdapterHandle, MiniportDriverContext: None) -> NDIS_STATUS:
    """Before the adapter is initialized."""
    return OnAddDevice(NdisMiniportHandle)


@MINIPORT_PNP_IRP
def MPStartDevice(MiniportAddDeviceContext: Any, Irp: IRP) -> NDIS_STATUS:
    """Its resources are known."""
    return OnStartDevice(Irp)


@MINIPORT_PNP_IRP
def MPFilterResourceRequirements(MiniportAddDeviceContext: Any, Irp: IRP) -> NDIS_STATUS:
    """What it needs may be changed."""
    return OnFilterResourceRequirements(Irp)


@MINIPORT_REMOVE_DEVICE
def MPRemoveDevice(MiniportAddDeviceContext: Any) -> None:
    """After it has been halted."""
    OnRemoveDevice(MiniportAddDeviceContext)


def PnpCharacteristics() -> NDIS_MINIPORT_PNP_CHARACTERISTICS:
    """What NDIS is told inside SetOptions."""
    return NDIS_MINIPORT_PNP_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(0x92, 1, NDIS_SIZEOF_MINIPORT_PNP_CHARACTERISTICS_REVISION_1),
        MiniportAddDeviceHandler=MPAddDevice,
        MiniportRemoveDeviceHandler=MPRemoveDevice,
        MiniportStartDeviceHandler=MPStartDevice,
        MiniportFilterResourceRequirementsHandler=MPFilterResourceRequirements,
    )


@MINIPORT_INITIALIZE
def MPInitializeEx(
    NdisMiniportHandle: AdapterHandle,
    MiniportDriverContext: None,
    MiniportInitParameters: NDIS_MINIPORT_INIT_PARAMETERS,
) -> NDIS_STATUS:
    """Make the adapter's context and what belongs to it."""
    adapter = NdisAllocateMemoryWithTagPriority(NdisMiniportHandle, sizeof(ADAPTER), TAG, 0)
    if adapter is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(adapter, sizeof(ADAPTER))
    adapter.Handle = NdisMiniportHandle
    NdisAllocateSpinLock(adapter.Lock)
    NdisInitializeEvent(adapter.Event)
    status = MPSetAttributes(adapter)
    if status == NDIS_STATUS_SUCCESS:
        status = MPAllocate(adapter)
    if status == NDIS_STATUS_SUCCESS:
        status = OnInitialize(adapter)
    if status != NDIS_STATUS_SUCCESS:
        MPFree(adapter)
    return status


def MPFree(adapter: ADAPTER) -> None:
    """Give everything of the adapter back."""
    if adapter.Timer:
        NdisFreeTimerObject(adapter.Timer)
    if adapter.Pool:
        NdisFreeNetBufferListPool(adapter.Pool)
    NdisFreeSpinLock(adapter.Lock)
    NdisFreeMemory(adapter, 0, 0)


@MINIPORT_RESTART
def MPRestart(adapter: ADAPTER, MiniportRestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Let the timer fire in a millisecond."""
    NdisSetTimerObject(adapter.Timer, MILLISECOND, 0, None)
    return OnRestart(adapter)


@MINIPORT_PAUSE
def MPPause(adapter: ADAPTER, MiniportPauseParameters: NDIS_MINIPORT_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """Nothing is kept here, so there is nothing to wait for."""
    NdisCancelTimerObject(adapter.Timer)
    OnPauseReason(adapter, MiniportPauseParameters.PauseReason)
    return OnPause(adapter)


@MINIPORT_HALT
def MPHaltEx(adapter: ADAPTER, HaltAction: NDIS_HALT_ACTION) -> None:
    """Give everything back."""
    OnHaltAction(HaltAction)
    OnHalt(adapter)
    MPFree(adapter)


@MINIPORT_SEND_NET_BUFFER_LISTS
def MPSendNetBufferLists(adapter: ADAPTER, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """Complete what is to be sent, and receive a frame."""
    OnSend(adapter, NetBufferList)
    nbl = MPFrame(adapter)
    if nbl is not None:
        OnIndicate(adapter, nbl)


def MPFrame(adapter: ADAPTER) -> NET_BUFFER_LIST | None:
    """A frame for the adapter, ready to be indicated."""
    nbl = NdisAllocateNetBufferList(adapter.Pool, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return None
    nbl.SourceHandle = adapter.Handle
    nbl.FirstNetBuffer.DataLength = 60
    data = NdisGetDataBuffer(nbl.FirstNetBuffer, 60, None, 1, 0)
    if data is not None:
        data[0:60] = (MAC + MAC[:5] + b"\x02\x88\xb5").ljust(60, b"\0")
    return nbl


@MINIPORT_RETURN_NET_BUFFER_LISTS
def MPReturnNetBufferLists(adapter: ADAPTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """A received frame is back."""
    OnReturn(adapter, NetBufferLists)


@MINIPORT_CANCEL_SEND
def MPCancelSend(adapter: ADAPTER, CancelId: int) -> None:
    """Nothing is kept here."""
    OnCancelSend(adapter, CancelId)


@MINIPORT_OID_REQUEST
def MPOidRequest(adapter: ADAPTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Whatever is asked."""
    return OnOid(adapter, OidRequest)


@MINIPORT_CANCEL_OID_REQUEST
def MPCancelOidRequest(adapter: ADAPTER, RequestId: Any) -> None:
    """Nothing is kept here."""


@MINIPORT_DIRECT_OID_REQUEST
def MPDirectOidRequest(adapter: ADAPTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Whatever is asked."""
    return OnDirectOid(adapter, OidRequest)


@MINIPORT_CANCEL_DIRECT_OID_REQUEST
def MPCancelDirectOidRequest(adapter: ADAPTER, RequestId: Any) -> None:
    """Nothing is kept here."""


@MINIPORT_SYNCHRONOUS_OID_REQUEST
def MPSynchronousOidRequest(adapter: ADAPTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Whatever is asked."""
    return OnSynchronousOid(adapter, OidRequest)


@MINIPORT_CHECK_FOR_HANG
def MPCheckForHangEx(adapter: ADAPTER) -> bool:
    """Is the hardware well?"""
    return OnCheckForHang(adapter)


@MINIPORT_RESET
def MPResetEx(adapter: ADAPTER) -> ResetResult:
    """There is no hardware to be reset."""
    return OnReset(adapter)


@MINIPORT_DEVICE_PNP_EVENT_NOTIFY
def MPDevicePnPEvent(adapter: ADAPTER, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """Whatever happens to the device."""
    OnEvent(adapter, NetDevicePnPEvent)


@MINIPORT_SHUTDOWN
def MPShutdownEx(adapter: ADAPTER, ShutdownAction: NDIS_SHUTDOWN_ACTION) -> None:
    """Nothing is freed."""
    OnShutdown(adapter, ShutdownAction)


@MINIPORT_UNLOAD
def MPUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back."""
    if MiniportDriver is not None:
        OnUnload(MiniportDriver)
        NdisMDeregisterMiniportDriver(MiniportDriver)


def MPCharacteristics() -> NDIS_MINIPORT_DRIVER_CHARACTERISTICS:
    """A hook: what NDIS is told of the driver."""
    return Characteristics()


def Characteristics() -> NDIS_MINIPORT_DRIVER_CHARACTERISTICS:
    """Every handler that NDIS demands."""
    return NDIS_MINIPORT_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(0x8A, 3, NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_3),
        MajorNdisVersion=6,
        MinorNdisVersion=80,
        SetOptionsHandler=MPSetOptions,
        InitializeHandlerEx=MPInitializeEx,
        HaltHandlerEx=MPHaltEx,
        UnloadHandler=MPUnload,
        PauseHandler=MPPause,
        RestartHandler=MPRestart,
        OidRequestHandler=MPOidRequest,
        SendNetBufferListsHandler=MPSendNetBufferLists,
        ReturnNetBufferListsHandler=MPReturnNetBufferLists,
        CancelSendHandler=MPCancelSend,
        CheckForHangHandlerEx=MPCheckForHangEx,
        ResetHandlerEx=MPResetEx,
        DevicePnPEventNotifyHandler=MPDevicePnPEvent,
        ShutdownHandlerEx=MPShutdownEx,
        CancelOidRequestHandler=MPCancelOidRequest,
        DirectOidRequestHandler=MPDirectOidRequest,
        CancelDirectOidRequestHandler=MPCancelDirectOidRequest,
        SynchronousOidRequestHandler=MPSynchronousOidRequest,
    )


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the miniport."""
    global MiniportDriver
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, MPCharacteristics())
    return status
