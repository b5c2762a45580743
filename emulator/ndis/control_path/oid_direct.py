"""Direct OID requests: down the stack at once, at DISPATCH_LEVEL or below, beside whatever else is in hand.

Law: NDIS neither serialises nor queues them; each hop is a plain call, and who holds one stands in its lane's list.
Only OIDs whose pages say so may go this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.layout.machine import SystemLock
from emulator.ndis.control_path import oid_answers
from emulator.ndis.control_path.oid_lanes import (
    IN_HANDLER,
    call_handler,
    chain,
    check_issued,
    issue,
    lane_below,
    lane_handle,
    routine_of,
    take_completion,
    tell_originator,
)
from emulator.ndis.control_path.oid_table import DIRECT
from emulator.ndis.gates.ddi import FILTER, MINIPORT, PROTOCOL, ddi
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle, FilterModuleHandle
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
)
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.ndis.plug_and_play.filter_modules import driver_of, module_of
from emulator.ndis.plug_and_play.registration import handler, protocol_of
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context

HANDLER = "DirectOidRequestHandler"
COMPLETE_HANDLER = "DirectOidRequestCompleteHandler"
CANCEL_HANDLER = "CancelDirectOidRequestHandler"


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL)
def NdisDirectOidRequest(NdisBindingHandle: BindingHandle, OidRequest: NDIS_OID_REQUEST, /) -> NDIS_STATUS:
    """Ask what is below at once; PENDING means that ProtocolDirectOidRequestComplete will be called, perhaps already.

    NOT_SUPPORTED for an OID that is no direct one, for a miniport without MiniportDirectOidRequest, and for a protocol
    without ProtocolDirectOidRequestComplete.
    """
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisDirectOidRequest")
    refused = check_issued(context, binding, NdisBindingHandle, OidRequest, "NdisDirectOidRequest")
    if refused is not None:
        return refused
    if not handler(protocol_of(context, binding), COMPLETE_HANDLER):
        return NDIS_STATUS_NOT_SUPPORTED
    return _submit(context, NdisBindingHandle, binding.head.parent, None, OidRequest)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL)
def NdisCancelDirectOidRequest(NdisBindingHandle: BindingHandle, RequestId: Any, /) -> None:
    """Ask the driver below to complete the binding's direct requests that bear this id with REQUEST_ABORTED."""
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisCancelDirectOidRequest")
    _cancel(context, NdisBindingHandle, binding.head.parent, None, RequestId)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT)
def NdisMDirectOidRequestComplete(
    MiniportAdapterHandle: AdapterHandle, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS, /
) -> None:
    """Complete the request for which MiniportDirectOidRequest returned PENDING.

    Bug check 0x7C/0x26 for a request that is not pending, 0xC4/0x91001 for the final status PENDING.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMDirectOidRequestComplete")
    _complete(context, adapter, MiniportAdapterHandle, OidRequest, Status)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER)
def NdisFDirectOidRequest(NdisFilterHandle: FilterModuleHandle, OidRequest: NDIS_OID_REQUEST, /) -> NDIS_STATUS:
    """Ask what is below the module, with a clone or a direct request of its own; not in FilterAttach.

    PENDING means that FilterDirectOidRequestComplete will be called, perhaps already.  NOT_SUPPORTED as for
    NdisDirectOidRequest.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFDirectOidRequest")
    refused = check_issued(context, module, NdisFilterHandle, OidRequest, "NdisFDirectOidRequest")
    if refused is not None:
        return refused
    if not handler(driver_of(context, module), COMPLETE_HANDLER):
        return NDIS_STATUS_NOT_SUPPORTED
    return _submit(context, NdisFilterHandle, module.head.parent, module.position, OidRequest)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER)
def NdisFDirectOidRequestComplete(
    NdisFilterHandle: FilterModuleHandle, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS, /
) -> None:
    """Complete the request for which FilterDirectOidRequest returned PENDING.

    Bug check 0x7C/0x26 for a request that is not pending, 0xC4/0x91001 for the final status PENDING.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFDirectOidRequestComplete")
    _complete(context, module, NdisFilterHandle, OidRequest, Status)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER)
def NdisFCancelDirectOidRequest(NdisFilterHandle: FilterModuleHandle, RequestId: Any, /) -> None:
    """Ask the driver below to complete the module's direct requests that bear this id with REQUEST_ABORTED."""
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFCancelDirectOidRequest")
    _cancel(context, NdisFilterHandle, module.head.parent, module.position, RequestId)


def take_up(context: Context, lane: Any, request: Any, state: int) -> None:
    """A lane has a request in hand beside those that are serialised."""
    context.platform.acquire(SystemLock.REQUESTS)
    request.ndis_state = state
    request.ndis_next = lane.unserialised
    lane.unserialised = request._pointer
    context.platform.release(SystemLock.REQUESTS)


def let_go(context: Context, lane: Any, request: Any) -> None:
    """It has it no longer."""
    context.platform.acquire(SystemLock.REQUESTS)
    before = None
    for held in chain(context, lane.unserialised):
        if held._pointer != request._pointer:
            before = held
        elif before is None:
            lane.unserialised = held.ndis_next
            break
        else:
            before.ndis_next = held.ndis_next
            break
    context.platform.release(SystemLock.REQUESTS)


def _submit(context: Context, handle: int, adapter_handle: int, position: int | None, request: Any) -> NDIS_STATUS:
    lane = lane_below(context, adapter_handle, position, HANDLER)
    if request.DATA.QUERY_INFORMATION.Oid not in DIRECT or not routine_of(context, lane, HANDLER):
        return NDIS_STATUS_NOT_SUPPORTED
    issue(context, handle, request)
    take_up(context, lane, request, IN_HANDLER)
    status = call_handler(context, lane, request, "DirectOidRequest")
    if status != NDIS_STATUS_PENDING:
        _finish(context, lane, request, status)
    return status


def _complete(context: Context, lane: Any, handle: int, request: Any, status: NDIS_STATUS) -> None:
    take_completion(
        context,
        handle,
        request,
        status,
        lambda: any(held._pointer == request._pointer for held in chain(context, lane.unserialised)),
    )
    _finish(context, lane, request, status)
    tell_originator(context, request, status, COMPLETE_HANDLER)


def _finish(context: Context, lane: Any, request: Any, status: NDIS_STATUS) -> None:
    oid_answers.check_completion(context, lane_handle(context, lane), request, status)
    let_go(context, lane, request)


def _cancel(context: Context, handle: int, adapter_handle: int, position: int | None, request_id: Any) -> None:
    lane = lane_below(context, adapter_handle, position, HANDLER)
    context.platform.acquire(SystemLock.REQUESTS)
    mine = [
        held
        for held in chain(context, lane.unserialised)
        if held.ndis_binding == handle and held.RequestId == request_id
    ]
    context.platform.release(SystemLock.REQUESTS)
    routine = routine_of(context, lane, CANCEL_HANDLER)
    if mine and routine:
        call(context, routine, decode(context, lane.context), request_id)


__all__ = [
    "NdisCancelDirectOidRequest",
    "NdisDirectOidRequest",
    "NdisFCancelDirectOidRequest",
    "NdisFDirectOidRequest",
    "NdisFDirectOidRequestComplete",
    "NdisMDirectOidRequestComplete",
]
