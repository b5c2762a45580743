"""WORK_QUEUE_ITEM: the executive's work items, which lie in the driver's memory and hold no reference on anything.

Law: such an item has a record of the machine's table only while it is queued, and its link says which; nothing keeps
the driver loaded while its routine runs.  Source: work_items.md of the dossier, sections 4 to 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import site_of
from emulator.kernel.workqueue import stop_for
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind
from emulator.layout.records import Record, u32, u64
from emulator.ndis.absent import not_implemented
from emulator.ndis.deferred_work.kernel_items import checked_queue, owned_item, place_in_pool, routine_of_role
from emulator.ndis.deferred_work.work_items import routine_of
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.roles_kernel import WORKER_THREAD_ROUTINE
from emulator.rules.irql import ANY, AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.work_items import QUEUED_TWICE, THREAD_ENDED, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = HandleKind.EX_WORK_ITEM


class WORK_QUEUE_ITEM(Record):
    """A work item inside a context; make it one with ExInitializeWorkItem."""

    link: u64
    parameter: u64
    routine: u32
    spare: u32


@ddi(irql=ANY, page="nf-wdm-exinitializeworkitem")
def ExInitializeWorkItem(Item: WORK_QUEUE_ITEM, Routine: Callable[[Any], None] | None, Context: Any, /) -> None:
    """Say what is to run, and with what; a macro on Windows, which looks at nothing."""
    context = current.context
    place_in_pool(context, Item, "ExInitializeWorkItem")
    Item.link, Item.parameter, Item.routine = 0, encode(context, Context), 0
    if Routine is not None:
        Item.routine = routine_of_role(Routine, 0, "ExInitializeWorkItem", WORKER_THREAD_ROUTINE)


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-exqueueworkitem")
def ExQueueWorkItem(WorkItem: WORK_QUEUE_ITEM, QueueType: int, /) -> None:
    """Queue the item: its routine runs with its context at PASSIVE_LEVEL in a worker of that queue.

    Bug check 0xE4/1 when it is queued already, 0xE4/6 for a queue that does not exist, 0xE4/7 without a routine.
    Nothing keeps the driver loaded until then: it waits itself before it unloads (0xCE).
    """
    context = current.context
    place = place_in_pool(context, WorkItem, "ExQueueWorkItem")
    number = checked_queue(QueueType, place, "ExQueueWorkItem")
    if not WorkItem.routine:
        routine_of(None, "ExQueueWorkItem", WORKER_THREAD_ROUTINE.name, place)
    known = context.machine.objects[KIND].find(WorkItem.link, KIND)
    if known is not None and known.home == place:
        stop_for(
            QUEUED_TWICE,
            values={Parameter.ITEM: place, Parameter.QUEUE_NUMBER: number},
            text="A work item was queued again while it is in the queue; it may be once its routine has begun.",
            sites=[site_of(context, "queued the first time", known.queued_site)],
        )
    handle = owned_item(context, KIND, 0, place)
    context.machine.queues[number].put(context, handle, WorkItem.routine, WorkItem.parameter, context.site)


@ddi(irql=AT_PASSIVE, page="nf-wdm-psterminatesystemthread")
def PsTerminateSystemThread(ExitStatus: int, /) -> NoReturn:
    """End the system thread that calls it.  A worker is none of the driver's: bug check 0xE9 in a work item."""
    context = current.context
    if context.kind is ContextKind.PASSIVE_WORKER:
        stop_for(
            THREAD_ENDED,
            values={Parameter.OBJECT: context.slot},
            text="PsTerminateSystemThread was called by a work item's routine: the worker thread is the system's, and "
            "its other items need it.",
        )
    not_implemented("PsTerminateSystemThread", f"the {context.name}; drivers make no threads here ({ExitStatus:#x})")


__all__ = ["WORK_QUEUE_ITEM", "ExInitializeWorkItem", "ExQueueWorkItem", "PsTerminateSystemThread"]
