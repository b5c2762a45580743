"""Intermediate drivers: a miniport half and a protocol half in one image, and the virtual miniports that it makes.

Law: what a driver asks for is kept in the adapter's record until a PnP thread does it, in the order of asking.  What it
asks for inside a PnP operation is done by the same thread when that operation is over, before the host hears of its
end; an adapter is halted at once, since NdisIMDeInitializeDeviceInstance returns when it is gone.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.lanes import claim, operations_under_way, unclaim, wake_lane
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.kernel.waits import sleep_in_call
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.gates.ddi import INTERMEDIATE, PROTOCOL, ddi
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.enumerations import NDIS_HALT_ACTION
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle, MiniportDriverHandle, ProtocolDriverHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_ACCEPTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import disclaim, free_adapter, object_of, text_of
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.ndis.plug_and_play.pnp import initialize, reset_record, stop_adapter
from emulator.ndis.plug_and_play.registration import NDIS_INTERMEDIATE_DRIVER, miniport_of
from emulator.rules.irql import AT_MOST_APC, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

INITIALIZE, DEINITIALIZE = 1, 2
"""What a driver wishes NDIS to do with an adapter of its own."""
LONGEST_NAME: Final = 63
LOOK_AGAIN_NS: Final = 1_000_000
_RULES = ("Irql_IM_Function",)


@ddi(irql=AT_PASSIVE, callers=INTERMEDIATE, rules=_RULES)
def NdisIMAssociateMiniport(DriverHandle: MiniportDriverHandle, ProtocolHandle: ProtocolDriverHandle, /) -> None:
    """Tell NDIS that a miniport driver and a protocol driver are the two halves of one intermediate driver.

    The protocol half is not bound to the adapters that the miniport half makes.
    """
    context = current.context
    miniport = object_of(context, DriverHandle, HandleKind.MINIPORT_DRIVER, "NdisIMAssociateMiniport")
    protocol = object_of(context, ProtocolHandle, HandleKind.PROTOCOL_DRIVER, "NdisIMAssociateMiniport")
    miniport.associate, protocol.associate = ProtocolHandle, DriverHandle


@ddi(irql=AT_PASSIVE, callers=INTERMEDIATE, rules=_RULES)
def NdisIMInitializeDeviceInstanceEx(
    DriverHandle: MiniportDriverHandle, DriverInstance: str, DeviceContext: Any, /
) -> NDIS_STATUS:
    """Ask NDIS to start a virtual miniport of this name; MiniportInitializeEx is called later, in a PnP thread.

    NOT_ACCEPTED when there is one of this name, RESOURCES when the machine has no room for another adapter, FAILURE for
    a driver that did not register with NDIS_INTERMEDIATE_DRIVER and for a name that is empty or too long.
    """
    context = current.context
    name = str(DriverInstance)
    driver = object_of(context, DriverHandle, HandleKind.MINIPORT_DRIVER, "NdisIMInitializeDeviceInstanceEx")
    if not driver.flags & NDIS_INTERMEDIATE_DRIVER:
        return _refused(context, name, "its driver is no intermediate driver", NDIS_STATUS_FAILURE)
    if not 0 < len(name.encode()) <= LONGEST_NAME:
        return _refused(context, name, f"a name has 1 to {LONGEST_NAME} bytes", NDIS_STATUS_FAILURE)
    table = context.machine.objects[HandleKind.ADAPTER]
    made = table.allocate(HandleKind.ADAPTER, driver=driver.image, parent=DriverHandle, site=context.site)
    status = _enter(context, *made, name, encode(context, DeviceContext)) if made is not None else NDIS_STATUS_RESOURCES
    if status == NDIS_STATUS_SUCCESS:
        wake_lane(context, ContextKind.PNP)
        return status
    if made is not None:
        table.free(made[0], site=context.site)
    full = status == NDIS_STATUS_RESOURCES
    why = "the machine has no room for another virtual adapter" if full else "there is an adapter of this name"
    return _refused(context, name, why, status)


@ddi(irql=AT_PASSIVE, callers=INTERMEDIATE, rules=_RULES)
def NdisIMCancelInitializeDeviceInstance(DriverHandle: MiniportDriverHandle, DeviceInstance: str, /) -> NDIS_STATUS:
    """Take back what NdisIMInitializeDeviceInstanceEx has asked for; FAILURE when MiniportInitializeEx was called."""
    context = current.context
    object_of(context, DriverHandle, HandleKind.MINIPORT_DRIVER, "NdisIMCancelInitializeDeviceInstance")
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    waiting = [
        (handle, adapter)
        for handle, adapter in context.machine.objects[HandleKind.ADAPTER].live()
        if adapter.head.parent == DriverHandle
        and adapter.wish == INITIALIZE
        and text_of(adapter.name) == str(DeviceInstance)
    ]
    for _, adapter in waiting:
        adapter.wish = 0
    platform.release(SystemLock.STACKS)
    for handle, adapter in waiting:
        free_adapter(context, handle, adapter)
    return NDIS_STATUS_SUCCESS if waiting else NDIS_STATUS_FAILURE


@ddi(irql=AT_PASSIVE, callers=INTERMEDIATE, rules=_RULES)
def NdisIMDeInitializeDeviceInstance(NdisMiniportHandle: AdapterHandle, /) -> NDIS_STATUS:
    """Halt a virtual miniport, after everything above it; FAILURE for a handle that is none of the driver's own.

    In a PnP thread it is done at once; elsewhere a PnP thread does it, and this waits for it.
    """
    context = current.context
    table = context.machine.objects[HandleKind.ADAPTER]

    def gone() -> bool:
        return table.find(NdisMiniportHandle, HandleKind.ADAPTER) is None

    adapter = table.find(NdisMiniportHandle, HandleKind.ADAPTER)
    if adapter is None or not adapter.virtual or adapter.head.driver != context.driver:
        return NDIS_STATUS_FAILURE
    here = context.kind is ContextKind.PNP
    while not gone():
        if here and _is_inside(context, adapter):
            return NDIS_STATUS_FAILURE  # an operation cannot wait for its own end
        if here and claim(context, adapter):
            _halt(context, NdisMiniportHandle, adapter)
        elif not here and adapter.wish != DEINITIALIZE:
            _wish_for_the_end(context, adapter)
        if not gone():
            sleep_in_call(context, gone, context.platform.now() + LOOK_AGAIN_NS)
    return NDIS_STATUS_SUCCESS


@ddi(
    irql=AT_MOST_APC,
    callers=PROTOCOL | INTERMEDIATE,
    rules=_RULES,
    note="its page names protocol drivers too: those above an intermediate driver",
)
def NdisIMGetBindingContext(NdisBindingHandle: BindingHandle, /) -> Any:
    """The DeviceContext of the virtual miniport that a binding is to; None (NULL) where there is none."""
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisIMGetBindingContext")
    adapter = context.machine.objects[HandleKind.ADAPTER].records[binding.adapter]
    return decode(context, adapter.device_context) if adapter.virtual else None


def pending(context: Context) -> bool:
    """Is there a wish that this PnP thread may fulfil now?"""
    begun = {entry.target for entry in operations_under_way(context.machine.arena)}
    adapters = context.machine.objects[HandleKind.ADAPTER].records
    return any(_may_take(context, each) and not each.claimed and each.number not in begun for each in adapters)


def serve(context: Context) -> bool:
    """Fulfil the oldest wish that this PnP thread may fulfil; False when there is none."""
    adapters = context.machine.objects[HandleKind.ADAPTER].live()
    wishing = [(handle, adapter) for handle, adapter in adapters if _may_take(context, adapter)]
    for handle, adapter in sorted(wishing, key=lambda each: int(each[1].wished)):
        if not claim(context, adapter):
            continue
        platform = context.platform
        platform.acquire(SystemLock.STACKS)
        wish, adapter.wish, adapter.wisher = adapter.wish, 0, context.slot
        platform.release(SystemLock.STACKS)
        context.machine.services.round(context)
        if wish == INITIALIZE:
            _initialize(context, handle, adapter)
        elif wish == DEINITIALIZE:
            _halt(context, handle, adapter)
        else:
            unclaim(context, adapter)  # it was cancelled, or another PnP thread was quicker
        return bool(wish)
    return False


def _enter(context: Context, handle: int, adapter: Any, name: str, value: int) -> NDIS_STATUS:
    """Give a new record its name and the first free number, and write down what is wished."""
    platform, geometry, head = context.platform, context.machine.geometry, context.machine.arena.machine
    platform.acquire(SystemLock.STACKS)
    adapters = context.machine.objects[HandleKind.ADAPTER].live()
    others = [other for other_handle, other in adapters if other_handle != handle]
    status = NDIS_STATUS_SUCCESS
    if any(text_of(other.name) == name for other in others):
        status = NDIS_STATUS_NOT_ACCEPTED
    elif sum(other.virtual for other in others) >= geometry.virtual_adapters:
        status = NDIS_STATUS_RESOURCES
    else:
        numbers = {other.number for other in others}
        reset_record(adapter, next(each for each in count(geometry.adapters) if each not in numbers), name)
        head.wishes += 1
        adapter.virtual, adapter.device_context = 1, value
        adapter.wish, adapter.wished = INITIALIZE, head.wishes
        adapter.wisher = context.slot if context.kind is ContextKind.PNP else 0
    platform.release(SystemLock.STACKS)
    return status


def _initialize(context: Context, handle: int, adapter: Any) -> None:
    driver = miniport_of(context, adapter)
    if driver is None:
        free_adapter(context, handle, adapter)
    else:
        initialize(context, handle, adapter, driver)
    disclaim(context, handle, adapter)


def _halt(context: Context, handle: int, adapter: Any) -> None:
    adapter.wisher = context.slot
    stop_adapter(context, adapter.number, NDIS_HALT_ACTION.NdisHaltDeviceInstanceDeInitialized)
    disclaim(context, handle, adapter)


def _may_take(context: Context, adapter: Any) -> bool:
    return bool(adapter.head.allocated and adapter.wish and adapter.wisher in (0, context.slot))


def _is_inside(context: Context, adapter: Any) -> bool:
    """Is this PnP thread in the midst of an operation on the adapter?"""
    begun = operations_under_way(context.machine.arena)
    return bool(adapter.claimed and adapter.wisher == context.slot) or any(
        entry.slot == context.slot and entry.target == adapter.number for entry in begun
    )


def _wish_for_the_end(context: Context, adapter: Any) -> None:
    platform, head = context.platform, context.machine.arena.machine
    platform.acquire(SystemLock.STACKS)
    head.wishes += 1
    adapter.wish, adapter.wished, adapter.wisher = DEINITIALIZE, head.wishes, 0
    platform.release(SystemLock.STACKS)
    wake_lane(context, ContextKind.PNP)


def _refused(context: Context, name: str, why: str, status: NDIS_STATUS) -> NDIS_STATUS:
    tell_refusal(context, "NdisIMInitializeDeviceInstanceEx", f"{name!r}: {why}")
    return status


__all__ = [
    "NdisIMAssociateMiniport",
    "NdisIMCancelInitializeDeviceInstance",
    "NdisIMDeInitializeDeviceInstance",
    "NdisIMGetBindingContext",
    "NdisIMInitializeDeviceInstanceEx",
]
