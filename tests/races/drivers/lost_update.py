"""lost_update: counts the frames of all adapters in a plain number, which two processors raise at once.

Law: repaired, the number is an interlocked cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

if TYPE_CHECKING:
    from tests.bad_drivers.base_protocol import BINDING

include(globals(), "protocol")


class SHARED(NONPAGED):
    """What all processors share."""

    Frames: u32
    Cell: LONG


Shared = SHARED()


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Count, and give the frames back."""
    received: NET_BUFFER_LIST | None = nbl
    while received is not None:
        if is_repaired(__name__):
            NdisInterlockedIncrement(Shared.Cell)
        else:
            Shared.Frames += 1
        received = received.Next
    NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def Total() -> int:
    """How often was counted; asked by the script."""
    return Shared.Frames + Shared.Cell.value
