"""A small miniport in poll mode that keeps every rule: the common part of the bad ones that have a Poll object.

Law: correct by itself.  What is sent, and the frame that comes of it, wait under Lock for a poll; Count is 1 as
long as a poll has something to give, or NDIS has not called again since.
"""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, Characteristics
from tests.bad_drivers.include import include

include(globals(), "miniport")


@NDIS_POLL
def Poll(adapter: ADAPTER, PollData: NDIS_POLL_DATA) -> None:
    """Give NDIS what waits."""
    Give(adapter, PollData)


@NDIS_SET_POLL_NOTIFICATION
def SetPollNotification(adapter: ADAPTER, Notification: NDIS_POLL_NOTIFICATION) -> None:
    """There is no hardware whose interrupt could be enabled."""
    OnArmed(adapter, Notification.Enabled)


def OnArmed(adapter: ADAPTER, enabled: bool) -> None:
    """NDIS polls no more until it is asked to, at DISPATCH_LEVEL."""


def Give(adapter: ADAPTER, data: NDIS_POLL_DATA) -> None:
    """The first of the sends and the first of the frames that wait; NDIS counts the one, this driver the other."""
    NdisAcquireSpinLock(adapter.Lock)
    sent, frame = adapter.Memory, adapter.List
    if sent is not None:
        adapter.Memory, sent.Next = sent.Next, None
    if frame is not None:
        adapter.List, frame.Next = frame.Next, None
    adapter.Count.value = int(sent is not None or frame is not None)
    NdisReleaseSpinLock(adapter.Lock)
    data.Transmit.CompletedNblChain, data.Transmit.NumberOfCompletedNbls = sent, NDIS_ANY_NUMBER_OF_NBLS
    data.Receive.IndicatedNblChain, data.Receive.NumberOfIndicatedNbls = frame, int(frame is not None)
    data.Transmit.NumberOfRemainingNbls = data.Receive.NumberOfRemainingNbls = NDIS_ANY_NUMBER_OF_NBLS


def Wait(adapter: ADAPTER, member: str, lists: NET_BUFFER_LIST) -> None:
    """Put lists before those that wait, and ask for a poll."""
    last = lists
    while last.Next is not None:
        last = last.Next
    NdisAcquireSpinLock(adapter.Lock)
    last.Next = getattr(adapter, member)
    setattr(adapter, member, lists)
    adapter.Count.value = 1
    NdisReleaseSpinLock(adapter.Lock)
    NdisRequestPoll(adapter.Poll, None)


def RegisterPoll(adapter: ADAPTER) -> NDIS_STATUS:
    """Make the adapter's Poll object."""
    header = NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NDIS_POLL_CHARACTERISTICS_REVISION_1)
    given = NDIS_POLL_CHARACTERISTICS(Header=header, PollHandler=Poll, SetPollNotificationHandler=SetPollNotification)
    status, poll = NdisRegisterPoll(adapter.Handle, adapter, given)
    if poll is not None:
        adapter.Poll = poll
    return status


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    """Inside MiniportInitializeEx, the attributes set."""
    return RegisterPoll(adapter)


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    """Frames to be sent: they are as good as sent."""
    Wait(adapter, "Memory", nbl)


def OnIndicate(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    """A frame that was received."""
    Wait(adapter, "List", nbl)


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    """Until a poll has found nothing more."""
    while adapter.Count.value:
        NdisMSleep(1000)
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    """Inside MiniportHaltEx, at PASSIVE_LEVEL."""
    NdisDeregisterPoll(adapter.Poll)


def MPCharacteristics() -> NDIS_MINIPORT_DRIVER_CHARACTERISTICS:
    """Poll mode has come with NDIS 6.85."""
    given = Characteristics()
    given.MinorNdisVersion = 85
    return given
