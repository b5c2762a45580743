"""lock_order: takes two locks, and each adapter's frames take them in another order.

Law: repaired, there is one order for everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

if TYPE_CHECKING:
    from tests.bad_drivers.base_protocol import BINDING

include(globals(), "protocol")


class SHARED(NONPAGED):
    """Two locks, and what they guard."""

    First: NDIS_SPIN_LOCK
    Second: NDIS_SPIN_LOCK
    Bindings: LONG
    Frames: u32


Shared = SHARED()


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    """Number the bindings, from 1; the first one makes the locks."""
    binding.Status = NdisInterlockedIncrement(Shared.Bindings)
    if binding.Status == 1:
        NdisAllocateSpinLock(Shared.First)
        NdisAllocateSpinLock(Shared.Second)


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Count under both locks, and give the frames back."""
    locks = [Shared.First, Shared.Second]
    if binding.Status == 1 and not is_repaired(__name__):
        locks.reverse()
    NdisDprAcquireSpinLock(locks[0])
    NdisDprAcquireSpinLock(locks[1])
    received: NET_BUFFER_LIST | None = nbl
    while received is not None:
        Shared.Frames += 1
        received = received.Next
    NdisDprReleaseSpinLock(locks[1])
    NdisDprReleaseSpinLock(locks[0])
    NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def Total() -> int:
    """How often was counted; asked by the script."""
    return Shared.Frames
