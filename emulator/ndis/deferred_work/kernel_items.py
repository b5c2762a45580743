"""What all work items of the kernel have in common: their objects, queues and routines, and where they lie.

Law: an item in the driver's own memory has a record of the machine's table behind it, so that the same states and the
same stops hold for all; its memory remembers the record, the record remembers the memory.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.kernel.pointers import Memory, decode
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import stop_limit
from emulator.kernel.workqueue import WorkItemState, stop_for
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind
from emulator.ndis.deferred_work.work_items import allocate_item, item_sites, routine_of
from emulator.ndis.devices.device_objects import dereference, find_device, pointer_of
from emulator.ndis.gates.callback_numbers import unknown_routine
from emulator.ndis.headers.roles_kernel import IO_WORKITEM_ROUTINE_EX
from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT
from emulator.rules.limits import VnicLimit
from emulator.rules.work_items import (
    CUSTOM_PRIORITY_QUEUE,
    INVALID_QUEUE_TYPE,
    LINKS_DAMAGED,
    STORAGE_FREED,
    WORKER_PRIORITY,
    Parameter,
)

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.kernel.pool import BLOCK
    from emulator.kernel.workqueue import Taken
    from emulator.ndis.headers.callback_role import Role

HIGHEST_PRIORITY: Final = 31
WORD: Final = 8
OWNED_KINDS: Final = (HandleKind.IO_WORK_ITEM, HandleKind.EX_WORK_ITEM)


def queue_of(queue_type: int) -> int | None:
    """The worker queue of a WORK_QUEUE_TYPE; a custom priority is served by the next queue that is not above it."""
    if queue_type in WORKER_PRIORITY:
        return queue_type
    priority = queue_type - CUSTOM_PRIORITY_QUEUE
    if not 0 <= priority <= HIGHEST_PRIORITY:
        return None
    below = [(known, number) for number, known in WORKER_PRIORITY.items() if known <= priority]
    return max(below)[1] if below else min((known, number) for number, known in WORKER_PRIORITY.items())[1]


def checked_queue(queue_type: int, handle: int, ddi_name: str) -> int:
    """The number of a worker queue; bug check 0xE4/6 for one that does not exist."""
    number = queue_of(queue_type)
    if number is None:
        stop_for(
            INVALID_QUEUE_TYPE,
            text=f"{ddi_name} was given the queue type {queue_type}.",
            values={Parameter.ITEM: handle, Parameter.QUEUE_NUMBER: queue_type},
        )
    return number


def routine_of_role(function: Any, handle: int, ddi_name: str, role: Role) -> int:
    """The number of a routine of this role; 0xE4/7 for NULL, VNIC_UNKNOWN_ROUTINE for what is no such callback."""
    if function is not None and getattr(function, "__ndis_role__", None) is not role:
        unknown_routine(function, ddi_name, role.name)
    return routine_of(function, ddi_name, role.name, handle)


def object_of(context: Context, word: int) -> Any:
    """The driver object or the device object of an I/O work item, from its record."""
    return context.machine.driver_objects[word] if word >> KIND_SHIFT == 0 else decode(context, word)


def word_of_object(context: Context, given: Any) -> int | None:
    """What the record of an I/O work item keeps of its object; None for what is neither driver nor device object."""
    if isinstance(given, DRIVER_OBJECT):
        return given.image
    device = find_device(context, given)
    return None if device is None else pointer_of(device)


# -- items in the driver's own memory ----------------------------------------------------------------------------------


def place_in_pool(context: Context, storage: Any, what: str) -> int:
    """Where an item lies in nonpaged memory; VNIC_PRIVATE_DATA for what no other context could see."""
    if isinstance(storage, Memory):
        place = storage.offset
    else:
        try:
            place = ctypes.addressof(storage) - context.machine.arena.base
        except TypeError:
            place = -1
    if place % WORD or context.machine.pool.around(place) is None:
        stop_limit(
            VnicLimit.VNIC_PRIVATE_DATA,
            f"{what} was given a work item that does not lie in nonpaged memory: a worker could not see it.",
            remedy="Allocate it with NdisAllocateMemoryWithTagPriority, or make it a member of a NONPAGED class.",
        )
    return place


def owned_item(context: Context, kind: HandleKind, parent: int, place: int) -> int:
    """Take a record for an item that lies in a block of pool."""
    handle = allocate_item(context, kind, parent)
    if handle is None:
        stop_limit(
            VnicLimit.VNIC_TABLE_FULL,
            "There is no record left for a work item, and the function has no way to fail.",
            remedy="Give the machine more work_items, or give back those that are not needed any more.",
        )
    context.machine.objects[kind].records[handle & INDEX_MASK].home = place
    count_in_block(context, place, 1)
    context.machine.arena.words[place // WORD] = handle
    return handle


def disown_item(context: Context, kind: HandleKind, handle: int) -> None:
    """Give the record of such an item back; its memory is the driver's alone again."""
    machine = context.machine
    item = machine.objects[kind].records[handle & INDEX_MASK]
    place, item.home = item.home, 0
    machine.arena.words[place // WORD] = 0
    count_in_block(context, place, -1)
    machine.objects[kind].free(handle, site=context.site)


def count_in_block(context: Context, place: int, change: int) -> None:
    """An item lies in the block around a place, or does so no more: who frees the block is to hear of it."""
    pointer = context.machine.pool.around(place)
    if pointer is not None:
        context.machine.pool.count_item(pointer, change)


def stop_for_storage(context: Context, start: int, block: BLOCK) -> NoReturn:
    """0xE4/0: a block of pool is freed in which a work item lies."""
    handle, item = next(
        (handle, item)
        for handle, item in context.machine.objects[HandleKind.IO_WORK_ITEM].live()
        if item.head.kind in OWNED_KINDS and start <= item.home < start + block.length
    )
    queued = item.state == WorkItemState.QUEUED
    stop_for(
        STORAGE_FREED,
        values={Parameter.ITEM: handle, Parameter.BLOCK: start, Parameter.BLOCK_END: start + block.length},
        text="Memory was freed with a work item in it "
        + ("that is still in the queue." if queued else "that IoUninitializeWorkItem has not been called for."),
        sites=item_sites(context, item),
    )


# -- what a worker calls -----------------------------------------------------------------------------------------------


def call_kernel_item(context: Context, taken: Taken, value: Any) -> None:
    """Call a taken item's routine with the arguments that its kind has."""
    handle, _, number, _, _ = taken
    routine: Any = context.routines[number]
    if handle >> KIND_SHIFT == HandleKind.SHARED_MEMORY_ITEM:
        from emulator.ndis.adapter_hardware.dma import shared_memory_completed

        routine(*shared_memory_completed(context, taken))
        return
    item = context.machine.objects[HandleKind.IO_WORK_ITEM].records[handle & INDEX_MASK]
    if handle >> KIND_SHIFT == HandleKind.EX_WORK_ITEM:
        place = item.home
        if context.machine.arena.words[place // WORD] != handle:
            stop_for(
                LINKS_DAMAGED,
                values={Parameter.ITEM: place, Parameter.QUEUE_NUMBER: item.queue, Parameter.ROUTINE: number},
                text="The links of a work item were overwritten while it was in the queue.",
                sites=item_sites(context, item),
            )
        disown_item(context, HandleKind.EX_WORK_ITEM, handle)
        routine(value)
        return
    parent = item.head.parent
    found = object_of(context, parent)
    if context.machine.images.routines[number].role is IO_WORKITEM_ROUTINE_EX:  # type: ignore[union-attr]
        routine(found, value, _memory_at(context, item.home) if item.home else handle)
    else:
        routine(found, value)
    if parent >> KIND_SHIFT:
        dereference(context, found)


def _memory_at(context: Context, place: int) -> Any:
    """The driver's own memory for an item, as the driver gave it."""
    pointer = context.machine.pool.around(place)
    assert pointer is not None  # it cannot be freed while the item is in it
    found, distance = decode(context, pointer), place - (pointer & OFFSET_MASK)
    return found + distance if distance else found
