"""netvmini: the NDIS 6 miniport of the virtual adapter, as the WDK sample of that name would be written for it.

Law: everything that an interrupt, a sender and a work item share lies in ADAPTER, in nonpaged memory. What belongs to
the transmit ring is touched under SendLock, what belongs to the receive-free ring under ReceiveLock, and the receive
ring by whoever serves the interrupt: the DPC, or the work item that it hands the masked interrupt to. No call goes up
with a lock held.
"""

from __future__ import annotations

from typing import Any, Final

from emulator.ndis import *
from vnic.device import *

NIC_TAG: Final = int.from_bytes(b"VMin", "little")
NIC_RECEIVE_BUFFERS: Final = 512
NIC_FEW_RECEIVE_BUFFERS: Final = 64
NIC_TRANSMIT_ENTRIES: Final = 512
NIC_TRANSMIT_MASK: Final = NIC_TRANSMIT_ENTRIES - 1
NIC_MULTICAST_LIST: Final = 32
NIC_SLOT_SHIFT: Final = VNIC_RECEIVE_SLOT.bit_length() - 1
NIC_BUDGET: Final = 64
"""Frames that are indicated at once."""
NIC_WORK_ITEM_ROUNDS: Final = 16
NIC_DPC_TIME_PERCENT: Final = 25
NIC_RESET_POLLS: Final = 1000
NIC_NOBODY: Final = -1
NIC_MTU: Final = 1500
NIC_HEADER: Final = 14
NIC_MAXIMUM_FRAME: Final = NIC_MTU + NIC_HEADER
NIC_MINIMUM_FRAME: Final = 60
NIC_ADDRESS_MASK: Final = 0xFFFF_FFFF_FFFF
NIC_BROADCAST: Final = 0xFFFF_FFFF_FFFF
NIC_BROADCAST_ADDRESS: Final = bytes((0xFF,)) * 6
NIC_MULTICAST_BIT: Final = 1
NIC_VENDOR: Final = b"Virtual network adapter\0"
NIC_DRIVER_VERSION: Final = 0x0001_0000
NIC_FILTERS: Final = (
    NDIS_PACKET_TYPE_DIRECTED
    | NDIS_PACKET_TYPE_MULTICAST
    | NDIS_PACKET_TYPE_ALL_MULTICAST
    | NDIS_PACKET_TYPE_BROADCAST
    | NDIS_PACKET_TYPE_PROMISCUOUS
)
NIC_STATISTICS: Final = 0x3F_87FF  # every NDIS_STATISTICS_FLAGS_VALID_ bit
NIC_OIDS: Final = (
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_INTERRUPT_MODERATION,
    OID_GEN_LINK_PARAMETERS,
    OID_GEN_MAXIMUM_TOTAL_SIZE,
    OID_GEN_RCV_OK,
    OID_GEN_XMIT_OK,
    OID_GEN_RECEIVE_BLOCK_SIZE,
    OID_GEN_RECEIVE_BUFFER_SPACE,
    OID_GEN_TRANSMIT_BLOCK_SIZE,
    OID_GEN_TRANSMIT_BUFFER_SPACE,
    OID_GEN_STATISTICS,
    OID_GEN_VENDOR_DESCRIPTION,
    OID_GEN_VENDOR_DRIVER_VERSION,
    OID_GEN_VENDOR_ID,
    OID_802_3_MULTICAST_LIST,
    OID_802_3_PERMANENT_ADDRESS,
    OID_802_3_CURRENT_ADDRESS,
    OID_802_3_MAXIMUM_LIST_SIZE,
)
NIC_CONSTANTS: Final = (
    (OID_GEN_MAXIMUM_TOTAL_SIZE, NIC_MAXIMUM_FRAME),
    (OID_GEN_RECEIVE_BLOCK_SIZE, VNIC_RECEIVE_SLOT),
    (OID_GEN_RECEIVE_BUFFER_SPACE, VNIC_RECEIVE_SLOT * NIC_RECEIVE_BUFFERS),
    (OID_GEN_TRANSMIT_BLOCK_SIZE, NIC_MAXIMUM_FRAME),
    (OID_GEN_TRANSMIT_BUFFER_SPACE, NIC_MAXIMUM_FRAME * NIC_TRANSMIT_ENTRIES),
    (OID_GEN_VENDOR_DRIVER_VERSION, NIC_DRIVER_VERSION),
    (OID_GEN_VENDOR_ID, 0xFF_FFFF),
    (OID_802_3_MAXIMUM_LIST_SIZE, NIC_MULTICAST_LIST),
)
NIC_PAUSED: Final = 0
NIC_RUNNING: Final = 1

NdisDriverHandle: MiniportDriverHandle | None = None


class ADAPTER(NONPAGED):
    """One adapter.  References is 1 while it runs, and 1 more for each list and each call that a pause must wait for."""

    Handle: AdapterHandle
    Nic: PVOID
    IoLength: u32
    Interrupt: InterruptHandle
    WorkItem: WorkItemHandle
    WorkItemQueued: LONG
    State: u32
    Removed: u32
    References: LONG
    PausePending: LONG

    PermanentAddress: Bytes[Literal[6]]
    CurrentAddress: Bytes[Literal[6]]
    Address: u64
    PacketFilter: u32
    Lookahead: u32
    MulticastCount: u32
    MulticastList: Bytes[Literal[192]]

    ReceiveLock: NDIS_SPIN_LOCK
    ReceivePool: NetBufferListPoolHandle
    ReceiveMemory: PVOID
    ReceiveAddress: u32
    BuffersTaken: u32
    BuffersPosted: u32
    ReceiveNbls: Array[PVOID, Literal[512]]

    SendLock: NDIS_SPIN_LOCK
    SendHead: Pointer[NET_BUFFER_LIST]
    SendTail: Pointer[NET_BUFFER_LIST]
    SendBuffer: Pointer[NET_BUFFER]
    PadMemory: PVOID
    PadAddress: u32
    TransmitPut: u32
    TransmitTake: u32
    TransmitNbls: Array[PVOID, Literal[512]]

    InFrames: u64
    InOctets: u64
    InMulticastFrames: u64
    InMulticastOctets: u64
    InBroadcastFrames: u64
    InBroadcastOctets: u64
    InDiscards: u64
    OutFrames: u64
    OutOctets: u64
    OutMulticastFrames: u64
    OutMulticastOctets: u64
    OutBroadcastFrames: u64
    OutBroadcastOctets: u64
    OutDiscards: u64


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the miniport."""
    global NdisDriverHandle
    status, NdisDriverHandle = NdisMRegisterMiniportDriver(
        DriverObject,
        RegistryPath,
        None,
        NDIS_MINIPORT_DRIVER_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
                NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
                NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
            ),
            MajorNdisVersion=NDIS_MINIPORT_MAJOR_VERSION,
            MinorNdisVersion=NDIS_MINIPORT_MINOR_VERSION,
            MajorDriverVersion=NIC_DRIVER_VERSION >> 16,
            InitializeHandlerEx=MPInitializeEx,
            HaltHandlerEx=MPHaltEx,
            UnloadHandler=MPUnload,
            PauseHandler=MPPause,
            RestartHandler=MPRestart,
            OidRequestHandler=MPOidRequest,
            SendNetBufferListsHandler=MPSendNetBufferLists,
            ReturnNetBufferListsHandler=MPReturnNetBufferLists,
            CancelSendHandler=MPCancelSendNetBufferLists,
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
    Adapter.Handle = MiniportAdapterHandle
    NdisAllocateSpinLock(Adapter.ReceiveLock)
    NdisAllocateSpinLock(Adapter.SendLock)
    status = NICInitialize(Adapter, MiniportInitParameters)
    if status != NDIS_STATUS_SUCCESS:
        NICFree(Adapter)
    return status


def NICInitialize(Adapter: ADAPTER, Parameters: NDIS_MINIPORT_INIT_PARAMETERS) -> NDIS_STATUS:
    """The steps of MPInitializeEx that can fail; what was done is undone by NICFree."""
    handle = Adapter.Handle
    registration = NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
            NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
        ),
        MiniportAdapterContext=Adapter,
        AttributeFlags=NDIS_MINIPORT_ATTRIBUTES_HARDWARE_DEVICE
        | NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER
        | NDIS_MINIPORT_ATTRIBUTES_SURPRISE_REMOVE_OK,
        InterfaceType=NDIS_INTERFACE_TYPE.NdisInterfacePci,
    )
    status = NdisMSetMiniportAttributes(handle, registration)
    if status != NDIS_STATUS_SUCCESS:
        return status
    for resource in Parameters.AllocatedResources:
        if resource.Type == CM_RESOURCE_TYPE.CmResourceTypeMemory:
            status, Adapter.Nic = NdisMMapIoSpace(handle, resource.Start, resource.Length)
            Adapter.IoLength = resource.Length
    nic = Adapter.Nic
    if nic is None or VnicReadRegister(nic, VNIC_REGISTER_TRANSMIT_ENTRIES) > NIC_TRANSMIT_ENTRIES:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    NICReadAddress(Adapter, nic)
    VnicWriteRegister(nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(nic, VNIC_REGISTER_LINK_SEQUENCE))
    link = NICLinkState(nic)
    status = NdisMSetMiniportAttributes(
        handle,
        NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
                NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
                NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2,
            ),
            MediaType=NDIS_MEDIUM.NdisMedium802_3,
            PhysicalMediumType=NDIS_PHYSICAL_MEDIUM.NdisPhysicalMedium802_3,
            MtuSize=NIC_MTU,
            LookaheadSize=NIC_MTU,
            MaxXmitLinkSpeed=link.XmitLinkSpeed,
            XmitLinkSpeed=link.XmitLinkSpeed,
            MaxRcvLinkSpeed=link.RcvLinkSpeed,
            RcvLinkSpeed=link.RcvLinkSpeed,
            MediaConnectState=link.MediaConnectState,
            MediaDuplexState=link.MediaDuplexState,
            MacOptions=NDIS_MAC_OPTION_COPY_LOOKAHEAD_DATA
            | NDIS_MAC_OPTION_TRANSFERS_NOT_PEND
            | NDIS_MAC_OPTION_NO_LOOPBACK,
            SupportedPacketFilters=NIC_FILTERS,
            MaxMulticastListSize=NIC_MULTICAST_LIST,
            MacAddressLength=ETH_LENGTH_OF_ADDRESS,
            PermanentMacAddress=Adapter.PermanentAddress,
            CurrentMacAddress=Adapter.CurrentAddress,
            AccessType=NET_IF_ACCESS_TYPE.NET_IF_ACCESS_BROADCAST,
            DirectionType=NET_IF_DIRECTION_TYPE.NET_IF_DIRECTION_SENDRECEIVE,
            ConnectionType=NET_IF_CONNECTION_TYPE.NET_IF_CONNECTION_DEDICATED,
            IfType=IF_TYPE_ETHERNET_CSMACD,
            IfConnectorPresent=True,
            SupportedStatistics=NDIS_STATISTICS_GEN_STATISTICS_SUPPORTED
            | NDIS_STATISTICS_XMIT_OK_SUPPORTED
            | NDIS_STATISTICS_RCV_OK_SUPPORTED,
            SupportedOidList=NIC_OIDS,
            SupportedOidListLength=len(NIC_OIDS) * 4,
        ),
    )
    if status != NDIS_STATUS_SUCCESS:
        return status
    work_item = NdisAllocateIoWorkItem(handle)
    if work_item is None:
        return NDIS_STATUS_RESOURCES
    Adapter.WorkItem = work_item
    if not NICAllocateBuffers(Adapter):
        return NDIS_STATUS_RESOURCES
    status, interrupt = NdisMRegisterInterruptEx(
        handle,
        Adapter,
        NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_MINIPORT_INTERRUPT,
                NDIS_MINIPORT_INTERRUPT_REVISION_1,
                NDIS_SIZEOF_MINIPORT_INTERRUPT_CHARACTERISTICS_REVISION_1,
            ),
            InterruptHandler=MPIsr,
            InterruptDpcHandler=MPInterruptDpc,
        ),
    )
    if interrupt is not None:
        Adapter.Interrupt = interrupt
        first = Adapter.ReceiveAddress + VNIC_RECEIVE_HEADROOM
        NICPostUnused(Adapter, [first + index * VNIC_RECEIVE_SLOT for index in range(NIC_RECEIVE_BUFFERS)])
    return status


def NICReadAddress(Adapter: ADAPTER, Nic: Vnic) -> None:
    """The permanent address is the hardware's; NetworkAddress in the registry replaces it if it is a unicast one."""
    Adapter.PermanentAddress = Adapter.CurrentAddress = VnicReadMacAddress(Nic)
    status, configuration = NdisOpenConfigurationEx(
        NDIS_CONFIGURATION_OBJECT(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_CONFIGURATION_OBJECT,
                NDIS_CONFIGURATION_OBJECT_REVISION_1,
                NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1,
            ),
            NdisHandle=Adapter.Handle,
        )
    )
    if configuration is not None:
        status, address, length = NdisReadNetworkAddress(configuration)
        if address is not None and length == ETH_LENGTH_OF_ADDRESS and not address[0] & NIC_MULTICAST_BIT:
            Adapter.CurrentAddress = address
        NdisCloseConfiguration(configuration)
    Adapter.Address = int.from_bytes(Adapter.CurrentAddress, "little")


def NICAllocateBuffers(Adapter: ADAPTER) -> bool:
    """Receive buffers with an MDL and a list each, all given to the hardware; and the zeros that pad short frames."""
    handle = Adapter.Handle
    Adapter.PadMemory, pad = NdisMAllocateSharedMemory(handle, NIC_MINIMUM_FRAME, True)
    length = NIC_RECEIVE_BUFFERS * VNIC_RECEIVE_SLOT
    Adapter.ReceiveMemory, address = NdisMAllocateSharedMemory(handle, length, True)
    pool = NdisAllocateNetBufferListPool(
        handle,
        NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_DEFAULT,
                NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
                NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1,
            ),
            fAllocateNetBuffer=True,
            PoolTag=NIC_TAG,
        ),
    )
    if pad is None or address is None or pool is None:
        return False
    Adapter.PadAddress, Adapter.ReceiveAddress, Adapter.ReceivePool = pad, address, pool
    NdisZeroMemory(Adapter.PadMemory, NIC_MINIMUM_FRAME)
    for index in range(NIC_RECEIVE_BUFFERS):
        mdl = NdisAllocateMdl(handle, Adapter.ReceiveMemory + index * VNIC_RECEIVE_SLOT, VNIC_RECEIVE_SLOT)
        if mdl is None:
            return False
        nbl = NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, VNIC_RECEIVE_HEADROOM, 0)
        if nbl is None:
            NdisFreeMdl(mdl)
            return False
        nbl.SourceHandle = handle
        Adapter.ReceiveNbls[index] = nbl
    return True


def NICFree(Adapter: ADAPTER) -> None:
    """Undo what NICInitialize did, as far as it came."""
    handle, nic, pool = Adapter.Handle, Adapter.Nic, Adapter.ReceivePool
    if Adapter.WorkItem:
        NdisFreeIoWorkItem(Adapter.WorkItem)
    for index in range(NIC_RECEIVE_BUFFERS):
        nbl = Adapter.ReceiveNbls[index]
        if nbl is None:
            break
        mdl = nbl.FirstNetBuffer.MdlChain
        NdisFreeNetBufferList(nbl)
        NdisFreeMdl(mdl)
    if pool:
        NdisFreeNetBufferListPool(pool)
    length = NIC_RECEIVE_BUFFERS * VNIC_RECEIVE_SLOT
    if Adapter.ReceiveMemory is not None:
        NdisMFreeSharedMemory(handle, length, True, Adapter.ReceiveMemory, Adapter.ReceiveMemory.offset)
    if Adapter.PadMemory is not None:
        NdisMFreeSharedMemory(handle, NIC_MINIMUM_FRAME, True, Adapter.PadMemory, Adapter.PadMemory.offset)
    if nic is not None:
        NdisMUnmapIoSpace(handle, nic, Adapter.IoLength)
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
    nic = Adapter.Nic
    VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_TRANSMIT_ENABLE)
    InterlockedExchange(Adapter.PausePending, 1)
    Adapter.State = NIC_PAUSED
    if InterlockedExchangeAdd(Adapter.References, -1) == 1 and InterlockedExchange(Adapter.PausePending, 0):
        return NDIS_STATUS_SUCCESS
    return NDIS_STATUS_PENDING


@MINIPORT_RESTART
def MPRestart(Adapter: ADAPTER, RestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Let frames flow in both directions."""
    nic = Adapter.Nic
    InterlockedExchangeAdd(Adapter.References, 1)
    Adapter.State = NIC_RUNNING
    VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    return NDIS_STATUS_SUCCESS


def NICReference(Adapter: ADAPTER, Count: int) -> bool:
    """Take references for lists that are on their way; False when the adapter is paused or about to be."""
    InterlockedExchangeAdd(Adapter.References, Count)
    if Adapter.State == NIC_RUNNING:
        return True
    NICDereference(Adapter, Count)
    return False


def NICDereference(Adapter: ADAPTER, Count: int) -> None:
    """Give references back; the last one completes a pause that waits for it."""
    if InterlockedExchangeAdd(Adapter.References, -Count) == Count and InterlockedExchange(Adapter.PausePending, 0):
        NdisMPauseComplete(Adapter.Handle)


@MINIPORT_SHUTDOWN
def MPShutdownEx(Adapter: ADAPTER, ShutdownAction: NDIS_SHUTDOWN_ACTION) -> None:
    """Silence the hardware; nothing is freed."""
    nic = Adapter.Nic
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, 0)


@MINIPORT_DEVICE_PNP_EVENT_NOTIFY
def MPDevicePnpEventNotify(Adapter: ADAPTER, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT) -> None:
    """After a surprise removal the hardware finishes nothing more: what it had to send has failed."""
    if NetDevicePnPEvent.DevicePnPEvent != NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventSurpriseRemoved:
        return
    NdisAcquireSpinLock(Adapter.SendLock)
    Adapter.Removed = 1
    chain = NICTakeTransmitted(Adapter, Adapter.TransmitPut - Adapter.TransmitTake & 0xFFFF_FFFF)
    queue, Adapter.SendHead, Adapter.SendTail, Adapter.SendBuffer = Adapter.SendHead, None, None, None
    NdisReleaseSpinLock(Adapter.SendLock)
    for failed in (chain, queue):
        NICCompleteSends(Adapter, failed, NDIS_STATUS_FAILURE, 0, 1)


@MINIPORT_ISR
def MPIsr(Adapter: ADAPTER) -> IsrResult:
    """The line is ours alone.  It stays masked until the DPC, or its work item, has served it."""
    nic = Adapter.Nic
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
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
        VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
        return
    if NICDpcTimeIsShort():
        # The reference makes a pause, and so a halt, wait for the work item.
        if NICReference(Adapter, 1):
            if InterlockedExchange(Adapter.WorkItemQueued, 1) == 0:
                NdisQueueIoWorkItem(Adapter.WorkItem, NICContinue, Adapter)
                return
            NICDereference(Adapter, 1)
    ReceiveThrottleParameters.MoreNblsPending = True


def NICDpcTimeIsShort() -> bool:
    """Is less than a quarter of what a DPC may take left?"""
    status, watchdog = KeQueryDpcWatchdogInformation()
    if status != STATUS_SUCCESS or not watchdog.DpcTimeLimit:
        return False
    return watchdog.DpcTimeCount * 100 // watchdog.DpcTimeLimit < NIC_DPC_TIME_PERCENT


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
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    NICDereference(Adapter, 1)


def NICServe(Adapter: ADAPTER, Nic: Vnic, Budget: int) -> bool:
    """Serve every cause of the interrupt, at DISPATCH_LEVEL; True when more frames are likely to wait."""
    cause = VnicReadRegister(Nic, VNIC_REGISTER_INTERRUPT_CAUSE)
    if cause == VNIC_ALL_ONES:
        return False
    if cause & VNIC_INTERRUPT_LINK:
        NICIndicateLink(Adapter, Nic)
    if cause & VNIC_INTERRUPT_TRANSMIT:
        NdisDprAcquireSpinLock(Adapter.SendLock)
        chain = NICTakeTransmitted(Adapter, VnicTransmitCompleted(Nic, 0))
        waiting = Adapter.SendHead
        if waiting is not None:
            NICTransmit(Adapter, waiting, Adapter.SendTail, Adapter.SendBuffer)
        NdisDprReleaseSpinLock(Adapter.SendLock)
        NICCompleteSends(Adapter, chain, NDIS_STATUS_SUCCESS, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL, 1)
    return bool(cause & VNIC_INTERRUPT_RECEIVE) and NICReceive(Adapter, Nic, Budget) == Budget


def NICLinkState(Nic: Vnic) -> NDIS_LINK_STATE:
    """The link as the registers have it."""
    up = VnicReadRegister(Nic, VNIC_REGISTER_LINK_STATE) == 1
    speed = VnicReadRegister(Nic, VNIC_REGISTER_LINK_SPEED) * 1_000_000 if up else NDIS_LINK_SPEED_UNKNOWN
    return NDIS_LINK_STATE(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT, NDIS_LINK_STATE_REVISION_1, NDIS_SIZEOF_LINK_STATE_REVISION_1
        ),
        MediaConnectState=NDIS_MEDIA_CONNECT_STATE.MediaConnectStateConnected
        if up
        else NDIS_MEDIA_CONNECT_STATE.MediaConnectStateDisconnected,
        MediaDuplexState=NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateFull
        if up
        else NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateUnknown,
        XmitLinkSpeed=speed,
        RcvLinkSpeed=speed,
    )


def NICIndicateLink(Adapter: ADAPTER, Nic: Vnic) -> None:
    """Acknowledge a change of the link and tell the drivers above."""
    VnicWriteRegister(Nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(Nic, VNIC_REGISTER_LINK_SEQUENCE))
    NdisMIndicateStatusEx(
        Adapter.Handle,
        NDIS_STATUS_INDICATION(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_STATUS_INDICATION,
                NDIS_STATUS_INDICATION_REVISION_1,
                NDIS_SIZEOF_STATUS_INDICATION_REVISION_1,
            ),
            SourceHandle=Adapter.Handle,
            StatusCode=NDIS_STATUS_LINK_STATE,
            StatusBuffer=NICLinkState(Nic),
            StatusBufferSize=NDIS_SIZEOF_LINK_STATE_REVISION_1,
        ),
    )


def NICReceive(Adapter: ADAPTER, Nic: Vnic, Budget: int) -> int:
    """Indicate what the hardware has filled, as one chain; how many buffers it were."""
    descriptors = VnicReceive(Nic, 0, Budget)
    taken = len(descriptors)
    if not taken:
        return 0
    Adapter.BuffersTaken = Adapter.BuffersTaken + taken & 0xFFFF_FFFF
    if not NICReference(Adapter, taken + 1):
        NICPostUnused(Adapter, [descriptor & VNIC_DESCRIPTOR_ADDRESS_MASK for descriptor in descriptors])
        Adapter.InDiscards += taken
        return taken
    nbls, memory = Adapter.ReceiveNbls, Adapter.ReceiveMemory.view.cast("Q")
    base, packet_filter = Adapter.ReceiveAddress, Adapter.PacketFilter
    address = Adapter.Address if packet_filter & NDIS_PACKET_TYPE_DIRECTED else NIC_NOBODY
    first = last = None
    octets = 0
    unwanted = []
    for descriptor in descriptors:
        offset = (descriptor & VNIC_DESCRIPTOR_ADDRESS_MASK) - base
        length = descriptor >> VNIC_DESCRIPTOR_LENGTH_SHIFT & VNIC_DESCRIPTOR_LENGTH_MASK
        destination = memory[offset >> 3] & NIC_ADDRESS_MASK
        if destination != address and not NICWants(Adapter, packet_filter, destination, length):
            unwanted.append(base + offset)
            continue
        nbl = nbls[offset >> NIC_SLOT_SHIFT]
        nbl.FirstNetBuffer.DataLength = length
        octets += length
        if last is None:
            first = nbl
        else:
            last.Next = nbl
        last = nbl
    wanted = taken - len(unwanted)
    if unwanted:
        NICPostUnused(Adapter, unwanted)
    if last is not None:
        last.Next = None
        Adapter.InFrames += wanted
        Adapter.InOctets += octets
        left = Adapter.BuffersPosted - Adapter.BuffersTaken & 0xFFFF_FFFF
        if left >= NIC_FEW_RECEIVE_BUFFERS:
            NdisMIndicateReceiveNetBufferLists(Adapter.Handle, first, 0, wanted, NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL)
            wanted = 0
        else:
            # The hardware is short of buffers: these are lent, and are back when the call returns.
            lent = NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL | NDIS_RECEIVE_FLAGS_RESOURCES
            NdisMIndicateReceiveNetBufferLists(Adapter.Handle, first, 0, wanted, lent)
            NICReclaim(Adapter, first)
    NICDereference(Adapter, len(unwanted) + wanted + 1)
    return taken


def NICWants(Adapter: ADAPTER, PacketFilter: int, Destination: int, Length: int) -> bool:
    """Does the packet filter let a frame through that is not for the adapter's own address?"""
    if Destination == NIC_BROADCAST:
        wanted = PacketFilter & (NDIS_PACKET_TYPE_BROADCAST | NDIS_PACKET_TYPE_PROMISCUOUS)
        Adapter.InBroadcastFrames += bool(wanted)
        Adapter.InBroadcastOctets += Length if wanted else 0
    elif Destination & NIC_MULTICAST_BIT:
        wanted = PacketFilter & (NDIS_PACKET_TYPE_ALL_MULTICAST | NDIS_PACKET_TYPE_PROMISCUOUS)
        if not wanted and PacketFilter & NDIS_PACKET_TYPE_MULTICAST:
            group, groups = Destination.to_bytes(6, "little"), Adapter.MulticastList
            wanted = any(groups[place : place + 6] == group for place in range(0, Adapter.MulticastCount * 6, 6))
        Adapter.InMulticastFrames += bool(wanted)
        Adapter.InMulticastOctets += Length if wanted else 0
    else:
        wanted = PacketFilter & NDIS_PACKET_TYPE_PROMISCUOUS
    return bool(wanted)


@MINIPORT_RETURN_NET_BUFFER_LISTS
def MPReturnNetBufferLists(Adapter: ADAPTER, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int) -> None:
    """Give the buffers of returned lists to the hardware again, at any IRQL up to DISPATCH_LEVEL."""
    NICDereference(Adapter, NICReclaim(Adapter, NetBufferLists))


def NICReclaim(Adapter: ADAPTER, Chain: NET_BUFFER_LIST | None) -> int:
    """Put lists back in their places and give their buffers to the hardware; how many they were."""
    base, nbls = Adapter.ReceiveAddress, Adapter.ReceiveNbls
    addresses = []
    NdisAcquireSpinLock(Adapter.ReceiveLock)
    nbl = Chain
    while nbl is not None:
        mdl = nbl.FirstNetBuffer.MdlChain
        address = mdl.StartVa + mdl.ByteOffset
        addresses.append(address + VNIC_RECEIVE_HEADROOM)
        following = nbl.Next
        nbl.Next = None
        # Stored each time, and last: whoever serves the hardware next takes the list from here.
        nbls[address - base >> NIC_SLOT_SHIFT] = nbl
        nbl = following
    NICPostReceive(Adapter, addresses)
    NdisReleaseSpinLock(Adapter.ReceiveLock)
    return len(addresses)


def NICPostUnused(Adapter: ADAPTER, Addresses: list[int]) -> None:
    """Give buffers back that were not indicated."""
    NdisAcquireSpinLock(Adapter.ReceiveLock)
    NICPostReceive(Adapter, Addresses)
    NdisReleaseSpinLock(Adapter.ReceiveLock)


def NICPostReceive(Adapter: ADAPTER, Addresses: list[int]) -> None:
    """Give buffers to the hardware, with ReceiveLock held; the ring has room for all that there are."""
    nic = Adapter.Nic
    VnicPostReceive(nic, 0, Addresses)
    Adapter.BuffersPosted = Adapter.BuffersPosted + len(Addresses) & 0xFFFF_FFFF


@MINIPORT_SEND_NET_BUFFER_LISTS
def MPSendNetBufferLists(Adapter: ADAPTER, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int) -> None:
    """Give the lists to the hardware, behind those that wait; what does not fit waits for the DPC."""
    flags = SendFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL
    rejected = first = last = None
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferList
    while nbl is not None:
        count += 1
        following = nbl.Next
        buffer = nbl.FirstNetBuffer
        sendable = buffer is not None
        while buffer is not None:
            if not NIC_HEADER <= buffer.DataLength <= NIC_MAXIMUM_FRAME:
                sendable = False
            buffer = buffer.Next
        if not sendable:
            nbl.Next = rejected
            rejected = nbl
        elif last is None:
            first = last = nbl
        else:
            last.Next = last = nbl
        nbl = following
    if last is not None:
        last.Next = None
    if not NICReference(Adapter, count):
        NICCompleteSends(Adapter, first, NDIS_STATUS_PAUSED, flags, 0)
        NICCompleteSends(Adapter, rejected, NDIS_STATUS_PAUSED, flags, 0)
        return
    NdisAcquireSpinLock(Adapter.SendLock)
    removed = Adapter.Removed
    if first is not None and not removed:
        tail = Adapter.SendTail
        if tail is None:
            NICTransmit(Adapter, first, last, first.FirstNetBuffer)
        else:
            tail.Next = first
            # Stored again, because it was changed; then the new end.
            Adapter.SendTail = tail
            Adapter.SendTail = last
    NdisReleaseSpinLock(Adapter.SendLock)
    if removed:
        NICCompleteSends(Adapter, first, NDIS_STATUS_FAILURE, flags, 1)
    NICCompleteSends(Adapter, rejected, NDIS_STATUS_INVALID_LENGTH, flags, 1)


def NICTransmit(Adapter: ADAPTER, First: Any, Last: Any, Buffer: Any) -> None:
    """Describe as many frames to the hardware as the ring has room for, with SendLock held; the rest waits in order."""
    nic, ring, put = Adapter.Nic, Adapter.TransmitNbls, Adapter.TransmitPut
    room = VnicTransmitRoom(nic, 0)
    descriptors: list[int] = []
    frames = octets = 0
    nbl, buffer = First, Buffer
    while nbl is not None:
        following = nbl.Next
        while buffer is not None:
            mdl, offset, length = buffer.CurrentMdl, buffer.CurrentMdlOffset, buffer.DataLength
            place = len(descriptors)
            if length <= mdl.ByteCount - offset and length >= NIC_MINIMUM_FRAME:
                if place == room:
                    break
                descriptors.append(mdl.StartVa + mdl.ByteOffset + offset | length << VNIC_DESCRIPTOR_LENGTH_SHIFT)
            else:
                fragments = NICFragments(Adapter, mdl, offset, length)
                if place + len(fragments) > room:
                    break
                descriptors += fragments
            if mdl.MappedSystemVa[offset] & NIC_MULTICAST_BIT:
                NICCountMulticast(Adapter, buffer, length)
            frames += 1
            octets += length
            buffer = buffer.Next
            if buffer is not None or len(descriptors) - place > 1:
                for position in range(put + place, put + len(descriptors)):
                    ring[position & NIC_TRANSMIT_MASK] = None
        if buffer is not None:
            break
        nbl.Next = None
        ring[put + len(descriptors) - 1 & NIC_TRANSMIT_MASK] = nbl
        nbl = following
        if nbl is not None:
            buffer = nbl.FirstNetBuffer
    if descriptors:
        Adapter.TransmitPut = put + len(descriptors) & 0xFFFF_FFFF
        Adapter.OutFrames += frames
        Adapter.OutOctets += octets
        VnicTransmit(nic, 0, descriptors)
    if nbl is not None or First is Adapter.SendHead:
        Adapter.SendHead, Adapter.SendTail, Adapter.SendBuffer = nbl, Last if nbl is not None else None, buffer


def NICFragments(Adapter: ADAPTER, Mdl: Any, Offset: int, Length: int) -> list[int]:
    """The descriptors of a frame that lies in several MDLs, or is too short for Ethernet and is padded with zeros."""
    pad = max(NIC_MINIMUM_FRAME - Length, 0)
    pieces = []
    while Length:
        piece = min(Length, Mdl.ByteCount - Offset)
        if piece:
            pieces.append((Mdl.StartVa + Mdl.ByteOffset + Offset, piece))
        Length -= piece
        Mdl, Offset = Mdl.Next, 0
    if pad:
        pieces.append((Adapter.PadAddress, pad))
    last = len(pieces) - 1
    return [VnicDescriptor(address, length, place != last) for place, (address, length) in enumerate(pieces)]


def NICCountMulticast(Adapter: ADAPTER, Buffer: NET_BUFFER, Length: int) -> None:
    """Count a frame that is sent to more than one receiver."""
    header = NdisGetDataBuffer(Buffer, ETH_LENGTH_OF_ADDRESS, None, 1, 0)
    if header is None or bytes(header[:6]) != NIC_BROADCAST_ADDRESS:
        Adapter.OutMulticastFrames += 1
        Adapter.OutMulticastOctets += Length
    else:
        Adapter.OutBroadcastFrames += 1
        Adapter.OutBroadcastOctets += Length


def NICTakeTransmitted(Adapter: ADAPTER, Descriptors: int) -> NET_BUFFER_LIST | None:
    """Take the lists of the oldest descriptors from the ring, with SendLock held; a chain in their order."""
    take, ring = Adapter.TransmitTake, Adapter.TransmitNbls
    first = last = None
    for position in range(take, take + Descriptors):
        nbl = ring[position & NIC_TRANSMIT_MASK]
        if nbl is None:
            continue
        if last is None:
            first = nbl
        else:
            last.Next = nbl
        last = nbl
    Adapter.TransmitTake = take + Descriptors & 0xFFFF_FFFF
    return first


def NICCompleteSends(Adapter: ADAPTER, Chain: NET_BUFFER_LIST | None, Status: int, Flags: int, References: int) -> None:
    """Complete a chain with one status; each list holds a reference, unless it was refused."""
    if Chain is None:
        return
    count = 0
    nbl: NET_BUFFER_LIST | None = Chain
    while nbl is not None:
        nbl.Status = Status
        nbl = nbl.Next
        count += 1
    if Status != NDIS_STATUS_SUCCESS:
        Adapter.OutDiscards += count
    NdisMSendNetBufferListsComplete(Adapter.Handle, Chain, Flags)
    if References:
        NICDereference(Adapter, count)


@MINIPORT_CANCEL_SEND
def MPCancelSendNetBufferLists(Adapter: ADAPTER, CancelId: Any) -> None:
    """Give up the waiting lists with this id, except one that is partly on the wire; the order of the others stays."""
    NdisAcquireSpinLock(Adapter.SendLock)
    kept: list[Any] = []
    cancelled: list[Any] = []
    nbl, started = Adapter.SendHead, Adapter.SendBuffer
    while nbl is not None:
        partly = not kept and not cancelled and started is not nbl.FirstNetBuffer
        matches = NDIS_GET_NET_BUFFER_LIST_CANCEL_ID(nbl) == CancelId and not partly
        (cancelled if matches else kept).append(nbl)
        nbl = nbl.Next
    for chain in (kept, cancelled):
        for nbl, following in zip(chain, [*chain[1:], None], strict=True):
            nbl.Next = following
    if not kept or kept[0] is not Adapter.SendHead:
        Adapter.SendBuffer = kept[0].FirstNetBuffer if kept else None
    Adapter.SendHead = kept[0] if kept else None
    Adapter.SendTail = kept[-1] if kept else None
    NdisReleaseSpinLock(Adapter.SendLock)
    NICCompleteSends(Adapter, cancelled[0] if cancelled else None, NDIS_STATUS_SEND_ABORTED, 0, 1)


@MINIPORT_OID_REQUEST
def MPOidRequest(Adapter: ADAPTER, OidRequest: NDIS_OID_REQUEST) -> NDIS_STATUS:
    """Answer a request at once; none of them has to wait."""
    if Adapter.Removed:
        return NDIS_STATUS_NOT_ACCEPTED
    kind = OidRequest.RequestType
    if kind == NDIS_REQUEST_TYPE.NdisRequestSetInformation:
        return NICSet(Adapter, OidRequest.DATA.SET_INFORMATION)
    if kind not in (NDIS_REQUEST_TYPE.NdisRequestQueryInformation, NDIS_REQUEST_TYPE.NdisRequestQueryStatistics):
        return NDIS_STATUS_NOT_SUPPORTED
    query = OidRequest.DATA.QUERY_INFORMATION
    answer = NICQuery(Adapter, query.Oid)
    if answer is None:
        return NDIS_STATUS_NOT_SUPPORTED
    room = query.InformationBufferLength
    query.BytesNeeded = len(answer)
    query.BytesWritten = 0
    if query.Oid in (OID_GEN_XMIT_OK, OID_GEN_RCV_OK) and room in (4, 5, 6, 7):
        answer = answer[:4]
    if room < len(answer):
        return NDIS_STATUS_BUFFER_TOO_SHORT
    NdisMoveMemory(query.InformationBuffer, answer, len(answer))
    query.BytesWritten = len(answer)
    return NDIS_STATUS_SUCCESS


@MINIPORT_CANCEL_OID_REQUEST
def MPCancelOidRequest(Adapter: ADAPTER, RequestId: Any) -> None:
    """No request ever waits."""


def NICQuery(Adapter: ADAPTER, Oid: int) -> bytes | None:
    """The answer to a query; None for an OID that is not supported."""
    if Oid == OID_GEN_STATISTICS:
        return NICStatistics(Adapter).to_bytes()
    if Oid == OID_GEN_INTERRUPT_MODERATION:
        return NDIS_INTERRUPT_MODERATION_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(
                NDIS_OBJECT_TYPE_DEFAULT,
                NDIS_INTERRUPT_MODERATION_PARAMETERS_REVISION_1,
                NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1,
            ),
            InterruptModeration=NDIS_INTERRUPT_MODERATION.NdisInterruptModerationNotSupported,
        ).to_bytes()
    if Oid == OID_GEN_VENDOR_DESCRIPTION:
        return NIC_VENDOR
    if Oid == OID_802_3_PERMANENT_ADDRESS:
        return Adapter.PermanentAddress
    if Oid == OID_802_3_CURRENT_ADDRESS:
        return Adapter.CurrentAddress
    if Oid == OID_GEN_XMIT_OK:
        return Adapter.OutFrames.to_bytes(8, "little")
    if Oid == OID_GEN_RCV_OK:
        return Adapter.InFrames.to_bytes(8, "little")
    for oid, value in NIC_CONSTANTS:
        if oid == Oid:
            return value.to_bytes(4, "little")
    return None


def NICStatistics(Adapter: ADAPTER) -> NDIS_STATISTICS_INFO:
    """What the driver and the hardware have counted."""
    nic = Adapter.Nic
    in_others = Adapter.InMulticastFrames + Adapter.InBroadcastFrames
    out_others = Adapter.OutMulticastFrames + Adapter.OutBroadcastFrames
    return NDIS_STATISTICS_INFO(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT, NDIS_STATISTICS_INFO_REVISION_1, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1
        ),
        SupportedStatistics=NIC_STATISTICS,
        ifInDiscards=Adapter.InDiscards + VnicReadRegister(nic, VNIC_REGISTER_RECEIVE_DISCARDS),
        ifInErrors=VnicReadRegister(nic, VNIC_REGISTER_RECEIVE_ERRORS),
        ifHCInOctets=Adapter.InOctets,
        ifHCInUcastPkts=Adapter.InFrames - in_others,
        ifHCInMulticastPkts=Adapter.InMulticastFrames,
        ifHCInBroadcastPkts=Adapter.InBroadcastFrames,
        ifHCOutOctets=Adapter.OutOctets,
        ifHCOutUcastPkts=Adapter.OutFrames - out_others,
        ifHCOutMulticastPkts=Adapter.OutMulticastFrames,
        ifHCOutBroadcastPkts=Adapter.OutBroadcastFrames,
        ifOutErrors=VnicReadRegister(nic, VNIC_REGISTER_TRANSMIT_ERRORS),
        ifOutDiscards=Adapter.OutDiscards,
        ifHCInUcastOctets=Adapter.InOctets - Adapter.InMulticastOctets - Adapter.InBroadcastOctets,
        ifHCInMulticastOctets=Adapter.InMulticastOctets,
        ifHCInBroadcastOctets=Adapter.InBroadcastOctets,
        ifHCOutUcastOctets=Adapter.OutOctets - Adapter.OutMulticastOctets - Adapter.OutBroadcastOctets,
        ifHCOutMulticastOctets=Adapter.OutMulticastOctets,
        ifHCOutBroadcastOctets=Adapter.OutBroadcastOctets,
    )


def NICSet(Adapter: ADAPTER, Given: Any) -> NDIS_STATUS:
    """Carry out a set request."""
    oid, length = Given.Oid, Given.InformationBufferLength
    Given.BytesRead = 0
    data = bytearray(length)
    if oid == OID_802_3_MULTICAST_LIST:
        if length % ETH_LENGTH_OF_ADDRESS:
            Given.BytesNeeded = length // ETH_LENGTH_OF_ADDRESS * ETH_LENGTH_OF_ADDRESS
            return NDIS_STATUS_INVALID_LENGTH
        if length > NIC_MULTICAST_LIST * ETH_LENGTH_OF_ADDRESS:
            return NDIS_STATUS_MULTICAST_FULL
        NdisMoveMemory(data, Given.InformationBuffer, length)
        Adapter.MulticastCount = 0
        Adapter.MulticastList = bytes(data).ljust(NIC_MULTICAST_LIST * ETH_LENGTH_OF_ADDRESS, b"\0")
        Adapter.MulticastCount = length // ETH_LENGTH_OF_ADDRESS
    elif oid in (OID_GEN_CURRENT_PACKET_FILTER, OID_GEN_CURRENT_LOOKAHEAD):
        if length < 4:
            Given.BytesNeeded = 4
            return NDIS_STATUS_INVALID_LENGTH
        length = 4
        NdisMoveMemory(data, Given.InformationBuffer, length)
        value = int.from_bytes(data[:4], "little")
        if oid == OID_GEN_CURRENT_LOOKAHEAD:
            if value > NIC_MTU:
                return NDIS_STATUS_INVALID_DATA
            Adapter.Lookahead = value
        elif value & ~NIC_FILTERS:
            return NDIS_STATUS_NOT_SUPPORTED
        else:
            Adapter.PacketFilter = value
    elif oid == OID_GEN_INTERRUPT_MODERATION:
        return NDIS_STATUS_INVALID_DATA
    elif oid != OID_GEN_LINK_PARAMETERS:
        return NDIS_STATUS_NOT_SUPPORTED
    Given.BytesRead = length
    return NDIS_STATUS_SUCCESS
