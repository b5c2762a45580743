"""netvmini in poll mode: its ISR asks for a poll instead of a DPC, and NDIS says how much it takes and for how long.

Law: all but the interrupt and what it leads to is netvmini's own source, included as a header would be.  What NdisPoll
has in hand needs no lock, since a Poll object's callbacks never run beside each other.  The references of completed
sends are given back at the next poll: NDIS completes them only when NdisPoll has returned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.ndis import *
from sample_drivers.netvmini import ADAPTER, QUEUE
from sample_drivers.netvmini_frames import *
from sample_drivers.netvmini_nic import *
from sample_drivers.netvmini_queue import *
from tests.bad_drivers.include import include
from vnic.device import *

for part in ("netvmini.py", "netvmini_queue.py", "netvmini_rss.py"):
    include(globals(), Path(__file__).parents[3] / "sample_drivers" / part)
NIC_QUEUES = 1  # a Poll object of the adapter's own serves one
InitializeRest, FreeRest = globals()["NICInitialize"], globals()["NICFree"]


class POLLED(ADAPTER):
    """netvmini's adapter, and what poll mode adds: sends that are done beyond a poll's budget, those given to NDIS."""

    Poll: NDIS_POLL_HANDLE
    Finished: PVOID
    Given: u32
    Polls: u32
    Interrupts: u32
    Armed: u32
    Longest: u32


ADAPTER = POLLED  # type: ignore[misc]


@MINIPORT_ISR
def MPIsr(Adapter: POLLED) -> IsrResult:
    """Mask the line and ask for polls; NICNotify unmasks it."""
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    Adapter.Interrupts += 1
    NdisRequestPoll(Adapter.Poll, None)
    return IsrResult(True, False, 0)


@NDIS_SET_POLL_NOTIFICATION
def NICNotify(Adapter: POLLED, Notification: NDIS_POLL_NOTIFICATION) -> None:
    """The line is a level: what has come since the last poll asserts it at once."""
    Adapter.Armed += 1
    VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_INTERRUPT_MASK, NIC_INTERRUPTS if Notification.Enabled else 0)


@NDIS_POLL
def NICPoll(Adapter: POLLED, PollData: NDIS_POLL_DATA) -> None:
    """One turn in both directions."""
    nic = Adapter.Nic
    Adapter.Polls += 1
    if Adapter.Given:
        given, Adapter.Given = Adapter.Given, 0
        NICDereference(Adapter, given)
    Queue, cause = Adapter.FirstQueue, VnicReadRegister(nic, VNIC_REGISTER_INTERRUPT_CAUSE)
    if cause == VNIC_ALL_ONES:
        return
    if cause & VNIC_INTERRUPT_LINK:
        VnicWriteRegister(nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, VnicReadRegister(nic, VNIC_REGISTER_LINK_SEQUENCE))
        NdisMIndicateStatusEx(Adapter.Handle, NICLinkIndication(Adapter))
    if cause & VNIC_INTERRUPT_TRANSMIT or Adapter.Finished is not None:
        NICPollSends(Adapter, Queue, nic, PollData.Transmit)
    if cause & VNIC_INTERRUPT_RECEIVE:
        NICPollReceives(Adapter, Queue, nic, PollData.Receive)


def NICPollSends(Adapter: POLLED, Queue: QUEUE, Nic: Vnic, Transmit: NDIS_POLL_TRANSMIT_DATA) -> None:
    """Take what the hardware has sent, give it more, and leave to the next poll what this one must not complete."""
    NdisAcquireSpinLock(Queue.SendLock)
    lists = NICTakeTransmitted(Queue, VnicTransmitCompleted(Nic, 0))
    waiting = Queue.SendHead
    if waiting is not None:
        NICTransmit(Adapter, Queue, waiting, Queue.SendTail, Queue.SendBuffer)
    NdisReleaseSpinLock(Queue.SendLock)
    if Adapter.Finished is not None:
        lists, Adapter.Finished = NICChainToList(Adapter.Finished) + lists, None
    most = Transmit.MaxNblsToComplete
    if len(lists) > most:
        Transmit.NumberOfRemainingNbls = len(lists) - most
        Adapter.Finished = NICChain(lists[most:])
        lists = lists[:most]
    for nbl in lists:
        nbl.Status = NDIS_STATUS_SUCCESS
    Transmit.CompletedNblChain = NICChain(lists)
    Transmit.NumberOfCompletedNbls = Adapter.Given = len(lists)


def NICPollReceives(Adapter: POLLED, Queue: QUEUE, Nic: Vnic, Receive: NDIS_POLL_RECEIVE_DATA) -> None:
    """Take what the hardware has filled, as far as NDIS wants it."""
    most = Receive.MaxNblsToIndicate
    addresses, lengths = VnicReceive(Nic, 0, most)
    taken = len(addresses)
    lists = NICTakeReceived(Queue, taken)
    if taken and Adapter.Offloads:
        taken = NICJoin(Adapter, Queue, Nic, addresses, lists, lengths)
    if not taken or not NICReference(Adapter, taken):
        Queue.In.Discards += taken
        NICPostReceive(Adapter, Queue, lists)
        return
    memory, base, own = Adapter.ReceiveMemory.view.cast("Q"), Adapter.ReceiveAddress, Adapter.Directed
    destinations = [memory[address - base >> 3] & NIC_BROADCAST for address in addresses]
    if destinations.count(own) != taken:
        unwanted = NICFilter(Adapter, Queue, own, destinations, lists, lengths)
        NICPostReceive(Adapter, Queue, unwanted)
        NICDereference(Adapter, len(unwanted))
    counters = Queue.In
    counters.Frames += len(lists)
    counters.Octets += sum(lengths)
    for nbl, length in zip(lists, lengths, strict=True):
        nbl.FirstNetBuffer.DataLength = length
    Receive.IndicatedNblChain = NICChain(lists)
    Receive.NumberOfIndicatedNbls = len(lists)
    Receive.NumberOfRemainingNbls = NDIS_ANY_NUMBER_OF_NBLS if taken == most else 0
    Adapter.Longest = max(Adapter.Longest, len(lists))


def NICChain(Lists: list[Any]) -> Any:
    """Lists as one chain, in their order."""
    first: Any = None
    for nbl in reversed(Lists):
        nbl.Next = first
        first = nbl
    return first


def NICInitialize(Adapter: POLLED, Parameters: NDIS_MINIPORT_INIT_PARAMETERS) -> NDIS_STATUS:
    """The Poll object before the interrupt, which may come at once; then as netvmini does."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NDIS_POLL_CHARACTERISTICS_REVISION_1,
        NDIS_SIZEOF_NDIS_POLL_CHARACTERISTICS_REVISION_1,
    )
    characteristics = NDIS_POLL_CHARACTERISTICS(
        Header=header, PollHandler=NICPoll, SetPollNotificationHandler=NICNotify
    )
    status, poll = NdisRegisterPoll(Adapter.Handle, Adapter, characteristics)
    if poll is None:
        return status
    Adapter.Poll = poll
    rest: NDIS_STATUS = InitializeRest(Adapter, Parameters)
    return rest


def NICFree(Adapter: POLLED) -> None:
    """As netvmini does, when nobody polls any more."""
    if Adapter.Poll:
        NdisDeregisterPoll(Adapter.Poll)
    FreeRest(Adapter)
