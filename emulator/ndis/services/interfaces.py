"""The network interfaces of a machine: one table, with NET_LUIDs and which lies on which, for drivers and for NDIS.

Law: an interface is known by its NET_LUID and by its index, which is never 0 and may be another one next time.
Adapters and filter modules are NDIS's own interfaces: they come and go with them, and so does their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.headers.constants import IF_TYPE_ETHERNET_CSMACD

if TYPE_CHECKING:
    from emulator.kernel.context import Context

NIIF_HARDWARE_INTERFACE: Final = 1
NIIF_FILTER_INTERFACE: Final = 2
FIRST_ADAPTER_LUID: Final = 0x8000
"""NET_LUID index of adapter 0: those of adapters are fixed, so that an adapter keeps its own when it starts again."""
TYPE_SHIFT, INDEX_SHIFT, LUID_INDEX_MASK = 48, 24, 0xFF_FFFF


def make_luid(interface_type: int, index: int) -> int:
    """A NET_LUID of an interface type and a NET_LUID index."""
    return interface_type << TYPE_SHIFT | (index & LUID_INDEX_MASK) << INDEX_SHIFT


class Added(NamedTuple):
    """A new interface; index 0 and no record where the table is full."""

    number: int
    record: Any


def add(context: Context, luid: int, *, driver: int, provider: int = 0, flags: int = 0, name: bytes = b"") -> Added:
    """A new interface."""
    table = context.machine.objects[HandleKind.INTERFACE]
    made = table.allocate(HandleKind.INTERFACE, driver=driver, parent=provider, site=context.site)
    if made is None:
        return Added(0, None)
    handle, record = made
    record.provider, record.luid, record.flags, record.context = provider, luid, flags, 0
    record.name = name[:64].ljust(64, b"\0")
    return Added((handle & INDEX_MASK) + 1, record)


def remove(context: Context, index: int) -> None:
    """The interface is no more, nor is its place in the order: what lay on it lies on what it lay on."""
    found = find(context, index)
    if found is None:
        return
    above = [entry.higher for _, entry in order(context) if entry.lower == index]
    below = [entry.lower for _, entry in order(context) if entry.higher == index]
    for handle, entry in order(context):
        if index in (entry.higher, entry.lower):
            context.machine.objects[HandleKind.INTERFACE_ORDER].free(handle, site=0)
    if not found[1].provider:
        for higher in above:
            for lower in below:
                put_on(context, higher, lower)
    context.machine.objects[HandleKind.INTERFACE].free(found[0], site=context.site)


def find(context: Context, index: int) -> tuple[int, Any] | None:
    """(handle, record) of a live interface by its index."""
    live = context.machine.objects[HandleKind.INTERFACE].live()
    return next((each for each in live if (each[0] & INDEX_MASK) + 1 == index), None)


def index_of(context: Context, luid: int) -> int:
    """The index of the interface with this NET_LUID; 0 for none."""
    live = context.machine.objects[HandleKind.INTERFACE].live()
    return next(((handle & INDEX_MASK) + 1 for handle, record in live if record.luid == luid), 0)


def luid_of(context: Context, index: int) -> int:
    """The NET_LUID of an interface; 0 for none."""
    found = find(context, index)
    return found[1].luid if found is not None else 0


def order(context: Context) -> list[tuple[int, Any]]:
    """Which interface lies on which."""
    return context.machine.objects[HandleKind.INTERFACE_ORDER].live()


def put_on(context: Context, higher: int, lower: int) -> bool:
    """One interface lies on another; False when there is no room to say so."""
    if any((entry.higher, entry.lower) == (higher, lower) for _, entry in order(context)):
        return True
    made = context.machine.objects[HandleKind.INTERFACE_ORDER].allocate(
        HandleKind.INTERFACE_ORDER, driver=context.driver, parent=0, site=context.site
    )
    if made is None:
        return False
    made[1].higher, made[1].lower = higher, lower
    return True


def take_off(context: Context, higher: int, lower: int) -> None:
    """It does no longer, if it did."""
    for handle, entry in order(context):
        if (entry.higher, entry.lower) == (higher, lower):
            context.machine.objects[HandleKind.INTERFACE_ORDER].free(handle, site=context.site)


def take_luid_index(context: Context, interface_type: int) -> int:
    """The lowest NET_LUID index that this type of interface has free; 0 when there is no room to remember it."""
    table, platform = context.machine.objects[HandleKind.LUID_INDEX], context.platform
    platform.acquire(SystemLock.STACKS)
    taken = {record.index for _, record in table.live() if record.interface_type == interface_type}
    index = next(index for index in range(1, len(taken) + 2) if index not in taken)
    made = table.allocate(HandleKind.LUID_INDEX, driver=context.driver, parent=0, site=context.site)
    if made is not None:
        made[1].interface_type, made[1].index = interface_type, index
    platform.release(SystemLock.STACKS)
    return index if made is not None else 0


def free_luid_index(context: Context, interface_type: int, index: int) -> bool:
    """Give a NET_LUID index back; False for one that is not taken for this type."""
    table = context.machine.objects[HandleKind.LUID_INDEX]
    for handle, record in table.live():
        if (record.interface_type, record.index) == (interface_type, index):
            table.free(handle, site=context.site)
            return True
    return False


def add_adapter(context: Context, adapter: Any) -> None:
    """An adapter is an interface of NDIS's own."""
    luid = make_luid(IF_TYPE_ETHERNET_CSMACD, FIRST_ADAPTER_LUID + adapter.number)
    added = add(context, luid, driver=adapter.head.driver, flags=NIIF_HARDWARE_INTERFACE, name=adapter.name)
    adapter.interface = added.number


def add_module(context: Context, adapter: Any, module: Any) -> None:
    """A filter module is one, between its neighbours in the stack."""
    others = sorted(_modules(context, adapter), key=lambda each: int(each.position))
    below = [each.interface for each in others if each.position < module.position][-1:] or [adapter.interface]
    above = [each.interface for each in others if each.position > module.position][:1]
    index = take_luid_index(context, IF_TYPE_ETHERNET_CSMACD)
    luid = make_luid(IF_TYPE_ETHERNET_CSMACD, index)
    added = add(context, luid, driver=module.head.driver, flags=NIIF_FILTER_INTERFACE, name=module.name)
    module.interface = added.number
    if added.number:
        put_on(context, added.number, below[0])
        for higher in above:
            take_off(context, higher, below[0])
            put_on(context, higher, added.number)


def remove_module(context: Context, module: Any) -> None:
    """A filter module is detached."""
    luid = luid_of(context, module.interface)
    remove(context, module.interface)
    free_luid_index(context, IF_TYPE_ETHERNET_CSMACD, luid >> INDEX_SHIFT & LUID_INDEX_MASK)
    module.interface = 0


def top_of(context: Context, adapter: Any) -> int:
    """The index of the highest interface of an adapter's stack: what a binding is bound to."""
    modules = _modules(context, adapter)
    return int(max(modules, key=lambda each: int(each.position)).interface if modules else adapter.interface)


def bound_to(context: Context, adapter: Any) -> tuple[int, int]:
    """The index of the highest interface of an adapter's stack, and its NET_LUID."""
    top = top_of(context, adapter)
    return top, luid_of(context, top)


def below_module(context: Context, module: Any) -> int:
    """The index of the interface that a filter module lies on."""
    found = [entry.lower for _, entry in order(context) if entry.higher == module.interface]
    return found[0] if found else int(_adapter(context, module).interface)


def _adapter(context: Context, module: Any) -> Any:
    return context.machine.objects[HandleKind.ADAPTER].records[module.adapter]


def _modules(context: Context, adapter: Any) -> list[Any]:
    return [
        module
        for _, module in context.machine.objects[HandleKind.FILTER_MODULE].live()
        if module.interface and _adapter(context, module).number == adapter.number
    ]
