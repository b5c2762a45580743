"""The queues of netvmini: frames from the hardware to NDIS and back again, and what is done with those sent.

Law: who calls holds no lock, and may be on any processor; a queue's receive ring has one server at a time.  What is
asked of NDIS here is asked under the driver's own name, as in any of its files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.ndis import *
from sample_drivers.netvmini_frames import *
from sample_drivers.netvmini_nic import *
from sample_drivers.netvmini_rss import *
from vnic.device import *

if TYPE_CHECKING:
    from sample_drivers.netvmini import ADAPTER, QUEUE


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


def NICServe(Adapter: ADAPTER, Queue: QUEUE, Nic: Vnic, Budget: int) -> bool:
    """Serve every cause, at DISPATCH_LEVEL, what somebody waits for first; True when more frames are likely to wait."""
    number = Queue.Number
    cause = VnicReadRegister(Nic, VNIC_REGISTER_INTERRUPT_CAUSE, number)
    more = False
    if cause & VNIC_INTERRUPT_LINK:
        if cause == VNIC_ALL_ONES:
            return False
        VnicWriteRegister(Nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(Nic, VNIC_REGISTER_LINK_SEQUENCE))
        NdisMIndicateStatusEx(Adapter.Handle, NICLinkIndication(Adapter))
    if cause & VNIC_INTERRUPT_RECEIVE:
        more = NICReceive(Adapter, Queue, Nic, Budget) == Budget
    if cause & VNIC_INTERRUPT_TRANSMIT:
        NdisDprAcquireSpinLock(Queue.SendLock)
        lists = NICTakeTransmitted(Queue, VnicTransmitCompleted(Nic, number))
        waiting = Queue.SendHead
        if waiting is not None:
            NICTransmit(Adapter, Queue, waiting, Queue.SendTail, Queue.SendBuffer)
        NdisDprReleaseSpinLock(Queue.SendLock)
        NICCompleteSends(Adapter, Queue, lists, NDIS_STATUS_SUCCESS, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL, True)
    return more


def NICReceive(Adapter: ADAPTER, Queue: QUEUE, Nic: Vnic, Budget: int) -> int:
    """Indicate what the hardware has filled, as one chain; how many buffers it were."""
    hashes: Any = None
    if Adapter.Scaled:
        addresses, lengths, *hashes = VnicReceiveScaled(Nic, Queue.Number, Budget)
    else:
        addresses, lengths = VnicReceive(Nic, Queue.Number, Budget)
    taken = len(addresses)
    if not taken:
        return 0
    lists = NICTakeReceived(Queue, taken)
    if hashes is not None:
        NICTellHashes(lists, *hashes)
    if Adapter.Offloads:
        taken = NICJoin(Adapter, Queue, Nic, addresses, lists, lengths)
    if not NICReference(Adapter, taken):
        Queue.In.Discards += taken
        NICPostReceive(Adapter, Queue, lists)
        return taken
    memory, base, own = Adapter.ReceiveMemory.view, Adapter.ReceiveAddress, Adapter.Directed
    if taken < NIC_MANY or not NICAllFor(own, memory, base, addresses):
        words = memory.cast("Q")
        destinations = [words[address - base >> 3] & NIC_BROADCAST for address in addresses]
        if destinations.count(own) != taken:
            unwanted = NICFilter(Adapter, Queue, own, destinations, lists, lengths)
            if unwanted:
                NICPostReceive(Adapter, Queue, unwanted)
                NICDereference(Adapter, len(unwanted))
    if lists:
        NICIndicate(Adapter, Queue, lists, lengths)
    return taken


def NICIndicate(Adapter: ADAPTER, Queue: QUEUE, Lists: list[Any], Lengths: list[int]) -> None:
    """Indicate frames of these lengths; with few buffers left they are only lent, and go back to the hardware."""
    counters, wanted = Queue.In, len(Lists)
    counters.Frames += wanted
    counters.Octets += sum(Lengths)
    flags = NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL
    if Queue.BuffersPosted - Queue.BuffersTaken & 0xFFFF_FFFF < Adapter.FewBuffers:
        flags |= NDIS_RECEIVE_FLAGS_RESOURCES
    first: Any = None
    for nbl, length in zip(reversed(Lists), reversed(Lengths), strict=True):
        nbl.FirstNetBuffer.DataLength = length
        nbl.Next = first
        first = nbl
    NdisMIndicateReceiveNetBufferLists(Adapter.Handle, first, NDIS_DEFAULT_PORT_NUMBER, wanted, flags)
    if flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        for nbl in Lists:  # whoever serves the hardware next takes them one by one
            nbl.Next = None
        NICPostReceive(Adapter, Queue, Lists)
        NICDereference(Adapter, wanted)


def NICPostReceive(Adapter: ADAPTER, Queue: QUEUE, Lists: list[Any]) -> None:
    """Give the buffers of lists to the hardware, which fills them in this order.  The ring has room for all."""
    lists = NICSeparate(Lists) if Adapter.Offloads else Lists
    addresses, nic = [nbl.FirstNetBuffer.DataPhysicalAddress for nbl in lists], Adapter.Nic
    NdisAcquireSpinLock(Queue.ReceiveLock)
    # Whoever serves the hardware next takes the lists from here, perhaps in another process.
    put = Queue.BuffersPosted
    NICStore(Queue.ReceiveNbls, put, lists)
    VnicPostReceive(nic, Queue.Number, addresses, Adapter.ReceiveCapacity)
    Queue.BuffersPosted = put + len(lists)
    NdisReleaseSpinLock(Queue.ReceiveLock)


def NICCompleteSends(
    Adapter: ADAPTER, Queue: QUEUE, Lists: list[Any], Status: int, Flags: int, Referenced: bool
) -> None:
    """Complete lists with one status, as one chain; each holds a reference, unless it was refused."""
    if not Lists:
        return
    first: Any = None
    for nbl in reversed(Lists):
        nbl.Status = Status
        nbl.Next = first
        first = nbl
    if Status != NDIS_STATUS_SUCCESS:
        NdisAcquireSpinLock(Queue.SendLock)
        Queue.Out.Discards += len(Lists)
        NdisReleaseSpinLock(Queue.SendLock)
    NdisMSendNetBufferListsComplete(Adapter.Handle, first, Flags)
    if Referenced:
        NICDereference(Adapter, len(Lists))


__all__ = [
    "NICCompleteSends",
    "NICDereference",
    "NICPostReceive",
    "NICReference",
    "NICServe",
]
