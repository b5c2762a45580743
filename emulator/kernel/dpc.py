"""The DPC queues: deferred calls to a chosen processor, at DISPATCH_LEVEL.

Law: several contexts put under the ring's lock; the processor alone takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.stop import stop_limit
from emulator.kernel.waits import wake
from emulator.layout.arena import DPC_ENTRIES, FIRST_PROCESSOR_SLOT
from emulator.layout.cells import LONG
from emulator.layout.machine import SystemLock
from emulator.layout.records import Record, u32, u64
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context

DPC_BUDGET = 64
PUT, TAKE = 0, 1
"""Places of the two ends of a ring, which run freely."""
INDEX_MASK = 0xFFFF_FFFF


class KDPC_RECORD(Record):
    """A DPC as it lies in a driver's memory; ``queued`` is 1 from its insertion until its routine is called."""

    magic: u32
    queued: LONG
    routine: u32
    sequence: u32
    context: u64
    argument1: u64
    argument2: u64
    site: u32


def queue_dpc(context: Context, processor: int, kind: int, target: int, argument: int) -> None:
    """Queue a deferred call; ``kind``, ``target`` and ``argument`` mean what the floor above says."""
    arena, platform = context.machine.arena, context.platform
    ends, entries, lock = arena.dpc_ends[processor], arena.dpc_entries[processor], SystemLock.DPC + processor
    platform.acquire(lock)
    put = ends[PUT]
    full = put - ends[TAKE] & INDEX_MASK >= DPC_ENTRIES
    if not full:
        place = put % DPC_ENTRIES * 2
        entries[place], entries[place + 1] = target << 32 | kind, argument
        ends[PUT] = put + 1 & INDEX_MASK
        arena.summoned[FIRST_PROCESSOR_SLOT + processor] = 1
    platform.release(lock)
    if full:
        stop_limit(
            VnicLimit.VNIC_TABLE_FULL,
            f"The DPC queue of processor {processor} holds {DPC_ENTRIES} calls and is full.",
            remedy="A DPC that is queued again and again from its own routine never lets the queue drain.",
        )
    if context.slot != FIRST_PROCESSOR_SLOT + processor:
        wake(context, FIRST_PROCESSOR_SLOT + processor)


def serve_dpcs(context: Context) -> bool:
    """Run the DPCs queued to this processor, at most DPC_BUDGET; True if one ran."""
    arena, deferred = context.machine.arena, context.machine.services.deferred
    ends, entries = arena.dpc_ends[context.processor], arena.dpc_entries[context.processor]
    # What a DPC queues again waits for the next round, so that timers and other DPCs have their turn.
    waiting = min(ends[PUT] - ends[TAKE] & INDEX_MASK, DPC_BUDGET)
    for _ in range(waiting):
        take = ends[TAKE]
        place = take % DPC_ENTRIES * 2
        what, argument = entries[place], entries[place + 1]
        ends[TAKE] = take + 1 & INDEX_MASK
        deferred(context, what & INDEX_MASK, what >> 32, argument)
    if ends[TAKE] != ends[PUT]:
        arena.summoned[context.slot] = 1
    return waiting > 0
