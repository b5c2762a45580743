"""A miniport without hardware: its work items have frames, and ask for polls beside the processor that polls.

Law: nothing but a request tells NDIS of a frame, so one that is lost leaves a frame for ever.
"""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MPFrame
from tests.bad_drivers.base_poll import RegisterPoll, Wait
from tests.bad_drivers.include import include

include(globals(), "poll")
ITEMS, FRAMES = 2, 1
SLOW = 20
"""Microseconds, of frames as of registers."""


class STATE(NONPAGED):
    """What has come back."""

    Returned: LONG


State = STATE()


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    """Polled on the last processor."""
    status = RegisterPoll(adapter)
    if status == NDIS_STATUS_SUCCESS:
        NdisSetPollAffinity(adapter.Poll, PROCESSOR_NUMBER(0, NdisGroupActiveProcessorCount(0) - 1))
    return status


def OnTimer(adapter: ADAPTER) -> None:
    """The adapter runs."""
    for _ in range(ITEMS):
        item = NdisAllocateIoWorkItem(adapter.Handle)
        if item is not None:
            NdisQueueIoWorkItem(item, MakeFrames, adapter)


@NDIS_IO_WORKITEM_FUNCTION
def MakeFrames(adapter: ADAPTER, item: WorkItemHandle) -> None:
    """One after the other, each with a request of its own."""
    for _ in range(FRAMES):
        nbl = MPFrame(adapter)
        if nbl is not None:
            Wait(adapter, "List", nbl)
        NdisStallExecution(SLOW)
    NdisFreeIoWorkItem(item)


def OnArmed(adapter: ADAPTER, enabled: bool) -> None:
    """Registers of some hardware are slow."""
    NdisStallExecution(SLOW)


def OnReturn(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    """A frame is back."""
    NdisFreeNetBufferList(nbl)
    NdisInterlockedIncrement(State.Returned)


def Total() -> int:
    """How many frames are back, asked outside of every context."""
    return State.Returned.value
