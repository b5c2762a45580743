"""I/O work items: allocate, queue to the critical work queue, free; and running one in a passive worker.

Law: routine and context are bound when an item is queued; the item leaves the queue before its routine is called, so
its routine may queue it again or free it.  Source: work_items.md of the dossier, sections 1 to 4 and 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from emulator.kernel.calls import PASSED_ON, blame, escaped, returned_with_lock
from emulator.kernel.objects import handle_in_words
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode_argument, encode
from emulator.kernel.pool import POINTER_TAG
from emulator.kernel.stop import CallSite, site_of, stop
from emulator.kernel.workqueue import WorkItemState, stop_for
from emulator.layout.handles import KIND_SHIFT, HandleKind, kind_name
from emulator.layout.machine import CALLBACKS_CELL, ENTERED_CELL, ROUTINE_CELL
from emulator.ndis.buffers.publication import leave
from emulator.ndis.gates.callback_numbers import number_of
from emulator.ndis.gates.ddi import FILTER, MINIPORT, GateKind, ddi
from emulator.ndis.gates.private_data import compare_fingerprints
from emulator.ndis.headers.handles import (
    AdapterHandle,
    DeviceHandle,
    FilterDriverHandle,
    FilterModuleHandle,
    MiniportDriverHandle,
    WorkItemHandle,
)
from emulator.rules.irql import AT_MOST_DISPATCH, PASSIVE_LEVEL, irql_name
from emulator.rules.work_items import (
    CRITICAL_QUEUE,
    FOREIGN_HANDLE,
    FREED_TWICE,
    FREED_WHILE_QUEUED,
    HANDLES,
    INVALID_ROUTINE,
    QUEUED_AFTER_FREE,
    Parameter,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emulator.kernel.context import Context
    from emulator.kernel.workqueue import Taken

WORKER_RETURNED_AT_BAD_IRQL = 0xE1
MOST_ARGUMENTS = 4096
_FIRST_OF_KERNEL = HandleKind.IO_WORK_ITEM << KIND_SHIFT
PARENT_KINDS = {HandleKind[name]: f"before {rule.freed_before}" for name, rule in HANDLES.items() if rule.accepted}
"""Handles that NdisAllocateIoWorkItem accepts, and when the item must have been freed."""
_IRQL_RULE = "Irql_Miscellaneous_Function"
_PAIR_RULE = "Init_NdisAllocateIoWorkItem"


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | FILTER, rules=(_PAIR_RULE, _IRQL_RULE), acquires="work item")
def NdisAllocateIoWorkItem(
    NdisObjectHandle: AdapterHandle | MiniportDriverHandle | FilterDriverHandle | FilterModuleHandle | DeviceHandle, /
) -> WorkItemHandle | None:
    """Allocate a work item for an adapter, a driver, a filter module or a device; None (NULL) when there are none left.

    A protocol's handle is refused: a protocol has no device or driver object for this call.
    """
    context = current.context
    machine = context.machine
    kind = (NdisObjectHandle or 0) >> 56
    if kind not in PARENT_KINDS or machine.objects[HandleKind(kind)].find(NdisObjectHandle, kind) is None:
        _bad_parent(context, NdisObjectHandle, kind)
    handle = allocate_item(context, HandleKind.WORK_ITEM, NdisObjectHandle)
    return WorkItemHandle(handle) if handle is not None else None


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | FILTER, rules=(_IRQL_RULE,), gate=GateKind.INLINE)
def NdisQueueIoWorkItem(
    NdisIoWorkItemHandle: WorkItemHandle,
    Routine: Callable[[Any, WorkItemHandle], None],
    WorkItemContext: Any,
    /,
) -> None:
    """Queue the item to the critical work queue: Routine(WorkItemContext, handle) runs at PASSIVE_LEVEL elsewhere.

    Bug check 0xE4/1 when it is queued already.  The context must be None, a number, a handle, nonpaged memory or an
    NBL; anything else is private to this context (VNIC_PRIVATE_DATA).
    """
    context = current.context
    try:
        routine: Any = Routine.__ndis_routine__  # type: ignore[attr-defined]
        value = WorkItemContext._pointer  # what lies in the pool, as a rule
    except AttributeError:
        routine = value = None
    if value is None:
        find_item(context, NdisIoWorkItemHandle, HandleKind.WORK_ITEM, "queued")
        routine = routine_of(Routine, "NdisQueueIoWorkItem", "NDIS_IO_WORKITEM_FUNCTION", NdisIoWorkItemHandle)
        value = encode(context, WorkItemContext)
    put = context.queue_item
    if put is None:
        put = context.queue_item = context.machine.queues[CRITICAL_QUEUE].putter(context, HandleKind.WORK_ITEM)
    if not put(NdisIoWorkItemHandle, routine, value, context.site):
        _bad_item(context, NdisIoWorkItemHandle, HandleKind.WORK_ITEM, "queued")


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | FILTER, rules=(_PAIR_RULE, _IRQL_RULE), releases="work item")
def NdisFreeIoWorkItem(NdisIoWorkItemHandle: WorkItemHandle, /) -> None:
    """Free an item that is not queued; legal inside its own routine.  Bug check 0xE4/2 when it is queued."""
    context = current.context
    check_free(context, NdisIoWorkItemHandle, find_item(context, NdisIoWorkItemHandle, HandleKind.WORK_ITEM, "freed"))
    context.machine.objects[HandleKind.WORK_ITEM].free(NdisIoWorkItemHandle, site=context.site)


def allocate_item(context: Context, kind: HandleKind, parent: int) -> int | None:
    """Take a record for a work item of a kind; its handle, or None when there are none left."""
    made = context.machine.objects[kind].allocate(kind, driver=context.driver, parent=parent, site=context.site)
    if made is None:
        return None
    handle, item = made
    item.state = WorkItemState.IDLE
    item.queued_site = item.home = 0
    return handle


def find_item(context: Context, handle: int | None, kind: HandleKind, what: str) -> Any:
    """The record of a live work item of a kind; the stop that the table has for anything else."""
    item = context.machine.objects[kind].find(handle, kind)
    if item is None:
        _bad_item(context, handle, kind, what)
    return item


def check_free(context: Context, handle: int, item: Any) -> None:
    """An item that is still in the queue may not be freed."""
    if item.state == WorkItemState.QUEUED:
        stop_for(
            FREED_WHILE_QUEUED,
            values={Parameter.ITEM: handle, Parameter.ROUTINE: item.routine},
            text="A work item was freed while it is in the queue; its routine has not begun.",
            sites=item_sites(context, item),
        )


def routine_of(function: Any, ddi_name: str, role: str, handle: int) -> int:
    """The number of a work item's routine; 0xE4/7 for NULL."""
    if function is None:
        stop_for(INVALID_ROUTINE, text=f"{ddi_name} was given NULL for the routine.", values={Parameter.ITEM: handle})
    return number_of(function, ddi_name, role)


def runner(context: Context) -> Callable[[Taken], int]:
    """What calls a taken item's routine in this context and looks at what it left behind; gives how long it waited."""
    from emulator.ndis.deferred_work.kernel_items import call_kernel_item

    machine, images = context.machine, context.machine.images
    cells, words, now, next_callback = context.cells, machine.arena.words, context.platform.now, context.next_callback
    routines, marks = context.routines, images.marks
    held, tracked, fingerprints = context.held, context.tracked, context.memory.get("fingerprints")
    decoded = _arguments(context)
    # The last argument once more, since most drivers have one context: where its sign of life lies, and what that is.
    last, value, sign_at, sign = 0, *decoded(0)

    def run(taken: Taken) -> int:
        nonlocal last, value, sign_at, sign
        handle, word, routine, _, queued = taken
        if word != last or words[sign_at] != sign:
            value, sign_at, sign = decoded(word)
            last = word
        # What kernel.calls.call does, for a routine that nothing of a driver lies below.
        cells[ROUTINE_CELL] = marks[routine]
        cells[ENTERED_CELL] = entered = now()
        cells[CALLBACKS_CELL] = next_callback()
        try:
            if handle < _FIRST_OF_KERNEL:
                routines[routine](value, handle)  # type: ignore[misc]
            else:
                call_kernel_item(context, taken, value)
        except PASSED_ON:
            raise
        except BaseException as error:
            escaped(context, error)
        cells[ROUTINE_CELL] = cells[ENTERED_CELL] = 0
        if context.irql or held:
            _left_behind(context, taken)
        if tracked:
            leave(context)
        if fingerprints:
            compare_fingerprints(context)
        return entered - queued

    return run


def _arguments(context: Context) -> Callable[[int], tuple[Any, int, int]]:
    """What decodes a routine's argument: its value, which of the arena's words is its sign of life, and what that is.

    What lies in the pool is kept and costs one look from then on; the sign of everything else is never found again.
    """
    pool, words = context.machine.pool, context.machine.arena.words
    kept: dict[int, tuple[Any, int, int]] = {}
    nothing = None, 0, words[0]

    def decoded(word: int) -> tuple[Any, int, int]:
        if not word:
            return nothing
        known = kept.get(word)
        if known is not None and words[known[1]] == known[2]:
            return known
        value = decode_argument(context, word)
        if word >> KIND_SHIFT != POINTER_TAG:
            return value, 0, -1
        if len(kept) >= MOST_ARGUMENTS:
            kept.clear()
        kept[word] = known = value, *pool.sign_of_life(word)
        return known

    return decoded


def _left_behind(context: Context, taken: Taken) -> None:
    """A routine returned above PASSIVE_LEVEL or with a spin lock."""
    handle, word, routine, site, _ = taken
    if context.irql != PASSIVE_LEVEL:
        blame(context, routine)
        stop(
            WORKER_RETURNED_AT_BAD_IRQL,
            routine,
            context.irql,
            word,
            handle,
            text=f"{context.machine.images.routine_name(routine)}, a work item's routine, returned at "
            f"{irql_name(context.irql)}; it must return at PASSIVE_LEVEL.",
            sites=[
                site_of(context, "queued", site),
                *(site_of(context, "lock acquired", taken_at) for _, taken_at in context.locks_held()),
            ],
        )
    returned_with_lock(context, routine)


class Leak(NamedTuple):
    """A work item that should have been freed."""

    handle: int
    queued: bool
    sites: list[CallSite]


def items_of(context: Context, parent: int) -> list[Leak]:
    """Live work items of an adapter or driver, for the checks at halt and unload."""
    table = context.machine.objects[HandleKind.WORK_ITEM]
    return [
        Leak(handle, item.state == WorkItemState.QUEUED, item_sites(context, item))
        for handle, item in table.live()
        if item.head.parent == parent
    ]


def item_sites(context: Context, item: Any) -> list[CallSite]:
    """Where an item was allocated, queued last and freed."""
    head = item.head
    known = (("allocated", head.allocated_site), ("queued", item.queued_site), ("freed", head.freed_site))
    return [site_of(context, what, site) for what, site in known if site]


def _bad_parent(context: Context, handle: int | None, kind: int) -> None:
    accepted = ", ".join(kind_name(known) for known in PARENT_KINDS)
    given = handle_in_words(context.machine.objects, handle)
    stop_for(
        FOREIGN_HANDLE,
        values={Parameter.OBJECT: handle or 0, Parameter.KIND: kind},
        rule=_PAIR_RULE,
        text=f"NdisAllocateIoWorkItem was given {given}; it takes: {accepted}.",
    )


def _bad_item(context: Context, handle: int | None, kind: HandleKind, what: str) -> NoReturn:
    freed = context.machine.objects[kind].freed(handle, kind) if handle else None
    rule = _PAIR_RULE if kind is HandleKind.WORK_ITEM else ""
    if freed is not None:
        stop_for(
            FREED_TWICE if what == "freed" else QUEUED_AFTER_FREE,
            values={Parameter.ITEM: handle or 0},
            rule=rule,
            text=f"A work item was {what} after it had been freed.",
            sites=item_sites(context, freed),
        )
    stop_for(
        FOREIGN_HANDLE,
        values={Parameter.OBJECT: handle or 0, Parameter.KIND: (handle or 0) >> KIND_SHIFT},
        rule=rule,
        text=f"What was {what} as a work item is {handle_in_words(context.machine.objects, handle)}.",
    )


__all__ = ["NdisAllocateIoWorkItem", "NdisFreeIoWorkItem", "NdisQueueIoWorkItem"]
