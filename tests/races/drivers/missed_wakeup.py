"""missed_wakeup: its pause sets a timer and waits for it, and resets the event after it has looked whether it came.

Law: repaired, the event is reset before the timer is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

if TYPE_CHECKING:
    from tests.bad_drivers.base_protocol import BINDING

include(globals(), "protocol")


class SHARED(NONPAGED):
    """Has the timer come, and who waits for it."""

    Seen: u32
    Waits: u32
    Came: NDIS_EVENT


Shared = SHARED()


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    """Make the event."""
    NdisInitializeEvent(Shared.Came)


@NDIS_TIMER_FUNCTION
def ProtocolTimer(first: Any, binding: BINDING, second: Any, third: Any) -> None:
    """Say that it came."""
    Shared.Seen = 1
    NdisSetEvent(Shared.Came)


def OnPause(binding: BINDING) -> None:
    """Wait for the timer, if it has not come yet."""
    NdisResetEvent(Shared.Came)
    Shared.Seen = 0
    NdisSetTimerObject(binding.Timer, -1, 0, None)
    Shared.Waits += 1
    DbgPrint("pause %u of %x", Shared.Waits, binding.Handle)
    if not Shared.Seen:
        DbgPrint("pause %u waits for the timer", Shared.Waits)
        if not is_repaired(__name__):
            NdisResetEvent(Shared.Came)
        NdisWaitEvent(Shared.Came, 0)


def Total() -> int:
    """Whether the timer came."""
    return Shared.Seen
