"""Protocol bindings: opening and closing an adapter, and the completions that a protocol owes NDIS.

Law: an adapter is opened inside ProtocolBindAdapterEx and closed inside ProtocolUnbindAdapterEx or a failing bind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import stop
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.adapters import complete, move_binding, publish_change, wait_for_acknowledgement, wrong_handle
from emulator.ndis.ddi import PROTOCOL, ddi
from emulator.ndis.handles import BindContext, BindingHandle, ProtocolDriverHandle
from emulator.ndis.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    NDIS_STATUS_UNSUPPORTED_MEDIA,
)
from emulator.ndis.structures_common import structure_fault
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import BindingEvent, BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.structures import NDIS_OPEN_PARAMETERS, NET_PNP_EVENT_NOTIFICATION

MEDIUM_802_3 = 0
WAITING, COMPLETED = 1, 2


class OpenedAdapter(NamedTuple):
    """What NdisOpenAdapterEx gives."""

    Status: NDIS_STATUS
    NdisBindingHandle: BindingHandle | None


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",), acquires="binding")
def NdisOpenAdapterEx(
    NdisProtocolHandle: ProtocolDriverHandle,
    ProtocolBindingContext: Any,
    OpenParameters: NDIS_OPEN_PARAMETERS,
    BindContext: BindContext,
    /,
) -> OpenedAdapter:
    """Open the adapter that ProtocolBindAdapterEx was called for; completes at once (never pends here).

    UNSUPPORTED_MEDIA when MediumArray has no Ethernet.  Bug check 0x7C/0x16 outside the bind that BindContext names.
    """
    context = current.context
    protocols = context.machine.objects[HandleKind.PROTOCOL_DRIVER]
    if protocols.find(NdisProtocolHandle, HandleKind.PROTOCOL_DRIVER) is None:
        wrong_handle(NdisProtocolHandle, HandleKind.PROTOCOL_DRIVER, "NdisOpenAdapterEx")
    pending = context.memory.get("bind")
    if pending is None or pending.bind_context != BindContext or pending.protocol != NdisProtocolHandle:
        stop(
            0x7C,
            0x16,
            NdisProtocolHandle,
            BindContext or 0,
            text="NdisOpenAdapterEx was called outside the ProtocolBindAdapterEx that its bind context belongs to.",
        )
    given = OpenParameters
    if structure_fault(given):
        return OpenedAdapter(NDIS_STATUS_INVALID_PARAMETER, None)
    if MEDIUM_802_3 not in list(given.MediumArray)[: given.MediumArraySize]:
        return OpenedAdapter(NDIS_STATUS_UNSUPPORTED_MEDIA, None)
    given.SelectedMediumIndex = list(given.MediumArray).index(MEDIUM_802_3)
    table = context.machine.objects[HandleKind.BINDING]
    made = table.allocate(HandleKind.BINDING, driver=context.driver, parent=pending.adapter_handle, site=context.site)
    if made is None:
        return OpenedAdapter(NDIS_STATUS_RESOURCES, None)
    handle, binding = made
    binding.adapter = pending.adapter_handle & INDEX_MASK
    binding.protocol = NdisProtocolHandle
    binding.context = encode(context, ProtocolBindingContext)
    binding.packet_filter = 0
    binding.multicast_count = 0
    binding.completion = 0
    binding.flags = 0
    binding.state = BindingState.OPENING
    pending.binding_handle = handle
    pending.adapter.bindings += 1
    publish_change(context, pending.adapter)
    return OpenedAdapter(NDIS_STATUS_SUCCESS, BindingHandle(handle))


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",), releases="binding")
def NdisCloseAdapterEx(NdisBindingHandle: BindingHandle, /) -> NDIS_STATUS:
    """Close the binding; completes at once (never pends here).  FAILURE when it is not being unbound."""
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisCloseAdapterEx")
    if binding.state not in (BindingState.CLOSING, BindingState.OPENING):
        return NDIS_STATUS_FAILURE
    adapter = context.machine.objects[HandleKind.ADAPTER].records[binding.adapter]
    if binding.state == BindingState.OPENING:
        move_binding(context, adapter, binding, BindingEvent.BIND_FAILED)
    else:
        move_binding(context, adapter, binding, BindingEvent.UNBIND_COMPLETED)
    wait_for_acknowledgement(context)
    adapter.bindings -= 1
    context.machine.objects[HandleKind.BINDING].free(NdisBindingHandle, site=context.site)
    publish_change(context, adapter)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisCompleteBindAdapterEx(BindAdapterContext: BindContext, Status: NDIS_STATUS, /) -> None:
    """Complete a bind that returned PENDING."""
    _complete(BindAdapterContext, HandleKind.BIND_CONTEXT, "NdisCompleteBindAdapterEx", Status)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisCompleteUnbindAdapterEx(UnbindContext: BindContext, /) -> None:
    """Complete an unbind that returned PENDING."""
    _complete(UnbindContext, HandleKind.UNBIND_CONTEXT, "NdisCompleteUnbindAdapterEx", NDIS_STATUS_SUCCESS)


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisCompleteNetPnPEvent(
    NdisBindingHandle: BindingHandle, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION, Status: NDIS_STATUS, /
) -> None:
    """Complete a NetPnPEvent that returned PENDING.  Bug check 0x7C/0x22 when none is pending."""
    del NetPnPEventNotification
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisCompleteNetPnPEvent")
    if binding.completion != WAITING or Status == NDIS_STATUS_PENDING:
        stop(0x7C, 0x22, NdisBindingHandle, text="A PnP event was completed that is not pending.")
    binding.completion_status = Status & 0xFFFF_FFFF
    complete(context, binding, "completion", COMPLETED)


def binding_of(context: Context, handle: int | None, name: str = "") -> Any:
    """The record of a live binding handle; 0x7C/0x21 for anything else."""
    binding = context.machine.objects[HandleKind.BINDING].find(handle, HandleKind.BINDING)
    if binding is None:
        wrong_handle(handle, HandleKind.BINDING, name)
    return binding


def _complete(handle: int | None, kind: HandleKind, name: str, status: int) -> None:
    context = current.context
    adapters = context.machine.objects[HandleKind.ADAPTER]
    place = (handle or 0) & INDEX_MASK
    adapter = adapters.records[place] if place < adapters.capacity else None
    if adapter is None or (handle or 0) >> 56 != kind or adapter.completion != WAITING:
        stop(0x7C, 0x21, handle or 0, kind, text=f"{name}: no such operation is pending.", ddi=name)
    adapter.restart_status = status & 0xFFFF_FFFF
    complete(context, adapter, "completion", COMPLETED)


__all__ = [
    "NdisCloseAdapterEx",
    "NdisCompleteBindAdapterEx",
    "NdisCompleteNetPnPEvent",
    "NdisCompleteUnbindAdapterEx",
    "NdisOpenAdapterEx",
]
