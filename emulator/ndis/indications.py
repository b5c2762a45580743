"""Status indications: from a miniport or a filter up, to the next filter that wants them, else to every protocol.

Law: the buffer belongs to the indicator until the call returns; NDIS remembers the link state on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.layout.handles import HandleKind
from emulator.ndis.absent import not_implemented
from emulator.ndis.adapters import REGISTRATION_SET, adapter_of, publish_change
from emulator.ndis.ddi import FILTER, MINIPORT, ddi
from emulator.ndis.filter_modules import REACHABLE, module_of, next_above
from emulator.ndis.handlers import PROTOCOL_HANDLERS
from emulator.ndis.handles import AdapterHandle, FilterModuleHandle
from emulator.ndis.registration import handler
from emulator.ndis.status import NDIS_STATUS_LINK_STATE
from emulator.ndis.structures_common import NDIS_LINK_STATE, structure_fault
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.states import BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.structures_common import NDIS_STATUS_INDICATION

LINK_STATE_LENGTH = 40


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
    if fault is not None:
        _wrong(given, MiniportAdapterHandle, fault, "NdisMIndicateStatusEx")
    _whole_adapter(given, "NdisMIndicateStatusEx")
    if given.StatusCode == NDIS_STATUS_LINK_STATE:
        _note_link(context, adapter, given.StatusBuffer)
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
    if fault is not None:
        _wrong(StatusIndication, NdisFilterHandle, fault, "")
    _whole_adapter(StatusIndication, "NdisFIndicateStatus")
    indicate(context, module.head.parent, StatusIndication, module.position)


def indicate(context: Context, adapter_handle: int, indication: NDIS_STATUS_INDICATION, above: int = -1) -> None:
    """Call FilterStatus of the next filter above a position, or ProtocolStatusEx of every open binding."""
    found = next_above(context, adapter_handle, above, "StatusHandler")
    if found is not None:
        call(context, found.routine, decode(context, found.module.context), indication)
        return
    protocols = context.machine.objects[HandleKind.PROTOCOL_DRIVER]
    for _, binding in context.machine.objects[HandleKind.BINDING].live():
        if binding.head.parent != adapter_handle or binding.state in (BindingState.UNBOUND, BindingState.OPENING):
            continue
        driver = protocols.find(binding.protocol, HandleKind.PROTOCOL_DRIVER)
        routine = handler(context, driver, PROTOCOL_HANDLERS, "StatusHandlerEx")
        call(context, routine, decode(context, binding.context), indication)


def _fault(given: NDIS_STATUS_INDICATION) -> str | None:
    fault = structure_fault(given)
    if fault is None and given.StatusBufferSize and given.StatusBuffer is None:
        fault = "StatusBufferSize is not 0 and StatusBuffer is NULL"
    if fault is None and given.StatusCode == NDIS_STATUS_LINK_STATE and given.StatusBufferSize < LINK_STATE_LENGTH:
        fault = "the buffer of NDIS_STATUS_LINK_STATE is no NDIS_LINK_STATE"
    return fault


def _wrong(given: NDIS_STATUS_INDICATION, handle: int, fault: str, rule: str) -> None:
    stop(0x7C, 0x20, given.StatusCode, handle, rule=rule, text=f"A status indication is wrong: {fault}.")


def _whole_adapter(given: NDIS_STATUS_INDICATION, name: str) -> None:
    if given.PortNumber:
        not_implemented(name, f"port {given.PortNumber}")
    if given.DestinationHandle:
        not_implemented(name, "a DestinationHandle")


def _note_link(context: Context, adapter: Any, buffer: Any) -> None:
    state = (
        buffer if isinstance(buffer, NDIS_LINK_STATE) else NDIS_LINK_STATE.from_bytes(getattr(buffer, "view", buffer))
    )
    adapter.media_connect_state = state.MediaConnectState
    adapter.duplex = state.MediaDuplexState
    adapter.transmit_speed, adapter.receive_speed = state.XmitLinkSpeed, state.RcvLinkSpeed
    adapter.pause_functions, adapter.automatic = state.PauseFunctions, state.AutoNegotiationFlags
    adapter.link_sequence += 1
    publish_change(context, adapter)


__all__ = ["NdisFIndicateStatus", "NdisMIndicateStatusEx"]
