"""Events on their way through a stack: device events down to the miniport, network events up to the protocols.

Law: an event goes to the next filter module that has a handler for it, which passes it on or does not; what is passed
on by the last one reaches the miniport, or every binding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.gates.ddi import FILTER, INTERMEDIATE, MINIPORT, ddi
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.enumerations import NET_PNP_EVENT_CODE
from emulator.ndis.headers.handles import AdapterHandle, FilterModuleHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import structure_fault
from emulator.ndis.plug_and_play.adapters import adapter_of, complete, text_of
from emulator.ndis.plug_and_play.bindings import WAITING
from emulator.ndis.plug_and_play.filter_modules import module_of, next_above, next_below
from emulator.ndis.plug_and_play.pnp_waits import await_completion, drain, signed
from emulator.ndis.plug_and_play.ports import switch_ports
from emulator.ndis.plug_and_play.registration import handler, miniport_of, protocol_of
from emulator.rules.irql import AT_PASSIVE
from emulator.rules.states import BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures_common import NET_DEVICE_PNP_EVENT, NET_PNP_EVENT_NOTIFICATION

WATCHDOG_PROTOCOL_PNP = 0x02
_RULES = ("Irql_Filter_Driver_Function",)
_EVENT = NET_PNP_EVENT_CODE
_OF_PORTS = (_EVENT.NetEventPortActivation, _EVENT.NetEventPortDeactivation)
_NOT_PASSED_ON = (_EVENT.NetEventBindsComplete, _EVENT.NetEventPause, _EVENT.NetEventRestart)
_STATUS_COUNTS = (_EVENT.NetEventQueryPower, _EVENT.NetEventQueryRemoveDevice)


@ddi(irql=AT_PASSIVE, callers=FILTER, rules=_RULES)
def NdisFNetPnPEvent(
    NdisFilterHandle: FilterModuleHandle, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION, /
) -> NDIS_STATUS:
    """Pass a network PnP event on to what is above the module, or originate one; the status of those above.

    Bug check 0x7C/0x22 for an event that is not whole.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFNetPnPEvent")
    fault = structure_fault(NetPnPEventNotification)
    if fault is not None:
        stop(0x7C, 0x22, NdisFilterHandle, text=f"A network PnP event is wrong: {fault}.")
    return event_above(context, module.head.parent, NetPnPEventNotification, module.position)


@ddi(
    irql=AT_PASSIVE,
    callers=MINIPORT | INTERMEDIATE,
    rules=("Irql_Protocol_Driver_Function", "NdisMNetPnPEventInOIDRequest"),
)
def NdisMNetPnPEvent(
    MiniportAdapterHandle: AdapterHandle, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION, /
) -> NDIS_STATUS:
    """Tell the drivers above a virtual miniport of a network PnP event; the status of those above where it counts.

    It counts for NetEventQueryPower and NetEventQueryRemoveDevice.  INVALID_PARAMETER for what an intermediate driver
    does not pass on, and for a miniport that is no intermediate driver's, which may tell of its ports alone.  Bug check
    0x7C/0x22 for an event that is not whole, 0xC4/0xE5 (our choice) while an OID request of the adapter is in hand.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMNetPnPEvent")
    fault = structure_fault(NetPnPEventNotification)
    if fault is not None:
        stop(0x7C, 0x22, MiniportAdapterHandle, text=f"A network PnP event is wrong: {fault}.")
    if adapter.request_state:
        stop(
            0xC4,
            0xE5,
            context.irql,
            MiniportAdapterHandle,
            rule="NdisMNetPnPEventInOIDRequest",
            text=f"NdisMNetPnPEvent was called while {text_of(adapter.name)} has an OID request in hand.",
        )
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event in _OF_PORTS:
        return _tell_of_ports(context, MiniportAdapterHandle, adapter, NetPnPEventNotification)
    if not adapter.virtual or event in _NOT_PASSED_ON:
        return NDIS_STATUS_INVALID_PARAMETER
    status = event_above(context, MiniportAdapterHandle, NetPnPEventNotification)
    return status if event in _STATUS_COUNTS else NDIS_STATUS_SUCCESS


def _tell_of_ports(
    context: Context, handle: int, adapter: Any, notification: NET_PNP_EVENT_NOTIFICATION
) -> NDIS_STATUS:
    """The drivers above may use a port once they are told that it is active, and until they are told that it is not.

    They are told of none as long as the default port is not active.
    """
    event = notification.NetPnPEvent
    if event.NetEvent == _EVENT.NetEventPortDeactivation:
        event_above(context, handle, notification)
        return switch_ports(context, handle, adapter, event)
    status = switch_ports(context, handle, adapter, event)
    if status == NDIS_STATUS_SUCCESS and adapter.default_port:
        event_above(context, handle, notification)
    return status


@ddi(irql=AT_PASSIVE, callers=FILTER, rules=_RULES)
def NdisFDevicePnPEventNotify(NdisFilterHandle: FilterModuleHandle, NetDevicePnPEvent: NET_DEVICE_PNP_EVENT, /) -> None:
    """Pass a device PnP event on to what is below the module.  Bug check 0x7C/0x21 for an event that is not whole."""
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFDevicePnPEventNotify")
    fault = structure_fault(NetDevicePnPEvent)
    if fault is not None:
        stop(0x7C, 0x21, NdisFilterHandle, text=f"A device PnP event is wrong: {fault}.")
    notify_device(context, module.head.parent, NetDevicePnPEvent, module.position)


def notify_device(
    context: Context, adapter_handle: int, event: NET_DEVICE_PNP_EVENT, position: int | None = None
) -> None:
    """Tell the next filter module below a position (None: the whole stack) of a device event, else the miniport."""
    found = next_below(context, adapter_handle, position, "DevicePnPEventNotifyHandler")
    if found is not None:
        call(context, found.routine, decode(context, found.module.context), event)
        return
    adapter = context.machine.objects[HandleKind.ADAPTER].records[adapter_handle & INDEX_MASK]
    miniport_call(context, adapter, "DevicePnPEventNotifyHandler", event)


def event_above(
    context: Context, adapter_handle: int, notification: NET_PNP_EVENT_NOTIFICATION, position: int = -1
) -> NDIS_STATUS:
    """Tell the next filter module above a position (-1: all are) of a network event, else every open binding.

    The status is that of the module, or of the last binding that did not succeed.
    """
    found = next_above(context, adapter_handle, position, "NetPnPEventHandler")
    if found is not None:
        return call_for_status(context, found.routine, decode(context, found.module.context), notification)
    status = NDIS_STATUS_SUCCESS
    for _, binding in context.machine.objects[HandleKind.BINDING].live():
        if binding.head.parent != adapter_handle or binding.state in (BindingState.UNBOUND, BindingState.OPENING):
            continue
        answered = protocol_event(context, binding, notification)
        if answered != NDIS_STATUS_SUCCESS:
            status = NDIS_STATUS(answered)
    return status


def protocol_event(context: Context, binding: Any, notification: NET_PNP_EVENT_NOTIFICATION) -> int:
    """Call ProtocolNetPnPEvent and wait for its completion; the final status.

    A binding has one event at a time: what another context has for it waits.  One that comes out of the handler itself
    is told at once.
    """
    outer = _claim(context, binding, notification)
    protocol = protocol_of(context, binding)
    binding.completion = WAITING
    routine = handler(protocol, "NetPnPEventHandler")
    status = call_for_status(context, routine, decode(context, binding.context), notification)
    if status == NDIS_STATUS_PENDING:
        what = f"{text_of(protocol.name)}'s {NET_PNP_EVENT_CODE(notification.NetPnPEvent.NetEvent).name}"
        parent, driver = binding.head.parent, binding.head.driver
        await_completion(context, binding, WATCHDOG_PROTOCOL_PNP, parent, what, driver, "NdisCompleteNetPnPEvent")
        status = NDIS_STATUS(signed(binding.completion_status))
    binding.completion = outer
    if not outer:
        complete(context, binding, "event_slot", 0)
    return status


def _claim(context: Context, binding: Any, notification: NET_PNP_EVENT_NOTIFICATION) -> int:
    """Make the binding's event this one, when the one before is over; what was pending of one that is around it."""
    platform, own = context.platform, context.slot + 1
    what = f"the event before {NET_PNP_EVENT_CODE(notification.NetPnPEvent.NetEvent).name}"
    while True:
        platform.acquire(SystemLock.STACKS)
        if not binding.event_slot:
            binding.event_slot = own
        claimed = binding.event_slot == own
        platform.release(SystemLock.STACKS)
        if claimed:
            return int(binding.completion)
        drain(context, lambda: not binding.event_slot, WATCHDOG_PROTOCOL_PNP, binding.head.parent, what)


def miniport_call(context: Context, adapter: Any, name: str, *arguments: Any, value: Any = None) -> Any:
    """Call a handler of an adapter's miniport, with the adapter's context unless another is given."""
    driver = miniport_of(context, adapter)
    given = decode(context, adapter.context) if value is None else value
    enter = call_for_status if name in ("RestartHandler", "PauseHandler") else call
    return enter(context, handler(driver, name), given, *arguments)


__all__ = ["NdisFDevicePnPEventNotify", "NdisFNetPnPEvent", "NdisMNetPnPEvent"]
