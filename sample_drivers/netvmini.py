"""netvmini: the NDIS 6 miniport of the virtual adapter, as the WDK sample of that name would be written for it.

Law: everything that an interrupt, a sender and a work item share lies in ADAPTER, in nonpaged memory. What belongs to
the transmit ring is touched under SendLock, what belongs to the receive-free ring under ReceiveLock, and the receive
ring by whoever serves the interrupt: the DPC, or the work item that it hands the masked interrupt to. No call goes up
with a lock held.
"""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from sample_drivers.netvmini_frames import *
from sample_drivers.netvmini_nic import *
from sample_drivers.netvmini_offload import *
from vnic.device import *

NdisDriverHandle: MiniportDriverHandle | None = None


class COUNTERS(NONPAGED):
    """What went one way; unicast is what is neither multicast nor broadcast."""

    Frames: u64
    Octets: u64
    MulticastFrames: u64
    MulticastOctets: u64
    BroadcastFrames: u64
    BroadcastOctets: u64
    Discards: u64


class ADAPTER(NONPAGED):
    """One adapter.  References is 1 while it runs, and 1 more for each list and call that a pause must wait for."""

    Handle: AdapterHandle
    Nic: PVOID
    IoLength: u32
    Interrupt: InterruptHandle
    WorkItem: WorkItemHandle
    WorkItemQueued: LONG
    Rounds: u32
    Running: u32
    Paused: u32
    Removed: u32
    Resetting: u32
    ResetTimer: TimerHandle
    HangTake: u32
    HangWaiting: u32
    References: LONG
    PausePending: LONG

    PermanentAddress: Bytes[Literal[6]]
    CurrentAddress: Bytes[Literal[6]]
    PacketFilter: u32
    MulticastCount: u32
    MulticastList: Bytes[Literal[192]]

    ReceiveLock: NDIS_SPIN_LOCK
    ReceivePool: NetBufferListPoolHandle
    ReceiveMemory: PVOID
    ReceiveAddress: u32
    ReceiveCapacity: u32
    FewBuffers: u32
    BuffersTaken: u32
    BuffersPosted: u32
    ReceiveNbls: Array[PVOID, Literal[512]]
    In: COUNTERS

    SendLock: NDIS_SPIN_LOCK
    SendHead: PVOID
    SendTail: PVOID
    SendBuffer: PVOID
    PadMemory: PVOID
    TransmitPut: u32
    TransmitTake: u32
    TransmitNbls: Array[PVOID, Literal[512]]
    Out: COUNTERS

    Offloads: u32  # what the hardware supports
    Tasks: u32
    Encapsulated: u32
    HeaderMemory: PVOID


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the miniport."""
    global NdisDriverHandle
    status, NdisDriverHandle = NdisMRegisterMiniportDriver(
        DriverObject,
        RegistryPath,
        None,
        NDIS_MINIPORT_DRIVER_CHARACTERISTICS(
            Header=NIC_DRIVER_HEADER,
            MajorNdisVersion=NDIS_MINIPORT_MAJOR_VERSION,
            MinorNdisVersion=NDIS_MINIPORT_MINOR_VERSION,
            MajorDriverVersion=1,
            InitializeHandlerEx=MPInitializeEx,
            HaltHandlerEx=MPHaltEx,
            UnloadHandler=MPUnload,
            PauseHandler=MPPause,
            RestartHandler=MPRestart,
            OidRequestHandler=MPOidRequest,
            SendNetBufferListsHandler=MPSendNetBufferLists,
            ReturnNetBufferListsHandler=MPReturnNetBufferLists,
            CancelSendHandler=MPCancelSendNetBufferLists,
            CheckForHangHandlerEx=MPCheckForHangEx,
            ResetHandlerEx=MPResetEx,
            DevicePnPEventNotifyHandler=MPDevicePnpEventNotify,
            ShutdownHandlerEx=MPShutdownEx,
            CancelOidRequestHandler=MPCancelOidRequest,
        ),
    )
    return status


@MINIPORT_UNLOAD
def MPUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back."""
    if NdisDriverHandle is not None:
        NdisMDeregisterMiniportDriver(NdisDriverHandle)


@MINIPORT_INITIALIZE
def MPInitializeEx(
    MiniportAdapterHandle: AdapterHandle,
    MiniportDriverContext: None,
    MiniportInitParameters: NDIS_MINIPORT_INIT_PARAMETERS,
) -> NDIS_STATUS:
    """Make the adapter's context, buffers and interrupt; the adapter is paused afterwards."""
    Adapter = NdisAllocateMemoryWithTagPriority(MiniportAdapterHandle, sizeof(ADAPTER), NIC_TAG, NormalPoolPriority)
    if Adapter is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Adapter, sizeof(ADAPTER))
    Adapter.Handle, Adapter.Paused = MiniportAdapterHandle, 1
    NdisAllocateSpinLock(Adapter.ReceiveLock)
    NdisAllocateSpinLock(Adapter.SendLock)
    status = NICInitialize(Adapter, MiniportInitParameters)
    if status != NDIS_STATUS_SUCCESS:
        NICFree(Adapter)
    return status


def NICInitialize(Adapter: ADAPTER, Parameters: NDIS_MINIPORT_INIT_PARAMETERS) -> NDIS_STATUS:
    """The steps of MPInitializeEx that can fail; what was done is undone by NICFree."""
    handle = Adapter.Handle
    status = NdisMSetMiniportAttributes(handle, NICRegistrationAttributes(Adapter))
    if status != NDIS_STATUS_SUCCESS:
        return status
    for resource in Parameters.AllocatedResources:
        if resource.Type == CM_RESOURCE_TYPE.CmResourceTypeMemory:
            _, Adapter.Nic = NdisMMapIoSpace(handle, resource.Start, resource.Length)
            Adapter.IoLength = resource.Length
    nic = Adapter.Nic
    if nic is None or VnicReadRegister(nic, VNIC_REGISTER_TRANSMIT_ENTRIES) > NIC_TRANSMIT_ENTRIES:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    NICReadAddress(Adapter)
    VnicWriteRegister(nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(nic, VNIC_REGISTER_LINK_SEQUENCE))
    Adapter.Offloads = VnicReadRegister(nic, VNIC_REGISTER_OFFLOADS_SUPPORTED)
    Adapter.Tasks = NICOffloadTasks(Adapter.Offloads)
    status = NdisMSetMiniportAttributes(handle, NICGeneralAttributes(Adapter, NICLinkState(nic)))
    if status == NDIS_STATUS_SUCCESS and Adapter.Offloads:
        VnicWriteRegister(nic, VNIC_REGISTER_OFFLOADS, VNIC_OFFLOAD_HEADERS)
        status = NdisMSetMiniportAttributes(handle, NICOffloadAttributes(Adapter.Tasks))
    if status != NDIS_STATUS_SUCCESS:
        return status
    work_item = NdisAllocateIoWorkItem(handle)
    if work_item is not None:
        Adapter.WorkItem = work_item
    _, timer = NdisAllocateTimerObject(handle, NICTimerCharacteristics(Adapter, NICResetPoll))
    if timer is not None:
        Adapter.ResetTimer = timer
    if work_item is None or timer is None or not NICAllocateBuffers(Adapter):
        return NDIS_STATUS_RESOURCES
    characteristics = NICInterruptCharacteristics(MPIsr, MPInterruptDpc)
    status, interrupt = NdisMRegisterInterruptEx(handle, Adapter, characteristics)
    if interrupt is not None:
        Adapter.Interrupt = interrupt
        addresses = NICAddresses(NICTake(Adapter.ReceiveNbls, 0, Adapter.BuffersPosted))
        VnicPostReceive(nic, 0, addresses, Adapter.ReceiveCapacity)
    return status


def NICReadAddress(Adapter: ADAPTER) -> None:
    """The permanent address is the hardware's; NetworkAddress in the registry replaces it if it is a unicast one."""
    Adapter.PermanentAddress = Adapter.CurrentAddress = VnicReadMacAddress(Adapter.Nic)
    _, configuration = NdisOpenConfigurationEx(NICConfigurationObject(Adapter))
    if configuration is not None:
        _, address, length = NdisReadNetworkAddress(configuration)
        if address is not None and length == ETH_LENGTH_OF_ADDRESS and not address[0] & NIC_GROUP_BIT:
            Adapter.CurrentAddress = address
        NdisCloseConfiguration(configuration)


def NICAllocateBuffers(Adapter: ADAPTER) -> bool:
    """Receive buffers with an MDL and a list each, and the zeros that pad short frames."""
    handle = Adapter.Handle
    count, shift, headroom, header = NIC_RECEIVE_BUFFERS, NIC_SLOT_SHIFT, VNIC_RECEIVE_HEADROOM, 0
    Adapter.FewBuffers = OFFLOAD_FEW_BUFFERS if Adapter.Offloads else NIC_FEW_BUFFERS
    if Adapter.Offloads:
        # What an MDL of a super-frame describes begins with data.
        count, shift, headroom, header = OFFLOAD_BUFFERS, OFFLOAD_SLOT_SHIFT, 0, VNIC_RECEIVE_HEADROOM
        Adapter.HeaderMemory, _ = NdisMAllocateSharedMemory(handle, NIC_TRANSMIT_ENTRIES << OFFLOAD_HEADER_SHIFT, True)
    Adapter.ReceiveCapacity = (1 << shift) - VNIC_RECEIVE_HEADROOM
    Adapter.PadMemory, _ = NdisMAllocateSharedMemory(handle, NIC_MINIMUM_FRAME, True)
    Adapter.ReceiveMemory, address = NdisMAllocateSharedMemory(handle, count << shift, True)
    pool = NdisAllocateNetBufferListPool(handle, NICPoolParameters())
    if pool is not None:
        Adapter.ReceivePool = pool
    headers = not Adapter.Offloads or Adapter.HeaderMemory is not None
    if pool is None or address is None or Adapter.PadMemory is None or not headers:
        NdisWriteErrorLogEntry(handle, NDIS_ERROR_CODE_OUT_OF_RESOURCES, 0)
        return False
    Adapter.ReceiveAddress = address
    NdisZeroMemory(Adapter.PadMemory, NIC_MINIMUM_FRAME)
    lists: list[Any] = []
    for start in range(header, count << shift, 1 << shift):
        mdl = NdisAllocateMdl(handle, Adapter.ReceiveMemory + start, (1 << shift) - header)
        if mdl is None:
            break
        nbl: Any = NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, headroom, 0)
        if nbl is None:
            NdisFreeMdl(mdl)
            break
        nbl.SourceHandle = handle
        nbl.FirstNetBuffer.DataPhysicalAddress = address + start + headroom
        lists.append(nbl)
    NICStore(Adapter.ReceiveNbls, 0, lists)
    Adapter.BuffersPosted = len(lists)
    return len(lists) == count


def NICFree(Adapter: ADAPTER) -> None:
    """Undo what NICInitialize did, as far as it came."""
    handle = Adapter.Handle
    if Adapter.WorkItem:
        NdisFreeIoWorkItem(Adapter.WorkItem)
    if Adapter.ResetTimer:
        NdisFreeTimerObject(Adapter.ResetTimer)
    for nbl in NICTakeReceived(Adapter, Adapter.BuffersPosted - Adapter.BuffersTaken & 0xFFFF_FFFF):
        mdl = nbl.FirstNetBuffer.MdlChain
        NdisFreeNetBufferList(nbl)
        NdisFreeMdl(mdl)
    if Adapter.ReceivePool:
        NdisFreeNetBufferListPool(Adapter.ReceivePool)
    for memory in (Adapter.ReceiveMemory, Adapter.PadMemory, Adapter.HeaderMemory):
        if memory is not None:
            NdisMFreeSharedMemory(handle, memory.length, True, memory, memory.offset)
    if Adapter.Nic is not None:
        NdisMUnmapIoSpace(handle, Adapter.Nic, Adapter.IoLength)
    NdisFreeSpinLock(Adapter.SendLock)
    NdisFreeSpinLock(Adapter.ReceiveLock)
    NdisFreeMemory(Adapter, 0, 0)


@MINIPORT_HALT
def MPHaltEx(Adapter: ADAPTER, HaltAction: NDIS_HALT_ACTION) -> None:
    """Stop the interrupt first, then make the hardware let go of the buffers, then free everything."""
    nic = Adapter.Nic
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    NdisMDeregisterInterruptEx(Adapter.Interrupt)
    if HaltAction != NDIS_HALT_ACTION.NdisHaltDeviceSurpriseRemoved:
        VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RESET)
        for _ in range(NIC_RESET_POLLS):
            control = VnicReadRegister(nic, VNIC_REGISTER_CONTROL)
            if control == VNIC_ALL_ONES or not control & VNIC_CONTROL_RESET:
                break
            NdisMSleep(1000)
    NICFree(Adapter)


@MINIPORT_PAUSE
def MPPause(Adapter: ADAPTER, PauseParameters: NDIS_MINIPORT_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """Refuse new work; whoever gives the last reference back completes the pause."""
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_TRANSMIT_ENABLE)
    InterlockedExchange(Adapter.PausePending, 1)
    NdisAcquireSpinLock(Adapter.SendLock)
    Adapter.Paused, Adapter.Running = 1, 0
    NdisReleaseSpinLock(Adapter.SendLock)
    if InterlockedExchangeAdd(Adapter.References, -1) == 1 and InterlockedExchange(Adapter.PausePending, 0):
        return NDIS_STATUS_SUCCESS
    return NDIS_STATUS_PENDING


@MINIPORT_RESTART
def MPRestart(Adapter: ADAPTER, RestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Let frames flow in both directions."""
    InterlockedExchangeAdd(Adapter.References, 1)
    NdisAcquireSpinLock(Adapter.SendLock)
    Adapter.Paused, Adapter.Running = 0, int(not Adapter.Resetting)
    NdisReleaseSpinLock(Adapter.SendLock)
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, NIC_INTERRUPTS)
    return NDIS_STATUS_SUCCESS


def NICReference(Adapter: ADAPTER, Count: int) -> bool:
    """Take references for lists that are on their way; False when the adapter is paused or about to be."""
    InterlockedExchangeAdd(Adapter.References, Count)
    if Adapter.Running:
        return True
    NICDereference(Adapter, Count)
    return False


def NICDereference(Adapter: ADAPTER, Count: int) -> None:
    """Give references back; the last one completes a pause that waits for it."""
    if InterlockedExchangeAdd(Adapter.References, -Count) == Count and InterlockedExchange(Adapter.PausePending, 0):
        NdisMPauseComplete(Adapter.Handle)


@MINIPORT_CHECK_FOR_HANG
def MPCheckForHangEx(Adapter: ADAPTER) -> bool:
    """Has the hardware finished nothing of what it had to send when this was asked last?"""
    return NICHangs(Adapter) and not Adapter.Resetting


@MINIPORT_RESET
def MPResetEx(Adapter: ADAPTER) -> ResetResult:
    """Give up the sends that wait and take no new ones; what the hardware has cannot be taken back: wait for it."""
    NdisAcquireSpinLock(Adapter.SendLock)
    Adapter.Resetting, Adapter.Running = 1, 0
    waiting = NICTakeWaiting(Adapter, None)
    NdisReleaseSpinLock(Adapter.SendLock)
    NICCompleteSends(Adapter, waiting, NDIS_STATUS_RESET_IN_PROGRESS, 0, True)
    NdisSetTimerObject(Adapter.ResetTimer, NIC_RESET_INTERVAL, 0, None)
    return ResetResult(NDIS_STATUS_PENDING, False)


@NDIS_TIMER_FUNCTION
def NICResetPoll(SystemSpecific1: None, Adapter: ADAPTER, SystemSpecific2: None, SystemSpecific3: None) -> None:
    """The reset is complete when every list and every call has given its reference back."""
    if Adapter.References.value > 1:
        NdisSetTimerObject(Adapter.ResetTimer, NIC_RESET_INTERVAL, 0, None)
        return
    NdisDprAcquireSpinLock(Adapter.SendLock)
    Adapter.Resetting, Adapter.Running = 0, int(not Adapter.Paused)
    NdisDprReleaseSpinLock(Adapter.SendLock)
    NdisMResetComplete(Adapter.Handle, NDIS_STATUS_SUCCESS, False)


@MINIPORT_SHUTDOWN
def MPShutdownEx(Adapter: ADAPTER, ShutdownAction: NDIS_SHUTDOWN_ACTION) -> None:
    """Silence the hardware; nothing is freed."""
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_CONTROL, 0)


@MINIPORT_DEVICE_PNP_EVENT_NOTIFY
def MPDevicePnpEventNotify(Adapter: ADAPTER, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """After a surprise removal the hardware finishes nothing more: what it had to send has failed."""
    if NetDevicePnPEvent.DevicePnPEvent != NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventSurpriseRemoved:
        return
    NdisAcquireSpinLock(Adapter.SendLock)
    Adapter.Removed = 1
    lists = NICTakeTransmitted(Adapter, Adapter.TransmitPut - Adapter.TransmitTake & 0xFFFF_FFFF)
    queue, Adapter.SendHead, Adapter.SendTail, Adapter.SendBuffer = Adapter.SendHead, None, None, None
    NdisReleaseSpinLock(Adapter.SendLock)
    NICCompleteSends(Adapter, lists + NICChainToList(queue), NDIS_STATUS_FAILURE, 0, True)


@MINIPORT_ISR
def MPIsr(Adapter: ADAPTER) -> IsrResult:
    """The line is ours alone.  It stays masked until the DPC, or its work item, has served it."""
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    return IsrResult(True, True, 0)


@MINIPORT_INTERRUPT_DPC
def MPInterruptDpc(
    Adapter: ADAPTER,
    MiniportDpcContext: None,
    ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
    NdisReserved2: None,
) -> None:
    """Serve the hardware once; ask for another turn while there is more, and leave to a work item what has no end."""
    nic = Adapter.Nic
    if not NICServe(Adapter, nic, min(NIC_BUDGET, ReceiveThrottleParameters.MaxNblsToIndicate)):
        Adapter.Rounds = 0
        VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, NIC_INTERRUPTS)
        return
    Adapter.Rounds += 1
    status, watchdog = KeQueryDpcWatchdogInformation()
    hurry = status == STATUS_SUCCESS and watchdog.DpcTimeCount * 4 < watchdog.DpcTimeLimit
    # The reference makes a pause, and so a halt, wait for the work item.
    if (hurry or Adapter.Rounds >= NIC_DPC_ROUNDS) and NICReference(Adapter, 1):
        Adapter.Rounds = 0
        if InterlockedExchange(Adapter.WorkItemQueued, 1) == 0:
            NdisQueueIoWorkItem(Adapter.WorkItem, NICContinue, Adapter)
            return
        NICDereference(Adapter, 1)
    ReceiveThrottleParameters.MoreNblsPending = True


@NDIS_IO_WORKITEM_FUNCTION
def NICContinue(Adapter: ADAPTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """What the DPC had no time for, in turns, so that the processor can do something else in between."""
    nic = Adapter.Nic
    InterlockedExchange(Adapter.WorkItemQueued, 0)
    for _ in range(NIC_WORK_ITEM_ROUNDS):
        irql = NDIS_RAISE_IRQL_TO_DISPATCH()
        more = NICServe(Adapter, nic, NIC_BUDGET)
        NDIS_LOWER_IRQL(irql, DISPATCH_LEVEL)
        if not more:
            break
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, NIC_INTERRUPTS)
    NICDereference(Adapter, 1)


def NICServe(Adapter: ADAPTER, Nic: Vnic, Budget: int) -> bool:
    """Serve every cause, at DISPATCH_LEVEL, what somebody waits for first; True when more frames are likely to wait."""
    cause = VnicReadRegister(Nic, VNIC_REGISTER_INTERRUPT_CAUSE)
    if cause == VNIC_ALL_ONES:
        return False
    if cause & VNIC_INTERRUPT_LINK:
        VnicWriteRegister(Nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(Nic, VNIC_REGISTER_LINK_SEQUENCE))
        NdisMIndicateStatusEx(Adapter.Handle, NICLinkIndication(Adapter))
    more = bool(cause & VNIC_INTERRUPT_RECEIVE) and NICReceive(Adapter, Nic, Budget) == Budget
    if cause & VNIC_INTERRUPT_TRANSMIT:
        NdisDprAcquireSpinLock(Adapter.SendLock)
        lists = NICTakeTransmitted(Adapter, VnicTransmitCompleted(Nic, 0))
        waiting = Adapter.SendHead
        if waiting is not None:
            NICTransmit(Adapter, waiting, Adapter.SendTail, Adapter.SendBuffer)
        NdisDprReleaseSpinLock(Adapter.SendLock)
        NICCompleteSends(Adapter, lists, NDIS_STATUS_SUCCESS, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL, True)
    return more


def NICReceive(Adapter: ADAPTER, Nic: Vnic, Budget: int) -> int:
    """Indicate what the hardware has filled, as one chain; how many buffers it were."""
    addresses, lengths = VnicReceive(Nic, 0, Budget)
    taken = len(addresses)
    if not taken:
        return 0
    lists = NICTakeReceived(Adapter, taken)
    if Adapter.Offloads:
        taken = NICJoin(Adapter, Nic, addresses, lists, lengths)
    if not NICReference(Adapter, taken):
        Adapter.In.Discards += taken
        NICPostReceive(Adapter, lists)
        return taken
    memory, base = Adapter.ReceiveMemory.view.cast("Q"), Adapter.ReceiveAddress
    own, packet_filter = NIC_NOBODY, Adapter.PacketFilter
    if packet_filter & NDIS_PACKET_TYPE_DIRECTED:
        own = int.from_bytes(Adapter.CurrentAddress, "little")
    destinations = [memory[address - base >> 3] & NIC_BROADCAST for address in addresses]
    if destinations.count(own) != taken:
        unwanted = NICFilter(Adapter, packet_filter, own, destinations, lists, lengths)
        if unwanted:
            NICPostReceive(Adapter, unwanted)
            NICDereference(Adapter, len(unwanted))
    if lists:
        NICIndicate(Adapter, lists, lengths)
    return taken


def NICIndicate(Adapter: ADAPTER, Lists: list[Any], Lengths: list[int]) -> None:
    """Indicate frames of these lengths; with few buffers left they are only lent, and go back to the hardware."""
    counters, wanted = Adapter.In, len(Lists)
    counters.Frames += wanted
    counters.Octets += sum(Lengths)
    flags = NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL
    if Adapter.BuffersPosted - Adapter.BuffersTaken & 0xFFFF_FFFF < Adapter.FewBuffers:
        flags |= NDIS_RECEIVE_FLAGS_RESOURCES
    first: Any = None
    for nbl, length in zip(reversed(Lists), reversed(Lengths), strict=True):
        nbl.FirstNetBuffer.DataLength = length
        nbl.Next = first
        first = nbl
    NdisMIndicateReceiveNetBufferLists(Adapter.Handle, first, NDIS_DEFAULT_PORT_NUMBER, wanted, flags)
    if flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NICPostReceive(Adapter, Lists)
        NICDereference(Adapter, wanted)


@MINIPORT_RETURN_NET_BUFFER_LISTS
def MPReturnNetBufferLists(Adapter: ADAPTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """Give the buffers of returned lists to the hardware again, at any IRQL up to DISPATCH_LEVEL."""
    lists: list[Any] = []
    nbl: Any = NetBufferLists
    while nbl is not None:
        lists.append(nbl)
        nbl.Next, nbl = None, nbl.Next
    NICPostReceive(Adapter, lists)
    NICDereference(Adapter, len(lists))


def NICPostReceive(Adapter: ADAPTER, Lists: list[Any]) -> None:
    """Give the buffers of lists to the hardware, which fills them in this order.  The ring has room for all."""
    lists = NICSeparate(Lists) if Adapter.Offloads else Lists
    addresses = NICAddresses(lists)
    NdisAcquireSpinLock(Adapter.ReceiveLock)
    # Whoever serves the hardware next takes the lists from here, perhaps in another process.
    put = Adapter.BuffersPosted
    NICStore(Adapter.ReceiveNbls, put, lists)
    VnicPostReceive(Adapter.Nic, 0, addresses, Adapter.ReceiveCapacity)
    Adapter.BuffersPosted = put + len(lists) & 0xFFFF_FFFF
    NdisReleaseSpinLock(Adapter.ReceiveLock)


@MINIPORT_SEND_NET_BUFFER_LISTS
def MPSendNetBufferLists(Adapter: ADAPTER, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """Give the lists to the hardware, behind those that wait; what does not fit waits for the DPC."""
    flags, offloads, nic = SendFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL, Adapter.Offloads, Adapter.Nic
    lists, addresses, lengths = ([], [], []) if offloads else NICDescribe(NetBufferList)
    if lists:
        first, last, rejected, count = NetBufferList, lists[-1], None, len(lists)
    elif offloads:
        first, last, rejected, count = NICSortOffloads(Adapter, NetBufferList, NIC_MAXIMUM_FRAME)
    else:
        first, last, rejected, count = NICSortSends(NetBufferList)
    running = NICReference(Adapter, count)
    status = NDIS_STATUS_SUCCESS if running else NICRefusal(Adapter)
    if running and first is not None:
        NdisAcquireSpinLock(Adapter.SendLock)
        tail = Adapter.SendTail
        if Adapter.Removed:
            status = NDIS_STATUS_FAILURE
        elif tail is not None:
            # The old end is stored again because it was changed; then the new end.
            tail.Next = first
            Adapter.SendTail = tail
            Adapter.SendTail = last
        elif lists and count <= VnicTransmitRoom(nic, 0):
            for nbl in lists:
                nbl.Next = None
            NICStoreTransmitted(Adapter, lists, count, sum(lengths))
            VnicTransmitFrames(nic, 0, addresses, lengths)
        else:
            NICTransmit(Adapter, first, last, first.FirstNetBuffer)
        NdisReleaseSpinLock(Adapter.SendLock)
    if status != NDIS_STATUS_SUCCESS:
        NICCompleteSends(Adapter, NICChainToList(first), status, flags, running)
    if rejected is not None:
        refusal = NDIS_STATUS_FAILURE if offloads else NDIS_STATUS_INVALID_LENGTH
        status = refusal if running else status
        NICCompleteSends(Adapter, NICChainToList(rejected), status, flags, running)


def NICCompleteSends(Adapter: ADAPTER, Lists: list[Any], Status: int, Flags: int, Referenced: bool) -> None:
    """Complete lists with one status, as one chain; each holds a reference, unless it was refused."""
    if not Lists:
        return
    first: Any = None
    for nbl in reversed(Lists):
        nbl.Status = Status
        nbl.Next = first
        first = nbl
    if Status != NDIS_STATUS_SUCCESS:
        NdisAcquireSpinLock(Adapter.SendLock)
        Adapter.Out.Discards += len(Lists)
        NdisReleaseSpinLock(Adapter.SendLock)
    NdisMSendNetBufferListsComplete(Adapter.Handle, first, Flags)
    if Referenced:
        NICDereference(Adapter, len(Lists))


@MINIPORT_CANCEL_SEND
def MPCancelSendNetBufferLists(Adapter: ADAPTER, CancelId: Any) -> None:
    """Give up the waiting lists with this id, except one that is partly on the wire; the others keep their order."""
    NdisAcquireSpinLock(Adapter.SendLock)
    cancelled = NICTakeWaiting(Adapter, CancelId)
    NdisReleaseSpinLock(Adapter.SendLock)
    NICCompleteSends(Adapter, cancelled, NDIS_STATUS_SEND_ABORTED, 0, True)


@MINIPORT_OID_REQUEST
def MPOidRequest(Adapter: ADAPTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Answer a request at once; none of them has to wait."""
    if Adapter.Removed:
        return NDIS_STATUS_NOT_ACCEPTED
    buffer, given = OidRequest.DATA.QUERY_INFORMATION.InformationBuffer, bytearray(NICGiven(OidRequest))
    if given:
        NdisMoveMemory(given, buffer, len(given))
    status, answer = NICRequest(Adapter, OidRequest, bytes(given))
    if given and status == NDIS_STATUS_SUCCESS and OidRequest.DATA.SET_INFORMATION.Oid in NIC_OFFLOAD_OIDS:
        NdisMIndicateStatusEx(Adapter.Handle, NICOffloadIndication(Adapter))
    if answer:
        NdisMoveMemory(buffer, answer, len(answer))
    return status


@MINIPORT_CANCEL_OID_REQUEST
def MPCancelOidRequest(Adapter: ADAPTER, RequestId: Any) -> None:
    """No request ever waits."""
