"""What must be gone when a miniport has failed to initialize, has halted, or a driver has unloaded.

Law: each resource left behind is a stop that shows where it was taken; the table below is the whole list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.images import Image
from emulator.kernel.lookaside import LOOKASIDE
from emulator.kernel.pointers import DATA_TAG
from emulator.kernel.pool import describe_block
from emulator.kernel.stop import CallSite, site_of, stop
from emulator.kernel.timers import TimerState
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind
from emulator.ndis.adapter_hardware.hardware import UNLOGGED, shared_memory_sites
from emulator.ndis.data_path import ledger
from emulator.ndis.deferred_work.work_items import items_of
from emulator.ndis.devices.device_objects import DEVICE_OBJECT
from emulator.ndis.plug_and_play.registration import drivers_of
from emulator.ndis.services.read_write_locks import NDIS_RW_LOCK_EX
from emulator.rules.work_items import LEAKED

if TYPE_CHECKING:
    from emulator.kernel.context import Context

VERIFIER, NDIS = 0xC4, 0x7C
POOL_LEFT = 0x62


class Resource(NamedTuple):
    """A kind of object that a driver takes and must give back."""

    what: str
    rule: str = ""
    at_halt: int = 0
    """Subcode of 0x7C where Windows has one; else the verifier's 0xC4/0x62 (our choice)."""
    after_failure: int = 0


RESOURCES = {
    HandleKind.INTERRUPT: Resource("an interrupt", "Init_RegisterInterrupt", 0x08, 0x0B),
    HandleKind.TIMER: Resource("a timer", "CancelTimerObject", 0x09, 0x0C),
    HandleKind.POLL: Resource("a Poll object"),
    HandleKind.NET_BUFFER_LIST_POOL: Resource("a NET_BUFFER_LIST pool"),
    HandleKind.NET_BUFFER_POOL: Resource("a NET_BUFFER pool"),
    HandleKind.GENERIC_OBJECT: Resource("a generic object", "NdisAllocateGenericObject"),
    HandleKind.INTERFACE: Resource("a network interface"),
    HandleKind.INTERFACE_PROVIDER: Resource("an interface provider"),
    HandleKind.PORT: Resource("an NDIS port"),
    HandleKind.DMA_CHANNEL: Resource("a scatter/gather DMA channel", "Init_RegisterSG"),
    HandleKind.FILE: Resource("an open file"),
    HandleKind.LOG: Resource("a log"),
    HandleKind.CONFIGURATION: Resource("an open configuration handle", "NdisOpenConfigurationEx"),
    HandleKind.DEVICE: Resource("a device"),
    HandleKind.SYMBOLIC_LINK: Resource("a symbolic link"),
}
"""Work items, memory and shared memory are looked at by themselves, as they are counted."""

THINGS: dict[type, str] = {
    DEVICE_OBJECT: "a device object",
    NDIS_RW_LOCK_EX: "a reader/writer lock",
    LOOKASIDE: "a lookaside list",
}
"""Pool blocks that a driver knows as something else than memory."""


def check_initialize_failed(context: Context, handle: int, shared: int, what: str = "MiniportInitializeEx") -> None:
    """After MiniportInitializeEx or MiniportAddDevice has failed: everything that it took must have been given back."""
    _nothing_left(context, handle, shared, f"{what} failed and left", failed=True)
    unlogged = context.memory.pop(UNLOGGED, None)
    if unlogged is not None and context.machine.checked:
        stop(
            VERIFIER,
            0xE5,
            context.irql,
            handle,
            rule="WriteErrorLog",
            text=f"{what} got no shared memory, failed, and did not say so with NdisWriteErrorLogEntry.",
            sites=[site_of(context, "got no memory", unlogged)],
        )


def check_given_back(left: ledger.Outstanding, what: str) -> None:
    """0x7C/0x27 for what was done while lists are outstanding."""
    if left.total:
        text = f"{what} while NET_BUFFER_LISTs are outstanding."
        stop(NDIS, 0x27, 1, left.total, text=text, holders=left.holders)


def check_halted(context: Context, handle: int, outstanding: ledger.Outstanding, shared: int) -> None:
    """After MiniportHaltEx has returned."""
    check_given_back(outstanding, "The adapter was halted")
    _nothing_left(context, handle, shared, "MiniportHaltEx returned and left", failed=False)


def check_asleep(context: Context, handle: int, state: str = "NdisDeviceStateD3") -> None:
    """After OID_PNP_SET_POWER has brought a device to sleep: nothing of the miniport's may come and touch it."""
    begin = f"The device is in {state} and its miniport left"
    for left, timer in context.machine.objects[HandleKind.TIMER].live():
        if timer.head.parent == handle and timer.state == TimerState.SET:
            sites = [site_of(context, "set", timer.set_site)]
            stop(VERIFIER, POOL_LEFT, left, 0, 1, rule="CancelTimerObject", text=f"{begin} a timer set.", sites=sites)
    queued = [item for item in items_of(context, handle) if item.queued]
    if queued:
        sites = [site for item in queued[:8] for site in item.sites]
        stop(VERIFIER, POOL_LEFT, handle, 0, len(queued), text=f"{begin} a work item queued.", sites=sites)


def check_detached(context: Context, handle: int, *, failed: bool) -> None:
    """After FilterDetach has returned, or FilterAttach has failed."""
    begin = "FilterAttach failed and left" if failed else "FilterDetach returned and left"
    _nothing_left(context, handle, 0, begin, failed=failed, whose="filter module")


def check_unloaded(context: Context, image: Image, how: str = "has unloaded") -> None:
    """After a driver's unload routine has returned, or a DriverEntry that refused to start."""
    machine = context.machine
    context.driver = image.number  # a stop is about whose it is
    name = machine.images.driver_name(image.number)
    for kind in (HandleKind.MINIPORT_DRIVER, HandleKind.FILTER_DRIVER, HandleKind.PROTOCOL_DRIVER):
        for handle, driver in drivers_of(context, image.number, kind):
            stop(
                NDIS,
                0x0A,
                handle,
                image.number,
                rule="NdisFDeregisterFilterDriver" if kind == HandleKind.FILTER_DRIVER else "",
                text=f"{name} {how} and is still registered.",
                sites=[site_of(context, "registered", driver.head.allocated_site)],
            )
    begin = f"{name} {how} and left"
    for _, item in machine.objects[HandleKind.WORK_ITEM].live():
        if item.head.driver == image.number:
            _work_items(context, item.head.parent, f"{begin} a work item")
    for kind, resource in RESOURCES.items():
        for handle, record in machine.objects[kind].live():
            if record.head.driver == image.number and record.head.kind == kind:
                _left(context, handle, record, resource, begin)
    owned = [block for _, block in machine.pool.live() if block.driver == image.number and block.tag != DATA_TAG]
    _things(context, owned, begin)
    if owned:
        _memory(context, owned, f"{begin} memory")
    context.driver = 0


def check_device(context: Context, handle: int) -> None:
    """Before a device of NdisRegisterDeviceEx goes: its work items must have been freed."""
    _work_items(context, handle, "NdisDeregisterDeviceEx was called for a device that has a work item")


def _nothing_left(
    context: Context, handle: int, shared: int, begin: str, *, failed: bool, whose: str = "adapter"
) -> None:
    machine = context.machine
    before = context.driver
    table = machine.objects[HandleKind(handle >> KIND_SHIFT)]
    context.driver = table.records[handle & INDEX_MASK].head.driver  # a stop is about whose it is
    for kind, resource in RESOURCES.items():
        subcode = resource.after_failure if failed else resource.at_halt
        for left, record in machine.objects[kind].live():
            if record.head.parent == handle and record.head.kind == kind:
                _left(context, left, record, resource, begin, subcode, handle)
    _work_items(context, handle, f"{begin} a work item of the {whose}")
    if shared:
        stop(
            VERIFIER,
            POOL_LEFT,
            0,
            0,
            shared,
            rule="NdisMFreeSharedMemory",
            text=f"{begin} {shared} bytes of shared memory.",
            sites=[site_of(context, "allocated", site) for site in shared_memory_sites(context, handle)[:8]],
        )
    owned = [block for _, block in machine.pool.live() if block.owner == handle]
    _things(context, owned, begin)
    if owned:
        _memory(context, owned, f"{begin} memory of the {whose}")
    context.driver = before


def _left(
    context: Context, left: int, record: Any, resource: Resource, begin: str, subcode: int = 0, adapter: int = 0
) -> None:
    text = f"{begin} {resource.what}."
    sites = [site_of(context, "taken", record.head.allocated_site)]
    if subcode:
        stop(NDIS, subcode, adapter, left, rule=resource.rule, text=text, sites=sites)
    stop(VERIFIER, POOL_LEFT, left, 0, 1, rule=resource.rule, text=text, sites=sites)


def _work_items(context: Context, parent: int, text: str) -> None:
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
        rule="Init_NdisAllocateIoWorkItem" if left[0].handle >> KIND_SHIFT == HandleKind.WORK_ITEM else "",
        text=text + ".",
        sites=sites,
    )


def _things(context: Context, blocks: list[Any], begin: str) -> None:
    """Blocks that are more than memory to a driver are said by what they are."""
    for kind, what in THINGS.items():
        number = context.machine.images.type_numbers.get(kind)
        left = [block for block in blocks if block.type == number]
        if left:
            _memory(context, left, f"{begin} {what}")


def _blocks(count: int) -> str:
    return f"{count} block{'s' * (count > 1)}"


def _memory(context: Context, blocks: list[Any], text: str) -> None:
    size = sum(block.length for block in blocks)
    sites: list[CallSite] = [
        site_of(context, f"allocated {describe_block(block, context.machine)}", block.allocated_site)
        for block in blocks[:8]
    ]
    stop(VERIFIER, POOL_LEFT, 0, size, len(blocks), text=f"{text}: {_blocks(len(blocks))}, {size} bytes.", sites=sites)
