"""Status indications: from a miniport or a filter up, to the next filter that wants them, else to every protocol.

Law: the buffer belongs to the indicator until the call returns; what NDIS answers queries with it takes from it on the
way.  An indication with a DestinationHandle is for the binding or the filter module that it names, and for no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.layout.handles import KIND_SHIFT, HandleKind
from emulator.ndis.control_path.remembered import as_bytes, remember
from emulator.ndis.gates.ddi import FILTER, MINIPORT, ddi
from emulator.ndis.headers import oids
from emulator.ndis.headers.handles import AdapterHandle, FilterModuleHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS_LINK_STATE,
    NDIS_STATUS_NETWORK_CHANGE,
    NDIS_STATUS_OPER_STATUS,
    NDIS_STATUS_PACKET_FILTER,
    NDIS_STATUS_PM_CAPABILITIES_CHANGE,
    NDIS_STATUS_PM_HARDWARE_CAPABILITIES,
    NDIS_STATUS_PORT_STATE,
    NDIS_STATUS_SUCCESS,
    NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG,
    NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES,
    status_name,
)
from emulator.ndis.headers.structures_common import NDIS_LINK_STATE, structure_fault
from emulator.ndis.headers.structures_port import NDIS_PORT_STATE
from emulator.ndis.plug_and_play import ports
from emulator.ndis.plug_and_play.adapters import REGISTRATION_SET, adapter_of, publish_change
from emulator.ndis.plug_and_play.filter_modules import REACHABLE, driver_of, module_of, next_above
from emulator.ndis.plug_and_play.pnp_structures import status_indication
from emulator.ndis.plug_and_play.registration import handler, protocol_of
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.states import BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures_common import NDIS_STATUS_INDICATION

LEAST: Final[dict[int, tuple[str, int]]] = {
    NDIS_STATUS_LINK_STATE: ("NDIS_LINK_STATE", 40),
    NDIS_STATUS_NETWORK_CHANGE: ("ULONG", 4),
    NDIS_STATUS_PACKET_FILTER: ("ULONG", 4),
    NDIS_STATUS_OPER_STATUS: ("NDIS_OPER_STATE", 12),
    NDIS_STATUS_PORT_STATE: ("NDIS_PORT_STATE", 48),
    NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG: ("NDIS_OFFLOAD", 4),
    NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES: ("NDIS_OFFLOAD", 4),
}
"""What a status comes with, and how long that is at least (of an NDIS_OFFLOAD: its header)."""

REMEMBERED: Final[dict[int, int]] = {
    NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG: oids.OID_TCP_OFFLOAD_CURRENT_CONFIG,
    NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES: oids.OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
    NDIS_STATUS_PM_CAPABILITIES_CHANGE: oids.OID_PM_CURRENT_CAPABILITIES,
    NDIS_STATUS_PM_HARDWARE_CAPABILITIES: oids.OID_PM_HARDWARE_CAPABILITIES,
}
"""What NDIS answers with the buffer of the last indication of the miniport."""

DESTINATIONS: Final = (HandleKind.BINDING, HandleKind.FILTER_MODULE)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=("Irql_StatusIndication_Function", "NdisMIndicateStatusEx"))
def NdisMIndicateStatusEx(MiniportAdapterHandle: AdapterHandle, StatusIndication: NDIS_STATUS_INDICATION, /) -> None:
    """Tell the drivers above about a change of the adapter; legal once the registration attributes are set.

    Bug check 0x7C/0x20 for an indication that is not whole.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMIndicateStatusEx")
    given = StatusIndication
    fault = _fault(given)
    if fault is None and not adapter.attributes_set & REGISTRATION_SET:
        fault = "the registration attributes have not been set"
    fault = fault or _destination_fault(context, MiniportAdapterHandle, given.DestinationHandle, -1)
    if fault is not None:
        _wrong(given, MiniportAdapterHandle, fault, "NdisMIndicateStatusEx")
    _active_port(context, given, MiniportAdapterHandle)
    if given.StatusCode == NDIS_STATUS_LINK_STATE:
        _note_link(context, adapter, given.StatusBuffer)
    if given.StatusCode == NDIS_STATUS_PORT_STATE:
        ports.note_state(context, MiniportAdapterHandle, given.PortNumber, _read(NDIS_PORT_STATE, given.StatusBuffer))
    told = REMEMBERED.get(given.StatusCode)
    if told is not None and given.StatusBufferSize:
        remember(context, adapter, told, as_bytes(given.StatusBuffer)[: given.StatusBufferSize])
    indicate(context, MiniportAdapterHandle, given)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=("Irql_StatusIndication_Function",))
def NdisFIndicateStatus(NdisFilterHandle: FilterModuleHandle, StatusIndication: NDIS_STATUS_INDICATION, /) -> None:
    """Pass a status indication on to what is above the module, or originate one; not in FilterAttach.

    Bug check 0x7C/0x20 for an indication that is not whole.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFIndicateStatus")
    fault = _fault(StatusIndication)
    if fault is None and module.state not in REACHABLE:
        fault = "the filter module is not attached"
    if fault is None:
        fault = _destination_fault(context, module.head.parent, StatusIndication.DestinationHandle, module.position)
    if fault is not None:
        _wrong(StatusIndication, NdisFilterHandle, fault, "")
    _active_port(context, StatusIndication, module.head.parent)
    indicate(context, module.head.parent, StatusIndication, module.position)


def indicate(context: Context, adapter_handle: int, indication: NDIS_STATUS_INDICATION, above: int = -1) -> None:
    """Call FilterStatus of the next filter above a position, or ProtocolStatusEx of every open binding.

    With a DestinationHandle: the one handler of what it names, and none where that is closed or detached.
    """
    destination = indication.DestinationHandle
    if destination:
        _indicate_to(context, destination, indication)
        return
    found = next_above(context, adapter_handle, above, "StatusHandler")
    if found is not None:
        call(context, found.routine, decode(context, found.module.context), indication)
        return
    for _, binding in context.machine.objects[HandleKind.BINDING].live():
        if binding.head.parent == adapter_handle:
            _indicate_to_binding(context, binding, indication)


def tell_packet_filter(context: Context, adapter_handle: int, adapter: Any, union: int) -> None:
    """The bindings' packet filters come to something else together: whoever is above the miniport is told so."""
    if adapter.packet_filter == union:
        return
    adapter.packet_filter = union
    publish_change(context, adapter)
    told = status_indication(adapter_handle, NDIS_STATUS_PACKET_FILTER)
    told.StatusBuffer, told.StatusBufferSize = union.to_bytes(4, "little"), 4
    indicate(context, adapter_handle, told)


def _indicate_to(context: Context, destination: int, indication: NDIS_STATUS_INDICATION) -> None:
    objects = context.machine.objects
    binding = objects[HandleKind.BINDING].find(destination, HandleKind.BINDING)
    module = objects[HandleKind.FILTER_MODULE].find(destination, HandleKind.FILTER_MODULE)
    if binding is not None:
        _indicate_to_binding(context, binding, indication)
    elif module is not None and module.state in REACHABLE:
        routine = handler(driver_of(context, module), "StatusHandler")
        if routine:
            call(context, routine, decode(context, module.context), indication)


def _indicate_to_binding(context: Context, binding: Any, indication: NDIS_STATUS_INDICATION) -> None:
    if binding.state in (BindingState.UNBOUND, BindingState.OPENING):
        return
    routine = handler(protocol_of(context, binding), "StatusHandlerEx")
    call(context, routine, decode(context, binding.context), indication)


def _destination_fault(context: Context, adapter_handle: int, destination: Any, above: int) -> str | None:
    """What is wrong with a DestinationHandle; nothing with that of a binding or a module which is no more."""
    if not destination:
        return None
    kind = destination >> KIND_SHIFT if isinstance(destination, int) else 0
    if kind not in DESTINATIONS:
        return "DestinationHandle is neither a binding nor a filter module"
    found = context.machine.objects[HandleKind(kind)].find(destination, HandleKind(kind))
    if found is None:
        return None
    if found.head.parent != adapter_handle:
        return "DestinationHandle belongs to another adapter"
    if kind == HandleKind.FILTER_MODULE and found.position <= above:
        return "DestinationHandle is not above the filter module"
    return None


def _fault(given: NDIS_STATUS_INDICATION) -> str | None:
    fault = structure_fault(given)
    if fault is None and given.StatusBufferSize and given.StatusBuffer is None:
        fault = "StatusBufferSize is not 0 and StatusBuffer is NULL"
    what, least = LEAST.get(given.StatusCode, ("", 0))
    if fault is None and given.StatusBufferSize < least:
        fault = f"the buffer of {status_name(given.StatusCode)} is no {what}"
    return fault


def _wrong(given: NDIS_STATUS_INDICATION, handle: int, fault: str, rule: str) -> None:
    stop(0x7C, 0x20, given.StatusCode, handle, rule=rule, text=f"A status indication is wrong: {fault}.")


def _active_port(context: Context, given: NDIS_STATUS_INDICATION, adapter: int) -> None:
    if ports.refused(context, adapter, given.PortNumber) != NDIS_STATUS_SUCCESS:
        _wrong(given, adapter, f"port {given.PortNumber} is not active", "")


def _read(kind: Any, buffer: Any) -> Any:
    """A structure that a driver gives as itself or as the bytes that it would lie in memory as."""
    return buffer if isinstance(buffer, kind) else kind.from_bytes(getattr(buffer, "view", buffer))


def _note_link(context: Context, adapter: Any, buffer: Any) -> None:
    state = _read(NDIS_LINK_STATE, buffer)
    adapter.media_connect_state = state.MediaConnectState
    adapter.duplex = state.MediaDuplexState
    adapter.transmit_speed, adapter.receive_speed = state.XmitLinkSpeed, state.RcvLinkSpeed
    adapter.pause_functions, adapter.automatic = state.PauseFunctions, state.AutoNegotiationFlags
    adapter.link_sequence += 1
    publish_change(context, adapter)


__all__ = ["NdisFIndicateStatus", "NdisMIndicateStatusEx"]
