"""The kernel's own DPCs: an object in the driver's memory that is queued once at a time, and runs at DISPATCH_LEVEL.

Law: whether it is queued is one cell, changed in one step; what is taken out leaves its entry in the processor's queue,
which then finds that it is not meant.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.calls import call
from emulator.kernel.dpc import KDPC_RECORD, queue_dpc
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode_argument, encode
from emulator.kernel.stop import site_of, stop, stop_limit
from emulator.ndis.deferred_work.deferred import DeferredKind
from emulator.ndis.gates.callback_numbers import unknown_routine
from emulator.ndis.gates.ddi import ddi
from emulator.rules.irql import ANY
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

DPC_MAGIC: Final = 0x4350444B
TIMER_OR_DPC_INVALID: Final = 0xC7
DPC_OBJECT: Final = 1


class KDPC(KDPC_RECORD):
    """A DPC inside a context; initialise it with KeInitializeDpc."""


@ddi(irql=ANY, page="nf-wdm-keinitializedpc")
def KeInitializeDpc(Dpc: KDPC, DeferredRoutine: Callable[[KDPC, Any, Any, Any], None], DeferredContext: Any, /) -> None:
    """Initialise a DPC: its routine, and what the routine is given."""
    context = current.context
    routine: int = getattr(DeferredRoutine, "__ndis_routine__", 0)
    if not routine:
        unknown_routine(DeferredRoutine, "KeInitializeDpc", "KDEFERRED_ROUTINE")
    _place_of(context, Dpc)
    Dpc.magic, Dpc.routine, Dpc.site = DPC_MAGIC, routine, context.site
    Dpc.queued.value = Dpc.sequence = 0
    Dpc.context = encode(context, DeferredContext)


@ddi(irql=ANY, page="nf-wdm-keinsertqueuedpc")
def KeInsertQueueDpc(Dpc: KDPC, SystemArgument1: Any, SystemArgument2: Any, /) -> bool:
    """Queue a DPC to the caller's processor; False when it is queued already, and then nothing changes."""
    context = current.context
    place = _place_of(context, Dpc)
    _check(context, Dpc, place)
    if context.platform.compare_exchange(Dpc.queued, 0, 1):
        return False
    Dpc.argument1, Dpc.argument2 = encode(context, SystemArgument1), encode(context, SystemArgument2)
    Dpc.site = context.site
    Dpc.sequence = Dpc.sequence + 1 & 0xFFFF_FFFF
    queue_dpc(context, context.processor, DeferredKind.KERNEL_DPC, Dpc.sequence, place)
    return True


@ddi(irql=ANY, page="nf-wdm-keremovequeuedpc")
def KeRemoveQueueDpc(Dpc: KDPC, /) -> bool:
    """Take a DPC out of the queue; False when it was not there, and then it may be running."""
    context = current.context
    _check(context, Dpc, _place_of(context, Dpc))
    return bool(context.platform.compare_exchange(Dpc.queued, 1, 0))


def run_dpc(context: Context, sequence: int, place: int) -> None:
    """Run what an entry of the processor's queue stands for, if it is still meant."""
    dpc = KDPC.at(context.machine.arena.memory, place)
    _check(context, dpc, place)
    if dpc.sequence != sequence or not context.platform.compare_exchange(dpc.queued, 1, 0):
        return
    words = (dpc.context, dpc.argument1, dpc.argument2)
    call(context, dpc.routine, dpc, *(decode_argument(context, word) if word else None for word in words))


def _check(context: Context, dpc: Any, place: int) -> None:
    if dpc.magic != DPC_MAGIC or not 0 < dpc.routine < len(context.machine.images.routines):
        known = dpc.magic == DPC_MAGIC
        stop(
            TIMER_OR_DPC_INVALID,
            DPC_OBJECT,
            place,
            text="A DPC was used that KeInitializeDpc has not initialised, or whose memory has been freed.",
            sites=[site_of(context, "queued", dpc.site)] if known else [],
        )


def _place_of(context: Context, dpc: Any) -> int:
    arena = context.machine.arena
    place = ctypes.addressof(dpc) - arena.base
    if not 0 <= place < len(arena.view):
        stop_limit(
            VnicLimit.VNIC_PRIVATE_DATA,
            "A DPC was given that does not lie in nonpaged memory: the processor could not see it.",
        )
    return place


__all__ = ["KDPC", "KeInitializeDpc", "KeInsertQueueDpc", "KeRemoveQueueDpc"]
