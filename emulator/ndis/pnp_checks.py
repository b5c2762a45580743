"""What must be gone when a miniport has failed to initialize, has halted, or a driver has unloaded.

Law: each resource left behind is a stop that shows where it was taken; the table below is the whole list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.images import Image
from emulator.kernel.pool import describe_block
from emulator.kernel.stop import CallSite, site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis import stacks
from emulator.rules.work_items import LEAKED

if TYPE_CHECKING:
    from emulator.kernel.context import Context

VERIFIER, NDIS = 0xC4, 0x7C
POOL_LEFT = 0x62
LEFT_AT_HALT = {
    HandleKind.INTERRUPT: (0x08, "an interrupt", "Init_RegisterInterrupt"),
    HandleKind.TIMER: (0x09, "a timer", "CancelTimerObject"),
}
LEFT_AT_FAILED_INITIALIZE = {
    HandleKind.INTERRUPT: (0x0B, "an interrupt", "Init_RegisterInterrupt"),
    HandleKind.TIMER: (0x0C, "a timer", "CancelTimerObject"),
}
"""0x7C subcodes of resources with a code of their own: at halt, and after a failed MiniportInitializeEx."""

POOLS = (HandleKind.NET_BUFFER_LIST_POOL, HandleKind.NET_BUFFER_POOL)


def check_initialize_failed(context: Context, handle: int, adapter: Any) -> None:
    """After MiniportInitializeEx has failed: everything that it took must have been given back."""
    del adapter
    _left(context, handle, LEFT_AT_FAILED_INITIALIZE, "MiniportInitializeEx failed and left")
    _work_items(context, handle, "MiniportInitializeEx failed and left a work item of the adapter")


def check_halted(context: Context, handle: int, adapter: Any, outstanding: stacks.Outstanding, shared: int) -> None:
    """After MiniportHaltEx has returned."""
    del adapter
    if outstanding.total:
        stop(
            NDIS,
            0x27,
            1,
            outstanding.total,
            text="The adapter was halted while NET_BUFFER_LISTs are outstanding.",
            holders=outstanding.holders,
        )
    _left(context, handle, LEFT_AT_HALT, "MiniportHaltEx returned and left")
    _work_items(context, handle, "MiniportHaltEx returned and left a work item of the adapter")
    for kind in POOLS:
        for pool, record in context.machine.objects[kind].live():
            if record.head.parent == handle and record.head.kind == kind:
                _leak(context, pool, "a NET_BUFFER_LIST pool" if kind is POOLS[0] else "a NET_BUFFER pool", record)
    if shared:
        stop(
            VERIFIER,
            POOL_LEFT,
            0,
            0,
            shared,
            rule="NdisMFreeSharedMemory",
            text=f"MiniportHaltEx returned and left {shared} bytes of shared memory.",
        )
    owned = [block for _, block in context.machine.pool.live() if block.owner == handle]
    if owned:
        _memory(context, owned, "MiniportHaltEx returned and left memory of the adapter")


def check_unloaded(context: Context, image: Image) -> None:
    """After a driver's unload routine has returned."""
    machine = context.machine
    name = machine.images.driver_name(image.number)
    for kind in (HandleKind.MINIPORT_DRIVER, HandleKind.PROTOCOL_DRIVER):
        for handle, driver in machine.objects[kind].live():
            if driver.image == image.number and driver.head.kind == kind:
                stop(
                    NDIS,
                    0x0A,
                    handle,
                    image.number,
                    text=f"{name} has unloaded and is still registered.",
                    sites=[site_of(context, "registered", driver.head.allocated_site)],
                )
    for handle, item in machine.objects[HandleKind.WORK_ITEM].live():
        if item.head.driver == image.number:
            _work_items(context, item.head.parent, f"{name} has unloaded and left a work item")
            del handle
    for handle, timer in machine.objects[HandleKind.TIMER].live():
        if timer.head.driver == image.number:
            _leak(context, handle, "a timer", timer)
    owned = [block for _, block in machine.pool.live() if block.driver == image.number and block.tag != _data_tag()]
    if owned:
        _memory(context, owned, f"{name} has unloaded and left memory")


def _data_tag() -> int:
    from emulator.kernel.pointers import DATA_TAG

    return DATA_TAG


def _left(context: Context, handle: int, table: dict[HandleKind, tuple[int, str, str]], begin: str) -> None:
    for kind, (subcode, what, rule) in table.items():
        for left, record in context.machine.objects[kind].live():
            if record.head.parent == handle:
                stop(
                    NDIS,
                    subcode,
                    handle,
                    left,
                    rule=rule,
                    text=f"{begin} {what}.",
                    sites=[site_of(context, "taken", record.head.allocated_site)],
                )


def _work_items(context: Context, parent: int, text: str) -> None:
    from emulator.ndis.work_items import items_of

    left = items_of(context, parent)
    if not left:
        return
    sites = [site for leak in left[:8] for site in leak.sites]
    queued = sum(leak.queued for leak in left)
    text += f" ({len(left)} in all, {queued} still queued)" if len(left) > 1 or queued else ""
    stop(
        LEAKED.code,
        LEAKED.p1,
        parent,
        0,
        len(left),
        rule="Init_NdisAllocateIoWorkItem",
        text=text + ".",
        sites=sites,
    )


def _leak(context: Context, handle: int, what: str, record: Any) -> None:
    stop(
        VERIFIER,
        POOL_LEFT,
        handle,
        0,
        1,
        text=f"{what[0].upper()}{what[1:]} was left behind.",
        sites=[site_of(context, "allocated", record.head.allocated_site)],
    )


def _memory(context: Context, blocks: list[Any], text: str) -> None:
    size = sum(block.length for block in blocks)
    sites: list[CallSite] = [
        site_of(context, f"allocated {describe_block(block, context.machine)}", block.allocated_site)
        for block in blocks[:8]
    ]
    stop(VERIFIER, POOL_LEFT, 0, size, len(blocks), text=f"{text}: {len(blocks)} blocks, {size} bytes.", sites=sites)
