"""What an unload waits for: the work items that hold a reference on the driver, or on a device object of it.

Law: who is queued stands in the queues, who runs in the slots of the workers; both are there in any half state, so
nothing is counted.  An item of the executive's holds no reference, and a driver that leaves one behind is stopped.
Source: work_items.md of the dossier, section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.stop import site_of
from emulator.kernel.waits import look_until
from emulator.kernel.workqueue import WorkItemState, stop_for
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind
from emulator.layout.machine import ContextKind
from emulator.rules.work_items import UNLOADED, Parameter

if TYPE_CHECKING:
    from emulator.kernel.context import Context

PATIENCE_NS = 10_000_000_000
"""What is still there after that is said by the checks that follow, or by the watchdog."""


def await_references(context: Context, image: int) -> None:
    """Wait until no work item that holds a reference on a driver is queued or runs; stop for those that hold none."""
    _stop_for_unprotected(context, image)
    deadline = context.platform.now() + PATIENCE_NS
    # A worker that has finished tells nobody.
    look_until(context, lambda: not (_queued(context, image) or _running(context, image)), deadline)


def _queued(context: Context, image: int) -> bool:
    table = context.machine.objects[HandleKind.WORK_ITEM]
    return any(item.head.driver == image and item.state == WorkItemState.QUEUED for _, item in table.live())


def _running(context: Context, image: int) -> bool:
    """Has a worker an item of the driver in its hand?  Between taking it and calling it the item's record says so."""
    records = context.machine.objects[HandleKind.WORK_ITEM].records
    boxes = [box for box in context.machine.arena.slots if box.kind == ContextKind.PASSIVE_WORKER and box.item]
    return any(image in (box.driver, records[box.item & INDEX_MASK].head.driver) for box in boxes)


def _stop_for_unprotected(context: Context, image: int) -> None:
    """0xCE: an item of ExQueueWorkItem is queued, or its routine runs."""
    machine = context.machine
    found = [
        (item.routine, item.queued_site)
        for handle, item in machine.objects[HandleKind.EX_WORK_ITEM].live()
        if handle >> KIND_SHIFT == HandleKind.EX_WORK_ITEM and item.head.driver == image
    ]
    for box in machine.arena.slots:
        ours = box.kind == ContextKind.PASSIVE_WORKER and box.driver == image
        if ours and box.item >> KIND_SHIFT == HandleKind.EX_WORK_ITEM:
            found.append((box.routine, 0))
    if not found:
        return
    routine, site = found[0]
    images = machine.images
    stop_for(
        UNLOADED,
        values={Parameter.ROUTINE: routine},
        text=f"{images.driver_name(image)} has unloaded while a work item of ExQueueWorkItem, which keeps no driver "
        f"loaded, {'is in the queue' if site else 'runs'}: {images.routine_name(routine)}.",
        sites=[site_of(context, "queued", site)] if site else [],
    )
