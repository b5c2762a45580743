"""netvmini: the NDIS 6 miniport of the virtual adapter, as the WDK sample of that name would be written for it.

Law: everything that an interrupt, a sender and a work item share lies in ADAPTER and its QUEUEs, in nonpaged memory.
What belongs to a queue's transmit ring is touched under SendLock, what belongs to its receive-free ring under
ReceiveLock, and its receive ring by whoever serves its interrupt: the DPC, or the work item that it hands the masked
interrupt to. No call goes up with a lock held.
"""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from sample_drivers.netvmini_frames import *
from sample_drivers.netvmini_nic import *
from sample_drivers.netvmini_offload import *
from sample_drivers.netvmini_queue import *
from sample_drivers.netvmini_registry import *
from sample_drivers.netvmini_rss import *
from vnic.device import *

NdisDriverHandle: MiniportDriverHandle | None = None


class COUNTERS(NONPAGED):
    """What went one way; unicast is what is neither multicast nor broadcast."""

    Frames: ULONG64
    Octets: ULONG64
    MulticastFrames: ULONG64
    MulticastOctets: ULONG64
    BroadcastFrames: ULONG64
    BroadcastOctets: ULONG64
    Discards: ULONG64


class QUEUE(NONPAGED):
    """One receive ring with its buffers, and one transmit ring.

    ReceiveNbls are the lists whose buffers the hardware has, from BuffersTaken to BuffersPosted; TransmitNbls those
    that are done with a descriptor, from TransmitTake to TransmitPut.  SendsWait: is there a SendHead?  Who only asks
    does not load it, since whoever loads a list of a chain takes all behind it.
    """

    Number: ULONG
    Rounds: ULONG

    ReceiveLock: NDIS_SPIN_LOCK
    BuffersTaken: ULONG
    BuffersPosted: ULONG
    ReceiveNbls: Array[PVOID, Literal[512]]
    In: COUNTERS

    SendLock: NDIS_SPIN_LOCK
    SendsWait: ULONG
    SendHead: PVOID
    SendTail: PVOID
    SendBuffer: PVOID
    HeaderMemory: PVOID
    TransmitPut: ULONG
    TransmitTake: ULONG
    TransmitNbls: Array[PVOID, Literal[512]]
    HangTake: ULONG
    HangWaiting: ULONG
    Out: COUNTERS


class ADAPTER(NONPAGED):
    """One adapter.  References is 1 while it runs, and 1 more for each list and call that a pause must wait for."""

    Handle: AdapterHandle
    Nic: PVOID
    IoLength: ULONG
    Interrupt: InterruptHandle
    WorkItem: WorkItemHandle
    WorkItemQueued: LONG
    Lock: NDIS_SPIN_LOCK
    Running: ULONG
    Paused: ULONG
    Removed: ULONG
    Resetting: ULONG
    ResetTimer: TimerHandle
    References: LONG
    PausePending: LONG

    PermanentAddress: Bytes[Literal[6]]
    CurrentAddress: Bytes[Literal[6]]
    PacketFilter: ULONG
    Directed: INT64  # the current address as a number, if the packet filter lets it through
    MulticastCount: ULONG
    MulticastList: Bytes[Literal[192]]

    FirstQueue: PVOID
    QueueCount: ULONG
    Queues: Array[PVOID, Literal[16]]
    QueueBytes: ULONG
    QueueOf: Array[ULONG, Literal[64]]  # by processor
    Messages: ULONG
    Processors: ULONG
    Scaled: ULONG  # more than the first queue is in use
    HashInformation: ULONG
    HashKey: Bytes[Literal[40]]
    ScalingEntries: ULONG
    ScalingTable: Bytes[Literal[128]]
    ReceivePool: NetBufferListPoolHandle
    ReceiveMemory: PVOID  # of all queues, one behind the other
    ReceiveAddress: ULONG
    ReceiveCapacity: ULONG
    FewBuffers: ULONG
    Budget: ULONG  # frames that are indicated at once
    DpcRounds: ULONG  # full rounds of the DPC until a work item goes on
    FramesPerDpc: ULONG  # the registry's; 0 for none
    PadMemory: PVOID

    Offloads: ULONG  # what the hardware supports
    Tasks: ULONG
    Encapsulated: ULONG


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
    NdisAllocateSpinLock(Adapter.Lock)
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
    Adapter.Offloads = VnicReadRegister(nic, VNIC_REGISTER_OFFLOADS_SUPPORTED)
    NICCountQueues(Adapter, Parameters, NICReadRegistry(Adapter))
    VnicWriteRegister(nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(nic, VNIC_REGISTER_LINK_SEQUENCE))
    status = NdisMSetMiniportAttributes(handle, NICGeneralAttributes(Adapter, NICLinkState(nic)))
    if status == NDIS_STATUS_SUCCESS and Adapter.Offloads:
        VnicWriteRegister(nic, VNIC_REGISTER_OFFLOADS, VNIC_OFFLOAD_HEADERS)
        status = NdisMSetMiniportAttributes(handle, NICOffloadAttributes(Adapter))
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
    characteristics = NICInterruptCharacteristics(Adapter, MPIsr, MPInterruptDpc, MPMessageIsr, MPMessageInterruptDpc)
    status, interrupt = NdisMRegisterInterruptEx(handle, Adapter, characteristics)
    if interrupt is not None:
        Adapter.Interrupt = interrupt
        if Adapter.QueueCount > 1:
            status = NICMapMessages(Adapter, characteristics)
        for Queue in Adapter.Queues[: Adapter.QueueCount]:
            lists = NICTake(Queue.ReceiveNbls, 0, Queue.BuffersPosted)
            addresses = [nbl.FirstNetBuffer.DataPhysicalAddress for nbl in lists]
            VnicPostReceive(nic, Queue.Number, addresses, Adapter.ReceiveCapacity)
    return status


def NICAllocateBuffers(Adapter: ADAPTER) -> bool:
    """The memory of all queues, the zeros that pad short frames, and the queues."""
    handle, queues = Adapter.Handle, Adapter.QueueCount
    count, shift = NIC_RECEIVE_BUFFERS, NIC_SLOT_SHIFT
    Adapter.FewBuffers, Adapter.Budget = NIC_FEW_BUFFERS, NIC_BUDGET if queues == 1 else NIC_QUEUE_BUDGET
    if Adapter.Offloads:
        count, shift = OFFLOAD_BUFFERS if queues == 1 else OFFLOAD_QUEUE_BUFFERS, OFFLOAD_SLOT_SHIFT
        Adapter.FewBuffers, Adapter.Budget = OFFLOAD_FEW_BUFFERS, count // OFFLOAD_BUDGETS
    Adapter.DpcRounds = NIC_DPC_ROUNDS
    if Adapter.FramesPerDpc:
        Adapter.Budget = min(Adapter.Budget, Adapter.FramesPerDpc)
        Adapter.DpcRounds = Adapter.FramesPerDpc // Adapter.Budget
    Adapter.ReceiveCapacity, Adapter.QueueBytes = (1 << shift) - VNIC_RECEIVE_HEADROOM, count << shift
    Adapter.PadMemory, _ = NdisMAllocateSharedMemory(handle, NIC_MINIMUM_FRAME, True)
    Adapter.ReceiveMemory, address = NdisMAllocateSharedMemory(handle, queues * count << shift, True)
    pool = NdisAllocateNetBufferListPool(handle, NICPoolParameters())
    if pool is not None:
        Adapter.ReceivePool = pool
    if pool is None or address is None or Adapter.PadMemory is None:
        NdisWriteErrorLogEntry(handle, NDIS_ERROR_CODE_OUT_OF_RESOURCES, 0)
        return False
    Adapter.ReceiveAddress = address
    NdisZeroMemory(Adapter.PadMemory, NIC_MINIMUM_FRAME)
    return all(NICAllocateQueue(Adapter, number, count, shift) for number in range(queues))


def NICAllocateQueue(Adapter: ADAPTER, Number: int, Count: int, Shift: int) -> bool:
    """A queue, and its receive buffers with an MDL and a list each."""
    handle, pool = Adapter.Handle, Adapter.ReceivePool
    Queue = NdisAllocateMemoryWithTagPriority(handle, sizeof(QUEUE), NIC_TAG, NormalPoolPriority)
    if Queue is None:
        return False
    NdisZeroMemory(Queue, sizeof(QUEUE))
    NdisAllocateSpinLock(Queue.ReceiveLock)
    NdisAllocateSpinLock(Queue.SendLock)
    Queue.Number, Adapter.Queues[Number] = Number, Queue
    Adapter.FirstQueue = Adapter.Queues[0]
    headroom, header = VNIC_RECEIVE_HEADROOM, 0
    if Adapter.Offloads:
        # What an MDL of a super-frame describes begins with data.
        headroom, header = 0, VNIC_RECEIVE_HEADROOM
        Queue.HeaderMemory, _ = NdisMAllocateSharedMemory(handle, NIC_TRANSMIT_ENTRIES << OFFLOAD_HEADER_SHIFT, True)
        if Queue.HeaderMemory is None:
            return False
    lists: list[Any] = []
    first = Number * Count << Shift
    for start in range(first + header, first + (Count << Shift), 1 << Shift):
        mdl = NdisAllocateMdl(handle, Adapter.ReceiveMemory + start, (1 << Shift) - header)
        if mdl is None:
            break
        nbl: Any = NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, headroom, 0)
        if nbl is None:
            NdisFreeMdl(mdl)
            break
        nbl.SourceHandle = handle
        nbl.FirstNetBuffer.DataPhysicalAddress = Adapter.ReceiveAddress + start + headroom
        lists.append(nbl)
    NICStore(Queue.ReceiveNbls, 0, lists)
    Queue.BuffersPosted = len(lists)
    return len(lists) == Count


def NICFree(Adapter: ADAPTER) -> None:
    """Undo what NICInitialize did, as far as it came."""
    handle = Adapter.Handle
    if Adapter.WorkItem:
        NdisFreeIoWorkItem(Adapter.WorkItem)
    if Adapter.ResetTimer:
        NdisFreeTimerObject(Adapter.ResetTimer)
    for Queue in Adapter.Queues[: Adapter.QueueCount]:
        if Queue is not None:
            NICFreeQueue(Adapter, Queue)
    if Adapter.ReceivePool:
        NdisFreeNetBufferListPool(Adapter.ReceivePool)
    for memory in (Adapter.ReceiveMemory, Adapter.PadMemory):
        if memory is not None:
            NdisMFreeSharedMemory(handle, memory.length, True, memory, memory.offset)
    if Adapter.Nic is not None:
        NdisMUnmapIoSpace(handle, Adapter.Nic, Adapter.IoLength)
    NdisFreeSpinLock(Adapter.Lock)
    NdisFreeMemory(Adapter, 0, 0)


def NICFreeQueue(Adapter: ADAPTER, Queue: QUEUE) -> None:
    """Undo NICAllocateQueue."""
    for nbl in NICTakeReceived(Queue, Queue.BuffersPosted - Queue.BuffersTaken & 0xFFFF_FFFF):
        mdl = nbl.FirstNetBuffer.MdlChain
        NdisFreeNetBufferList(nbl)
        NdisFreeMdl(mdl)
    memory = Queue.HeaderMemory
    if memory is not None:
        NdisMFreeSharedMemory(Adapter.Handle, memory.length, True, memory, memory.offset)
    NdisFreeSpinLock(Queue.SendLock)
    NdisFreeSpinLock(Queue.ReceiveLock)
    NdisFreeMemory(Queue, 0, 0)


@MINIPORT_HALT
def MPHaltEx(Adapter: ADAPTER, HaltAction: NDIS_HALT_ACTION) -> None:
    """Stop the interrupt first, then make the hardware let go of the buffers, then free everything."""
    nic = Adapter.Nic
    NICLetThrough(Adapter, 0)
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
    NdisAcquireSpinLock(Adapter.Lock)
    Adapter.Paused, Adapter.Running = 1, 0
    NdisReleaseSpinLock(Adapter.Lock)
    if InterlockedExchangeAdd(Adapter.References, -1) == 1 and InterlockedExchange(Adapter.PausePending, 0):
        return NDIS_STATUS_SUCCESS
    return NDIS_STATUS_PENDING


@MINIPORT_RESTART
def MPRestart(Adapter: ADAPTER, RestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Let frames flow in both directions."""
    InterlockedExchangeAdd(Adapter.References, 1)
    NdisAcquireSpinLock(Adapter.Lock)
    Adapter.Paused, Adapter.Running = 0, int(not Adapter.Resetting)
    NdisReleaseSpinLock(Adapter.Lock)
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
    NICLetThrough(Adapter, NIC_INTERRUPTS)
    return NDIS_STATUS_SUCCESS


@MINIPORT_CHECK_FOR_HANG
def MPCheckForHangEx(Adapter: ADAPTER) -> bool:
    """Has the hardware finished nothing of what it had to send when this was asked last?"""
    hangs = [NICHangs(Queue) for Queue in Adapter.Queues[: Adapter.QueueCount]]
    return any(hangs) and not Adapter.Resetting


@MINIPORT_RESET
def MPResetEx(Adapter: ADAPTER) -> ResetResult:
    """Give up the sends that wait and take no new ones; what the hardware has cannot be taken back: wait for it."""
    NdisAcquireSpinLock(Adapter.Lock)
    Adapter.Resetting, Adapter.Running = 1, 0
    NdisReleaseSpinLock(Adapter.Lock)
    NICGiveUpWaiting(Adapter, None, NDIS_STATUS_RESET_IN_PROGRESS)
    NdisSetTimerObject(Adapter.ResetTimer, NIC_RESET_INTERVAL, 0, None)
    return ResetResult(NDIS_STATUS_PENDING, False)


@NDIS_TIMER_FUNCTION
def NICResetPoll(SystemSpecific1: None, Adapter: ADAPTER, SystemSpecific2: None, SystemSpecific3: None) -> None:
    """The reset is complete when every list and every call has given its reference back."""
    if Adapter.References.value > 1:
        NdisSetTimerObject(Adapter.ResetTimer, NIC_RESET_INTERVAL, 0, None)
        return
    NdisDprAcquireSpinLock(Adapter.Lock)
    Adapter.Resetting, Adapter.Running = 0, int(not Adapter.Paused)
    NdisDprReleaseSpinLock(Adapter.Lock)
    NdisMResetComplete(Adapter.Handle, NDIS_STATUS_SUCCESS, False)


@MINIPORT_SHUTDOWN
def MPShutdownEx(Adapter: ADAPTER, ShutdownAction: NDIS_SHUTDOWN_ACTION) -> None:
    """Silence the hardware; nothing is freed."""
    NICLetThrough(Adapter, 0)
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_CONTROL, 0)


@MINIPORT_DEVICE_PNP_EVENT_NOTIFY
def MPDevicePnpEventNotify(Adapter: ADAPTER, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """After a surprise removal the hardware finishes nothing more: what it had to send has failed."""
    if NetDevicePnPEvent.DevicePnPEvent != NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventSurpriseRemoved:
        return
    # A sender looks at it with SendLock held: what it has put into a queue before is found there.
    Adapter.Removed = 1
    for Queue in Adapter.Queues[: Adapter.QueueCount]:
        NdisAcquireSpinLock(Queue.SendLock)
        lists = NICTakeTransmitted(Queue, Queue.TransmitPut - Queue.TransmitTake & 0xFFFF_FFFF)
        waiting = Queue.SendHead
        NICLetWait(Queue, None, None, None)
        NdisReleaseSpinLock(Queue.SendLock)
        NICCompleteSends(Adapter, Queue, lists + NICChainToList(waiting), NDIS_STATUS_FAILURE, 0, True)


@MINIPORT_ISR
def MPIsr(Adapter: ADAPTER) -> IsrResult:
    """The line is ours alone.  It stays masked until the DPC, or its work item, has served it."""
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    return NIC_RECOGNIZED


@MINIPORT_INTERRUPT_DPC
def MPInterruptDpc(
    Adapter: ADAPTER,
    MiniportDpcContext: None,
    ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
    NdisReserved2: None,
) -> None:
    """Serve the hardware once; ask for another turn while there is more, and leave to a work item what has no end."""
    nic, Queue = Adapter.Nic, Adapter.FirstQueue
    if not NICServe(Adapter, Queue, nic, min(Adapter.Budget, ReceiveThrottleParameters.MaxNblsToIndicate)):
        Queue.Rounds = 0
        VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, NIC_INTERRUPTS)
        return
    Queue.Rounds += 1
    status, watchdog = KeQueryDpcWatchdogInformation()
    hurry = status == STATUS_SUCCESS and watchdog.DpcTimeCount * 4 < watchdog.DpcTimeLimit
    # The reference makes a pause, and so a halt, wait for the work item.
    if (hurry or Queue.Rounds >= Adapter.DpcRounds) and NICReference(Adapter, 1):
        Queue.Rounds = 0
        if InterlockedExchange(Adapter.WorkItemQueued, 1) == 0:
            NdisQueueIoWorkItem(Adapter.WorkItem, NICContinue, Adapter)
            return
        NICDereference(Adapter, 1)
    ReceiveThrottleParameters.MoreNblsPending = True


@MINIPORT_MESSAGE_INTERRUPT
def MPMessageIsr(Adapter: ADAPTER, MessageId: int) -> IsrResult:
    """Each message is of the queue with its number."""
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, 0, MessageId)
    return NIC_RECOGNIZED


@MINIPORT_MESSAGE_INTERRUPT_DPC
def MPMessageInterruptDpc(
    Adapter: ADAPTER,
    MessageId: int,
    MiniportDpcContext: None,
    ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
    NdisReserved2: None,
) -> None:
    """Serve the queue.  However long it takes, it stays on this processor, as receive side scaling promises."""
    nic, Queue = Adapter.Nic, Adapter.Queues[MessageId]
    if NICServe(Adapter, Queue, nic, min(Adapter.Budget, ReceiveThrottleParameters.MaxNblsToIndicate)):
        ReceiveThrottleParameters.MoreNblsPending = True
        return
    # While answers wait for room the hardware is not told that the queue is done: it would take a new table over.
    interrupts = NIC_INTERRUPTS & ~VNIC_INTERRUPT_RECEIVE if Queue.SendsWait else NIC_INTERRUPTS
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, interrupts, MessageId)


@NDIS_IO_WORKITEM_FUNCTION
def NICContinue(Adapter: ADAPTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """What the DPC had no time for, in turns, so that the processor can do something else in between."""
    nic, Queue = Adapter.Nic, Adapter.FirstQueue
    InterlockedExchange(Adapter.WorkItemQueued, 0)
    for _ in range(NIC_WORK_ITEM_ROUNDS):
        irql = NDIS_RAISE_IRQL_TO_DISPATCH()
        more = NICServe(Adapter, Queue, nic, Adapter.Budget)
        NDIS_LOWER_IRQL(irql, DISPATCH_LEVEL)
        if not more:
            break
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, NIC_INTERRUPTS)
    NICDereference(Adapter, 1)


@MINIPORT_RETURN_NET_BUFFER_LISTS
def MPReturnNetBufferLists(Adapter: ADAPTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """Give the buffers of returned lists to the hardware again, at any IRQL up to DISPATCH_LEVEL."""
    lists: list[Any] = []
    nbl: Any = NetBufferLists
    while nbl is not None:
        lists.append(nbl)
        nbl.Next, nbl = None, nbl.Next
    if Adapter.Scaled:
        for number, own in NICByQueue(Adapter, lists).items():
            NICPostReceive(Adapter, Adapter.Queues[number], own)
    else:
        NICPostReceive(Adapter, Adapter.FirstQueue, lists)
    NICDereference(Adapter, len(lists))


@MINIPORT_SEND_NET_BUFFER_LISTS
def MPSendNetBufferLists(Adapter: ADAPTER, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """Give the lists to the hardware, behind those that wait; what does not fit waits for the DPC."""
    flags, offloads = SendFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL, Adapter.Offloads
    Queue = NICSendQueue(Adapter, flags) if Adapter.Scaled else Adapter.FirstQueue
    lists, addresses, lengths = ([], [], []) if offloads and NICAsks(NetBufferList) else NICDescribe(NetBufferList)
    if lists:
        first, last, rejected, count = NetBufferList, lists[-1], None, len(lists)
    elif offloads:
        first, last, rejected, count = NICSortOffloads(Adapter, NetBufferList, NIC_MAXIMUM_FRAME)
    else:
        first, last, rejected, count = NICSortSends(NetBufferList)
    if not NICReference(Adapter, count):
        for chain in (first, rejected):
            NICCompleteSends(Adapter, Queue, NICChainToList(chain), NICRefusal(Adapter), flags, False)
        return
    if first is not None:
        NdisAcquireSpinLock(Queue.SendLock)
        tail, removed = Queue.SendTail, Adapter.Removed
        if removed:
            pass  # nobody would send them
        elif tail is not None:
            # The old end is stored again because it was changed; then the new end.
            tail.Next = first
            Queue.SendTail = tail
            Queue.SendTail = last
        elif lists and VnicTransmitFrames(Adapter.Nic, Queue.Number, addresses, lengths):
            # Whoever is interrupted for them waits for the lock.
            for nbl in lists:
                nbl.Next = None
            NICStoreTransmitted(Queue, lists, count, sum(lengths))
        else:
            NICTransmit(Adapter, Queue, first, last, first.FirstNetBuffer)
        NdisReleaseSpinLock(Queue.SendLock)
        if removed:
            NICCompleteSends(Adapter, Queue, NICChainToList(first), NDIS_STATUS_FAILURE, flags, True)
    if rejected is not None:
        status = NDIS_STATUS_FAILURE if offloads else NDIS_STATUS_INVALID_LENGTH
        NICCompleteSends(Adapter, Queue, NICChainToList(rejected), status, flags, True)


@MINIPORT_CANCEL_SEND
def MPCancelSendNetBufferLists(Adapter: ADAPTER, CancelId: Any) -> None:
    """Give up the waiting lists with this id, except one that is partly on the wire; the others keep their order."""
    NICGiveUpWaiting(Adapter, CancelId, NDIS_STATUS_SEND_ABORTED)


def NICGiveUpWaiting(Adapter: ADAPTER, CancelId: Any, Status: int) -> None:
    """Complete the waiting lists with this id, or all (None)."""
    for Queue in Adapter.Queues[: Adapter.QueueCount]:
        NdisAcquireSpinLock(Queue.SendLock)
        waiting = NICTakeWaiting(Queue, CancelId)
        NdisReleaseSpinLock(Queue.SendLock)
        NICCompleteSends(Adapter, Queue, waiting, Status, 0, True)


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
