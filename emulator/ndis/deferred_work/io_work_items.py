"""The kernel's I/O work items: for a device or driver object, to any worker queue; what a protocol driver defers with.

Law: the same records, the same rules and the same stops as for NDIS's work items (rules/work_items.py); the role of the
routine says which form it has.  Source: work_items.md of the dossier, sections 2, 3 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory, encode, place_of
from emulator.kernel.workqueue import WorkItemState, stop_for
from emulator.layout.handles import KIND_SHIFT, HandleKind
from emulator.ndis.deferred_work.kernel_items import (
    WORD,
    checked_queue,
    disown_item,
    object_of,
    owned_item,
    place_in_pool,
    routine_of_role,
    word_of_object,
)
from emulator.ndis.deferred_work.work_items import allocate_item, check_free, find_item
from emulator.ndis.devices.device_objects import DEVICE_OBJECT, dereference, find_device, pointer_of, reference
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.handles import PIO_WORKITEM
from emulator.ndis.headers.roles import IO_WORKITEM_ROUTINE
from emulator.ndis.headers.roles_kernel import IO_WORKITEM_ROUTINE_EX
from emulator.rules.irql import ANY, AT_MOST_DISPATCH
from emulator.rules.work_items import BAD_OBJECT, FOREIGN_HANDLE, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.headers.callback_role import Role
    from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT

KIND: Final = HandleKind.IO_WORK_ITEM
IO_WORKITEM_BYTES: Final = 64
"""What IoSizeofWorkItem answers: a number of ours, since the structure is opaque."""


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
    handle = allocate_item(context, KIND, pointer_of(device))
    return PIO_WORKITEM(handle) if handle is not None else None


@ddi(irql=AT_MOST_DISPATCH, releases="work item", page="nf-wdm-iofreeworkitem")
def IoFreeWorkItem(IoWorkItem: PIO_WORKITEM, /) -> None:
    """Free an item that is not queued; legal inside its own routine.  Bug check 0xE4/2 when it is queued.

    For what IoAllocateWorkItem gave alone: an item in the driver's own memory is uninitialised instead.
    """
    context = current.context
    if isinstance(IoWorkItem, Memory):
        _wrong_storage(
            "IoFreeWorkItem was given an item in the driver's own memory, which is for IoUninitializeWorkItem."
        )
    check_free(context, IoWorkItem, find_item(context, IoWorkItem, KIND, "freed"))
    context.machine.objects[KIND].free(IoWorkItem, site=context.site)


@ddi(irql=ANY, page="nf-wdm-iosizeofworkitem")
def IoSizeofWorkItem() -> int:
    """The bytes that a driver allocates for a work item of its own."""
    return IO_WORKITEM_BYTES


@ddi(irql=ANY, acquires="work item", page="nf-wdm-ioinitializeworkitem")
def IoInitializeWorkItem(IoObject: DRIVER_OBJECT | DEVICE_OBJECT, IoWorkItem: Memory, /) -> None:
    """Make a work item of the driver's own nonpaged memory, for a driver object or a device object.

    Bug check 0xE4/3 for another object.  IoUninitializeWorkItem comes before the memory is freed.
    """
    context = current.context
    place = place_in_pool(context, IoWorkItem, "IoInitializeWorkItem")
    word = word_of_object(context, IoObject)
    if word is None:
        stop_for(
            BAD_OBJECT,
            text="IoInitializeWorkItem was given an object that is neither a driver object nor a device object.",
            values={Parameter.ITEM: place, Parameter.OBJECT: getattr(IoObject, "_pointer", 0) or 0},
        )
    owned_item(context, KIND, word, place)


@ddi(irql=ANY, releases="work item", page="nf-wdm-iouninitializeworkitem")
def IoUninitializeWorkItem(IoWorkItem: Memory, /) -> None:
    """Take back IoInitializeWorkItem; not while the item is queued (0xE4/2), but legal inside its routine."""
    context = current.context
    if not isinstance(IoWorkItem, Memory):
        _wrong_storage("IoUninitializeWorkItem was given what IoAllocateWorkItem has made: that is for IoFreeWorkItem.")
    handle = _handle_of(context, IoWorkItem)
    check_free(context, handle, find_item(context, handle, KIND, "freed"))
    disown_item(context, KIND, handle)


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-ioqueueworkitem")
def IoQueueWorkItem(
    IoWorkItem: PIO_WORKITEM | Memory,
    WorkerRoutine: Callable[[DEVICE_OBJECT, Any], None],
    QueueType: int,
    Context: Any,
    /,
) -> None:
    """Queue the item: WorkerRoutine(DeviceObject, Context) runs at PASSIVE_LEVEL in a worker of that queue.

    The device object stays until the routine has returned.  Bug check 0xE4/1 when the item is queued already, 0xE4/3
    when it is for a driver object, 0xE4/6 for a queue that does not exist.
    """
    context = current.context
    handle = _handle_of(context, IoWorkItem)
    item = find_item(context, handle, KIND, "queued")
    if item.head.parent >> KIND_SHIFT == 0:
        stop_for(
            BAD_OBJECT,
            text="IoQueueWorkItem was given an item that is for a driver object: its routine is given a device object.",
            values={Parameter.ITEM: handle, Parameter.OBJECT: item.head.parent},
        )
    _queue(context, "IoQueueWorkItem", IO_WORKITEM_ROUTINE, (handle, item), (WorkerRoutine, QueueType, Context))


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-ioqueueworkitemex")
def IoQueueWorkItemEx(
    IoWorkItem: PIO_WORKITEM | Memory,
    WorkerRoutine: Callable[[Any, Any, Any], None],
    QueueType: int,
    Context: Any,
    /,
) -> None:
    """Queue the item: WorkerRoutine(IoObject, Context, IoWorkItem) runs at PASSIVE_LEVEL in a worker of that queue.

    The device object, or the driver, stays until the routine has returned.
    """
    context = current.context
    handle = _handle_of(context, IoWorkItem)
    found = handle, find_item(context, handle, KIND, "queued")
    _queue(context, "IoQueueWorkItemEx", IO_WORKITEM_ROUTINE_EX, found, (WorkerRoutine, QueueType, Context))


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-ioqueueworkitemex", note="there is no page of its own; wdm.h has it")
def IoTryQueueWorkItem(
    IoWorkItem: PIO_WORKITEM | Memory,
    WorkerRoutine: Callable[[Any, Any, Any], None],
    QueueType: int,
    Context: Any,
    /,
) -> bool:
    """As IoQueueWorkItemEx; False, and nothing happens, when the item is in a queue already."""
    context = current.context
    handle = _handle_of(context, IoWorkItem)
    found = handle, find_item(context, handle, KIND, "queued")
    given = (WorkerRoutine, QueueType, Context)
    return _queue(context, "IoTryQueueWorkItem", IO_WORKITEM_ROUTINE_EX, found, given, attempt=True)


def _queue(
    context: Context,
    name: str,
    role: Role,
    found: tuple[int, Any],
    given: tuple[Any, int, Any],
    *,
    attempt: bool = False,
) -> bool:
    handle, item = found
    routine_given, queue_type, argument = given
    number = checked_queue(queue_type, handle, name)
    routine = routine_of_role(routine_given, handle, name, role)
    value = encode(context, argument)
    if attempt and item.state == WorkItemState.QUEUED:
        return False
    parent = item.head.parent
    if parent >> KIND_SHIFT:
        reference(context, object_of(context, parent))
    queue = context.machine.queues[number]
    if not attempt:
        return queue.put(context, handle, routine, value, context.site)
    if queue.try_put(context, handle, routine, value, context.site):
        return True
    # Somebody else was faster; their reference on the device object is another one.
    if parent >> KIND_SHIFT:
        dereference(context, object_of(context, parent))
    return False


def _handle_of(context: Context, given: Any) -> int:
    """The handle of an item, wherever it lies."""
    if not isinstance(given, Memory):
        return given  # type: ignore[no-any-return]
    place = place_of(given)  # of memory that is freed, too: 0xE4 is its stop
    handle: int = context.machine.arena.words[place // WORD]
    item = context.machine.objects[KIND].find(handle, KIND)
    if item is None or item.home != place:
        _wrong_storage("Memory was used as a work item that IoInitializeWorkItem has not been called for.", given)
    return handle


def _wrong_storage(text: str, storage: Any = None) -> None:
    stop_for(FOREIGN_HANDLE, text=text, values={Parameter.OBJECT: getattr(storage, "_pointer", 0) or 0})


__all__ = [
    "IoAllocateWorkItem",
    "IoFreeWorkItem",
    "IoInitializeWorkItem",
    "IoQueueWorkItem",
    "IoQueueWorkItemEx",
    "IoSizeofWorkItem",
    "IoTryQueueWorkItem",
    "IoUninitializeWorkItem",
]
