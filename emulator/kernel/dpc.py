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
    ring = arena.dpc_rings[processor]
    lock = SystemLock.DPC + processor
    platform.acquire(lock)
    put = ring.put
    full = put - ring.take & 0xFFFF_FFFF >= DPC_ENTRIES
    if not full:
        entry = arena.dpc_entry(processor, put)
        entry.kind, entry.target, entry.argument = kind, target, argument
        ring.put = put + 1 & 0xFFFF_FFFF
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
    arena = context.machine.arena
    ring = arena.dpc_rings[context.processor]
    served = 0
    # What a DPC queues again waits for the next round, so that timers and other DPCs have their turn.
    last = ring.put
    while ring.take != last and served < DPC_BUDGET:
        entry = arena.dpc_entry(context.processor, ring.take)
        kind, target, argument = entry.kind, entry.target, entry.argument
        ring.take = ring.take + 1 & 0xFFFF_FFFF
        context.machine.services.deferred(context, kind, target, argument)
        served += 1
    return served > 0
