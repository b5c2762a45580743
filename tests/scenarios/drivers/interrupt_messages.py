"""A miniport that takes its interrupts as messages and sends every frame back, with where its DPC ran written into it.

A frame's bytes 14 and 15 are a command: 0 sends it back at once; 1 leaves it to a DPC on the processor that byte 15
names. What comes back has in byte 16 the message, in byte 17 the processor that its DPC ran on, in byte 18 the most
lists that the DPC was allowed to indicate, 255 for all.
"""

from __future__ import annotations

from typing import Literal

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG, InterruptCharacteristics, MPAllocate, SetAttributes
from tests.bad_drivers.include import include
from vnic.device import *

BUFFERS = 16
MESSAGES, SYNC_WITH_ALL = True, False
ITEMS, SYNCHRONIZED = 0, 8
"""Work items at each restart, and how often each of them counts what ISRs count too."""
SIGNALLED = CM_RESOURCE_INTERRUPT_MESSAGE | CM_RESOURCE_INTERRUPT_LATCHED
ALL = VNIC_INTERRUPT_RECEIVE | VNIC_INTERRUPT_TRANSMIT | VNIC_INTERRUPT_LINK
include(globals(), "miniport")


class STATE(NONPAGED):
    """What ISRs and DPCs of several processors share; Lock guards the rings and what lies behind it."""

    Adapter: AdapterHandle
    Interrupt: InterruptHandle
    Nic: PVOID
    Buffers: PVOID
    BusAddress: u64
    Offered: u32
    Granted: u32
    Type: u32
    Affinity: Array[u32, Literal[16]]
    Targets: u32
    Recognized: u32
    Off: u32
    Isr: Array[u32, Literal[16]]
    IsrProcessor: Array[u32, Literal[16]]
    Dpc: Array[u32, Literal[16]]
    DpcProcessor: Array[u32, Literal[16]]
    Disabled: Array[u32, Literal[16]]
    Shared: u32
    Lock: NDIS_SPIN_LOCK
    Waiting: u64
    WaitingLength: u32


State = STATE()


@MINIPORT_MESSAGE_INTERRUPT
def MessageIsr(adapter: ADAPTER, MessageId: int) -> IsrResult:
    """Mask what sends this message, and ask for its DPC here, or where Targets says."""
    Configure(NdisMSIXTableConfigMaskTableEntry, MessageId)
    State.Isr[MessageId] += 1
    State.IsrProcessor[MessageId] = NdisCurrentGroupAndProcessor().Number
    if MessageId == VNIC_MESSAGE_ENTRY_RECEIVE:
        State.Shared += 1
    return IsrResult(bool(State.Recognized), not State.Targets, State.Targets)


@MINIPORT_MESSAGE_INTERRUPT_DPC
def MessageDpc(
    adapter: ADAPTER,
    MessageId: int,
    MiniportDpcContext: ADAPTER | None,
    ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
    NdisReserved2: None,
) -> None:
    """Serve this message's causes, then let them through again; unless the driver itself has asked for the DPC."""
    State.Dpc[MessageId] += 1
    State.DpcProcessor[MessageId] = NdisCurrentGroupAndProcessor().Number
    if MiniportDpcContext is not None:
        SendWaiting(MessageId)
        return
    most = ReceiveThrottleParameters.MaxNblsToIndicate
    NdisDprAcquireSpinLock(State.Lock)
    more = Serve(MessageId, most)
    NdisDprReleaseSpinLock(State.Lock)
    if more:
        ReceiveThrottleParameters.MoreNblsPending = True
    else:
        NdisMSynchronizeWithInterruptEx(State.Interrupt, MessageId, LetThrough, MessageId)


@MINIPORT_SYNCHRONIZE_INTERRUPT
def LetThrough(MessageId: int) -> bool:
    """Unmask a message again, unless NDIS has switched it off meanwhile."""
    return not State.Off and Configure(NdisMSIXTableConfigUnmaskTableEntry, MessageId) == NDIS_STATUS_SUCCESS


def Serve(MessageId: int, Most: int) -> bool:
    """All causes that this driver's messages have, with Lock held; True when received frames were left for later."""
    nic = State.Nic
    VnicWriteRegister(nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(nic, VNIC_REGISTER_LINK_SEQUENCE))
    VnicTransmitCompleted(nic, 0)
    addresses, lengths = VnicReceive(nic, 0, min(Most, BUFFERS))
    if addresses:
        SendBack(addresses, lengths, MessageId, min(Most, 255))
    return Most < BUFFERS and len(addresses) == Most


def SendWaiting(MessageId: int) -> None:
    """What was left to this processor's DPC."""
    NdisDprAcquireSpinLock(State.Lock)
    waiting, State.Waiting = State.Waiting, 0
    if waiting:
        SendBack([waiting], [State.WaitingLength], MessageId, 255)
    NdisDprReleaseSpinLock(State.Lock)


def SendBack(Addresses: list[int], Lengths: list[int], MessageId: int, Most: int) -> None:
    """Send frames back, or leave one to the processor that it asks for; Lock is held."""
    nic, buffers = State.Nic, State.Buffers
    for address, length in zip(Addresses, Lengths, strict=True):
        at = address - State.BusAddress
        if buffers[at + 14] == 1:
            buffers[at + 14] = 0
            State.Waiting, State.WaitingLength = address, length
            target = GROUP_AFFINITY(1 << buffers[at + 15])
            NdisMQueueDpcEx(State.Interrupt, VNIC_MESSAGE_ENTRY_RECEIVE, target, State)
            continue
        buffers[at + 16 : at + 19] = bytes((MessageId, NdisCurrentGroupAndProcessor().Number, Most))
        VnicTransmitFrames(nic, 0, [address], [length])
        VnicPostReceive(nic, 0, [address])


@MINIPORT_DISABLE_MESSAGE_INTERRUPT
def DisableMessage(adapter: ADAPTER, MessageId: int) -> None:
    """NDIS looks for a fault."""
    State.Off = 1
    State.Disabled[MessageId] += 1
    Configure(NdisMSIXTableConfigMaskTableEntry, MessageId)


@MINIPORT_ENABLE_MESSAGE_INTERRUPT
def EnableMessage(adapter: ADAPTER, MessageId: int) -> None:
    """NDIS has looked."""
    State.Off = 0
    Configure(NdisMSIXTableConfigUnmaskTableEntry, MessageId)


@MINIPORT_ISR
def LineIsr(adapter: ADAPTER) -> IsrResult:
    """The same for a line."""
    VnicWriteRegister(State.Nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    State.Isr[15] += 1
    State.IsrProcessor[15] = NdisCurrentGroupAndProcessor().Number
    State.Shared += 1
    return IsrResult(bool(State.Recognized), not State.Targets, State.Targets)


@MINIPORT_INTERRUPT_DPC
def LineDpc(
    adapter: ADAPTER,
    MiniportDpcContext: ADAPTER | None,
    ReceiveThrottleParameters: NDIS_RECEIVE_THROTTLE_PARAMETERS,
    NdisReserved2: None,
) -> None:
    """The same for a line."""
    State.Dpc[15] += 1
    State.DpcProcessor[15] = NdisCurrentGroupAndProcessor().Number
    if MiniportDpcContext is not None:
        SendWaiting(15)
        return
    NdisDprAcquireSpinLock(State.Lock)
    Serve(15, ReceiveThrottleParameters.MaxNblsToIndicate)
    NdisDprReleaseSpinLock(State.Lock)
    VnicWriteRegister(State.Nic, VNIC_REGISTER_INTERRUPT_MASK, ALL)


@MINIPORT_SYNCHRONIZE_INTERRUPT
def Synchronized(Count: STATE) -> bool:
    """What no ISR may do at the same time."""
    Count.Shared += 1
    return NdisCurrentGroupAndProcessor().Number < 32


@NDIS_IO_WORKITEM_FUNCTION
def CountWithIsr(Count: STATE, item: WorkItemHandle) -> None:
    """Share a count with an ISR that may run on another processor."""
    for _ in range(SYNCHRONIZED):
        NdisMSynchronizeWithInterruptEx(Count.Interrupt, VNIC_MESSAGE_ENTRY_RECEIVE, Synchronized, Count)
    NdisFreeIoWorkItem(item)


def Configure(Operation: int, Entry: int, Message: int = 0) -> NDIS_STATUS:
    """One operation on the adapter's MSI-X table."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NDIS_MSIX_CONFIG_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
    )
    parameters = NDIS_MSIX_CONFIG_PARAMETERS(
        Header=header, ConfigOperation=Operation, TableEntry=Entry, MessageNumber=Message
    )
    return NdisMConfigMSIXTableEntry(State.Adapter, parameters)


def MessageCharacteristics() -> NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS:
    """A line and messages."""
    given = InterruptCharacteristics()
    given.InterruptHandler, given.InterruptDpcHandler = LineIsr, LineDpc
    if MESSAGES:
        given.MsiSupported, given.MsiSyncWithAllMessages = True, SYNC_WITH_ALL
        given.MessageInterruptHandler, given.MessageInterruptDpcHandler = MessageIsr, MessageDpc
        given.DisableMessageInterruptHandler, given.EnableMessageInterruptHandler = DisableMessage, EnableMessage
    return given


@MINIPORT_INITIALIZE
def MPInitializeEx(
    NdisMiniportHandle: AdapterHandle,
    MiniportDriverContext: None,
    MiniportInitParameters: NDIS_MINIPORT_INIT_PARAMETERS,
) -> NDIS_STATUS:
    """Make the adapter, map its registers, give it buffers and connect its interrupt."""
    adapter = NdisAllocateMemoryWithTagPriority(NdisMiniportHandle, sizeof(ADAPTER), TAG, 0)
    if adapter is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(adapter, sizeof(ADAPTER))
    adapter.Handle = State.Adapter = NdisMiniportHandle
    State.Recognized = 1
    NdisAllocateSpinLock(adapter.Lock)
    NdisAllocateSpinLock(State.Lock)
    SetAttributes(adapter)
    MPAllocate(adapter)
    State.Offered = sum(resource.Flags == SIGNALLED for resource in MiniportInitParameters.AllocatedResources)
    registers = MiniportInitParameters.AllocatedResources[0]
    _, State.Nic = NdisMMapIoSpace(NdisMiniportHandle, registers.Start, registers.Length)
    State.Buffers, address = NdisMAllocateSharedMemory(NdisMiniportHandle, BUFFERS * VNIC_RECEIVE_SLOT, True)
    State.BusAddress = address or 0
    return Connect(adapter)


def Connect(adapter: ADAPTER) -> NDIS_STATUS:
    """Register the interrupt, and remember what it has become."""
    given = MessageCharacteristics()
    status, interrupt = NdisMRegisterInterruptEx(adapter.Handle, adapter, given)
    if interrupt is not None:
        State.Interrupt, State.Type = interrupt, given.InterruptType
        table = given.MessageInfoTable
        State.Granted = table.MessageCount if table is not None else 0
        for number in range(State.Granted):
            State.Affinity[number] = table.MessageInfo[number].TargetProcessorSet
        addresses = [State.BusAddress + number * VNIC_RECEIVE_SLOT for number in range(BUFFERS)]
        VnicPostReceive(State.Nic, 0, addresses)
    return status


def OnHalt(adapter: ADAPTER) -> None:
    """Stop the interrupt, then the hardware."""
    nic, buffers = State.Nic, State.Buffers
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    NdisMDeregisterInterruptEx(State.Interrupt)
    VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RESET)
    while VnicReadRegister(nic, VNIC_REGISTER_CONTROL) & VNIC_CONTROL_RESET:
        NdisMSleep(100)
    NdisMFreeSharedMemory(adapter.Handle, buffers.length, True, buffers, buffers.offset)
    NdisMUnmapIoSpace(adapter.Handle, nic, 0)
    NdisFreeSpinLock(State.Lock)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    """Let frames in."""
    nic = State.Nic
    VnicWriteRegister(nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
    VnicWriteRegister(nic, VNIC_REGISTER_INTERRUPT_MASK, ALL)
    for _ in range(ITEMS):
        item = NdisAllocateIoWorkItem(adapter.Handle)
        if item is not None:
            NdisQueueIoWorkItem(item, CountWithIsr, State)
    return NDIS_STATUS_SUCCESS


def Total() -> tuple[int, int]:
    """What has been counted, and how often an ISR did it."""
    return State.Shared, State.Isr[VNIC_MESSAGE_ENTRY_RECEIVE]
