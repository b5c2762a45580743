"""The kernel's own work items: for a device object, to any worker queue; what a protocol driver has in place of NDIS's.

Law: the same records, the same rules and the same stops as for NDIS's work items (rules/work_items.py); the kind of the
handle says which signature the routine has.  Source: work_items.md of the dossier, sections 2, 3 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.kernel.workqueue import stop_for
from emulator.layout.handles import HandleKind
from emulator.ndis.ddi import ddi
from emulator.ndis.device_objects import DEVICE_OBJECT, find_device, reference
from emulator.ndis.handles import PIO_WORKITEM
from emulator.ndis.work_items import allocate_item, check_free, find_item, routine_of
from emulator.rules.bugcheck_entries import WORKER_INVALID
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.work_items import CUSTOM_PRIORITY_QUEUE, FOREIGN_HANDLE, WORKER_PRIORITY, Parameter, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

KIND: Final = HandleKind.IO_WORK_ITEM
HIGHEST_PRIORITY: Final = 31
INVALID_QUEUE_TYPE: Final = Stop(
    WORKER_INVALID,
    6,
    Parameter.ITEM,
    Parameter.QUEUE_NUMBER,
    Parameter.ZERO,
    "a work item was queued to a queue that does not exist",
    "debugger/bug-check-0xe4",
)


@ddi(irql=AT_MOST_DISPATCH, acquires="work item", page="nf-wdm-ioallocateworkitem")
def IoAllocateWorkItem(DeviceObject: DEVICE_OBJECT, /) -> PIO_WORKITEM | None:
    """Allocate a work item for a device object; None (NULL) when there are none left."""
    context = current.context
    device = find_device(context, DeviceObject)
    if device is None:
        stop_for(
            FOREIGN_HANDLE,
            text="IoAllocateWorkItem was given something else than a device object.",
            values={Parameter.OBJECT: getattr(DeviceObject, "_pointer", 0) or 0},
        )
    handle = allocate_item(context, KIND, getattr(device, "_pointer"))  # noqa: B009
    return PIO_WORKITEM(handle) if handle is not None else None


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-ioqueueworkitem")
def IoQueueWorkItem(
    IoWorkItem: PIO_WORKITEM, WorkerRoutine: Callable[[DEVICE_OBJECT, Any], None], QueueType: int, Context: Any, /
) -> None:
    """Queue the item: WorkerRoutine(DeviceObject, Context) runs at PASSIVE_LEVEL in a worker of that queue.

    The device object stays until the routine has returned.  Bug check 0xE4/1 when the item is queued already, 0xE4/6
    for a queue that does not exist.
    """
    context = current.context
    machine = context.machine
    item = find_item(context, IoWorkItem, KIND, "queued")
    number = queue_of(QueueType)
    if number is None:
        stop_for(
            INVALID_QUEUE_TYPE,
            text=f"IoQueueWorkItem was given the queue type {QueueType}.",
            values={Parameter.ITEM: IoWorkItem, Parameter.QUEUE_NUMBER: QueueType},
        )
    routine = routine_of(WorkerRoutine, "IoQueueWorkItem", "IO_WORKITEM_ROUTINE")
    value = encode(context, Context) if Context is not None else 0
    device = decode(context, item.head.parent)
    reference(context, device)
    machine.queues[number].put(context, IoWorkItem, routine, value, context.site)


@ddi(irql=AT_MOST_DISPATCH, releases="work item", page="nf-wdm-iofreeworkitem")
def IoFreeWorkItem(IoWorkItem: PIO_WORKITEM, /) -> None:
    """Free an item that is not queued; legal inside its own routine.  Bug check 0xE4/2 when it is queued."""
    context = current.context
    check_free(context, IoWorkItem, find_item(context, IoWorkItem, KIND, "freed"))
    context.machine.objects[KIND].free(IoWorkItem, site=context.site)


def queue_of(queue_type: int) -> int | None:
    """The worker queue of a WORK_QUEUE_TYPE; a custom priority is served by the next queue that is not above it."""
    if queue_type in WORKER_PRIORITY:
        return queue_type
    priority = queue_type - CUSTOM_PRIORITY_QUEUE
    if not 0 <= priority <= HIGHEST_PRIORITY:
        return None
    below = [(known, number) for number, known in WORKER_PRIORITY.items() if known <= priority]
    return max(below)[1] if below else min((known, number) for number, known in WORKER_PRIORITY.items())[1]


__all__ = ["IoAllocateWorkItem", "IoFreeWorkItem", "IoQueueWorkItem"]
