"""A machine's counters, read from the arena as it runs.

Law: single glances at single words, bounds-checked; sums may be a frame apart, and nothing is locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.host.blackbox import words_of
from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, WORK_QUEUES
from emulator.layout.machine import CUT_COUNTER
from emulator.rules.work_items import CRITICAL_QUEUE
from emulator.trace.calls import recorded_calls

if TYPE_CHECKING:
    from emulator.host.supervisor import Supervisor


def counters(machine: Supervisor) -> dict[str, int]:
    """Counters by name."""
    arena = machine.arena
    put = sum(arena.queues[number].put for number in range(WORK_QUEUES))
    taken = sum(arena.queues[number].take for number in range(WORK_QUEUES))
    slots = arena.slots
    workers = range(machine.geometry.first_passive_slot, machine.geometry.first_stand_in_slot)
    return {
        "work_items_queued": put,
        "work_items_taken": taken,
        "work_items_critical": arena.queues[CRITICAL_QUEUE].put,
        "callbacks": sum(slot.callbacks for slot in slots),
        "wakes": sum(slot.wakes for slot in slots),
        "contexts": sum(member.alive and slot > 1 for slot, member in machine.members.items()),
        "passive_workers": sum(member.alive and slot in workers for slot, member in machine.members.items()),
        "passive_workers_added": machine.grown,
        "log_records_dropped": machine.loggers.dropped,
        "owner_deaths": arena.machine.owner_deaths,
        **lists(machine),
    }


def lists(machine: Supervisor) -> dict[str, int]:
    """The ledger of NET_BUFFER_LISTs at the adapters, and how many frames were cut into several MDLs there."""
    sums = machine.arena.counted(range(machine.geometry.all_adapters))
    sent, completed, indicated, returned = sums[:4]
    return {
        "lists_sent": sent,
        "lists_indicated": indicated,
        "lists_outstanding": sent - completed + indicated - returned,
        "frames_cut": sums[CUT_COUNTER],
    }


def ddi_calls(machine: Supervisor) -> dict[str, list[str]]:
    """The DDI functions that each context of a traced machine has called, in order; nothing for any other machine."""
    if not machine.geometry.traced:
        return {}
    arena, names = machine.arena, machine.names.ddis
    found = {}
    for slot, box in enumerate(arena.slots):
        numbers, _ = recorded_calls(arena.calls(slot))
        if numbers:
            who = words_of(box.kind, box.index)
            found[who] = [names[number] if number < len(names) else str(number) for number in numbers]
    return found


def queue_to_callback(machine: Supervisor) -> dict[int, int]:
    """How many work items waited how long for their routine, by bucket of emulator.layout.delays."""
    arena = machine.arena
    first = machine.geometry.first_passive_slot
    found: dict[int, int] = {}
    for slot in range(first, first + MAXIMUM_PASSIVE_WORKERS):
        for bucket, count in enumerate(arena.delays(slot)):
            if count:
                found[bucket] = found.get(bucket, 0) + count
    return found
