"""OID requests: one at a time per miniport, called at once when the lane is free, else by the request thread.

Law: a request is completed exactly once; NDIS answers what it knows, and sends the union of all bindings' filters down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.lanes import wake_lane
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis import oid_answers
from emulator.ndis.absent import not_implemented
from emulator.ndis.adapters import adapter_of
from emulator.ndis.bindings import binding_of
from emulator.ndis.ddi import MINIPORT, PROTOCOL, ddi
from emulator.ndis.handlers import MINIPORT_HANDLERS, PROTOCOL_HANDLERS
from emulator.ndis.handles import AdapterHandle, BindingHandle
from emulator.ndis.oid_structures import BUILT_IN_TYPES, NDIS_OID_REQUEST
from emulator.ndis.registration import handler
from emulator.ndis.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_CLOSING,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.structure_headers import header_fault
from emulator.rules.irql import AT_MOST_DISPATCH, PASSIVE_LEVEL
from emulator.rules.states import AdapterState, BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context

IDLE, BUSY = 0, 1
NEW, ISSUED, IN_HANDLER, PENDED, COMPLETE = 0, 1, 2, 3, 4
READY_STATES = (AdapterState.PAUSED, AdapterState.RESTARTING, AdapterState.RUNNING, AdapterState.PAUSING)
QUERY, SET, STATISTICS, METHOD = 0, 1, 2, 12
KINDS = (QUERY, SET, STATISTICS, METHOD)
NDIS_BUG, VERIFIER = 0x7C, 0xC4


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_OID_Function",))
def NdisOidRequest(NdisBindingHandle: BindingHandle, OidRequest: NDIS_OID_REQUEST, /) -> NDIS_STATUS:
    """Ask NDIS or the miniport; PENDING means that ProtocolOidRequestComplete will be called, perhaps already.

    The request and its buffer must stay as they are until it is complete.  INVALID_PARAMETER for a wrong header,
    NOT_SUPPORTED for a RequestType that no driver may use.
    """
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisOidRequest")
    adapter = context.machine.objects[HandleKind.ADAPTER].records[binding.adapter]
    request = OidRequest
    if request.ndis_state in (ISSUED, IN_HANDLER, PENDED):
        stop(
            NDIS_BUG,
            0x26,
            NdisBindingHandle,
            getattr(request, "_pointer", 0),
            rule="NdisOidDoubleRequest",
            text=f"An OID request ({oid_answers.describe(request)}) was issued again before it was complete.",
            sites=[site_of(context, "issued the first time", request.ndis_issued_site)],
        )
    header = request.Header
    if header_fault("NDIS_OID_REQUEST", header.Type, header.Revision, header.Size) is not None:
        return NDIS_STATUS_INVALID_PARAMETER
    if request.RequestType not in KINDS:
        return NDIS_STATUS_NOT_SUPPORTED
    if request.PortNumber:
        not_implemented("NdisOidRequest", f"port {request.PortNumber}")
    if binding.state == BindingState.UNBOUND:
        return NDIS_STATUS_CLOSING
    if adapter.state not in READY_STATES:
        return NDIS_STATUS_ADAPTER_NOT_READY
    request.ndis_binding = NdisBindingHandle
    request.ndis_origin = 0
    request.ndis_issued_site = context.site
    request.ndis_issued = context.platform.now()
    answered = oid_answers.answer(context, adapter, binding, request)
    if answered is not None:
        request.ndis_state = COMPLETE
        return answered
    down = oid_answers.merged(context, adapter, binding, request)
    return submit(context, adapter, down if down is not None else request)


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT,
    rules=(
        "DoubleComplete",
        "DoubleCompleteWorkItem",
        "Irql_OID_Function",
        "NdisMNetPnPEventInOIDRequest",
        "NdisOidComplete",
        "NdisOidDoubleComplete",
        "NdisOidDoubleRequest",
        "NdisTimedOidComplete",
    ),
)
def NdisMOidRequestComplete(
    MiniportAdapterHandle: AdapterHandle, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS, /
) -> None:
    """Complete the request for which MiniportOidRequest returned PENDING.

    Bug check 0x7C/0x26 for a request that is not pending, 0xC4/0x91001 for the final status PENDING.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMOidRequestComplete")
    request = OidRequest
    pointer = getattr(request, "_pointer", 0)
    if Status == NDIS_STATUS_PENDING:
        stop(
            VERIFIER,
            0x91001,
            pointer,
            rule="NdisOidComplete",
            text=f"An OID request ({oid_answers.describe(request)}) was completed with the final status PENDING.",
        )
    context.platform.acquire(SystemLock.REQUESTS)
    pending = adapter.request == pointer and request.ndis_state in (IN_HANDLER, PENDED)
    if pending:
        request.ndis_state = COMPLETE
        request.ndis_completed_site = context.site
    context.platform.release(SystemLock.REQUESTS)
    if not pending:
        stop(
            NDIS_BUG,
            0x26,
            MiniportAdapterHandle,
            pointer,
            rule="NdisOidDoubleComplete",
            text=f"An OID request ({oid_answers.describe(request)}) was completed that is not pending.",
            sites=[
                site_of(context, "issued", request.ndis_issued_site),
                site_of(context, "completed the first time", request.ndis_completed_site),
            ],
        )
    _finish(context, adapter, request, Status, indicate=True)


def submit(context: Context, adapter: Any, request: Any) -> NDIS_STATUS:
    """Give a request to the miniport now, when the lane is free and the IRQL allows, else queue it."""
    platform, pointer = context.platform, request._pointer
    platform.acquire(SystemLock.REQUESTS)
    direct = adapter.request_state == IDLE and not adapter.request_head and context.irql == PASSIVE_LEVEL
    if direct:
        adapter.request_state = BUSY
        adapter.request = pointer
        request.ndis_state = IN_HANDLER
    else:
        request.ndis_state = ISSUED
        request.ndis_next = 0
        if adapter.request_tail:
            decode(context, adapter.request_tail).ndis_next = pointer
        else:
            adapter.request_head = pointer
        adapter.request_tail = pointer
    platform.release(SystemLock.REQUESTS)
    if not direct:
        wake_lane(context, ContextKind.REQUESTS)
        return NDIS_STATUS_PENDING
    return _handle(context, adapter, request, indicate=False)


def serve_queued(context: Context) -> bool:
    """Take one request off an idle lane and call the miniport; False when there was none."""
    platform = context.platform
    for _, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if adapter.request_state != IDLE or not adapter.request_head:
            continue
        platform.acquire(SystemLock.REQUESTS)
        pointer = adapter.request_head
        request = decode(context, pointer) if adapter.request_state == IDLE else None
        if request is not None:
            adapter.request_head = request.ndis_next
            if not adapter.request_head:
                adapter.request_tail = 0
            adapter.request_state = BUSY
            adapter.request = pointer
            request.ndis_state = IN_HANDLER
        platform.release(SystemLock.REQUESTS)
        if request is not None:
            _handle(context, adapter, request, indicate=True)
            return True
    return False


def queued(context: Context) -> bool:
    """Is a request queued to an idle lane?"""
    table = context.machine.objects[HandleKind.ADAPTER]
    return any(a.head.allocated and a.request_state == IDLE and a.request_head for a in table.records)


def idle(adapter: Any) -> bool:
    """Has the adapter neither a request in hand nor one in its queue?"""
    return adapter.request_state == IDLE and not adapter.request_head


def outstanding(context: Context, adapter: Any) -> list[Any]:
    """The requests of an adapter that are not complete, the one that the miniport has first."""
    found = [decode(context, adapter.request)] if adapter.request_state != IDLE and adapter.request else []
    pointer = adapter.request_head
    while pointer:
        found.append(decode(context, pointer))
        pointer = found[-1].ndis_next
    return found


def _handle(context: Context, adapter: Any, request: Any, *, indicate: bool) -> NDIS_STATUS:
    driver = context.machine.objects[HandleKind.MINIPORT_DRIVER].find(adapter.head.parent, HandleKind.MINIPORT_DRIVER)
    routine = handler(context, driver, MINIPORT_HANDLERS, "OidRequestHandler")
    status: NDIS_STATUS = call(context, routine, decode(context, adapter.context), request)
    if status == NDIS_STATUS_PENDING:
        # It may be complete already: then the state is no longer ours to write.
        context.platform.acquire(SystemLock.REQUESTS)
        if request.ndis_state == IN_HANDLER:
            request.ndis_state = PENDED
        context.platform.release(SystemLock.REQUESTS)
        return status
    if request.ndis_state == COMPLETE:
        stop(
            VERIFIER,
            0x91002,
            request._pointer,
            rule="DoubleComplete",
            text=f"MiniportOidRequest ({oid_answers.describe(request)}) returned {status_name(status)} for a request "
            "that NdisMOidRequestComplete had completed.",
            sites=[site_of(context, "completed", request.ndis_completed_site)],
        )
    request.ndis_state = COMPLETE
    return _finish(context, adapter, request, status, indicate=indicate)


def _finish(context: Context, adapter: Any, request: Any, status: NDIS_STATUS, *, indicate: bool) -> NDIS_STATUS:
    """Free the lane, hand the result to whoever asked; the status that the originator sees."""
    oid_answers.check_completion(context, adapter, request, status)
    adapter.request = 0
    adapter.request_state = IDLE
    context.platform.fence()
    if adapter.request_head:
        wake_lane(context, ContextKind.REQUESTS)
    origin = oid_answers.originator(context, adapter, request, status)
    if status == NDIS_STATUS_SUCCESS:
        oid_answers.note(context, adapter, origin)
    origin.ndis_state = COMPLETE
    if indicate:
        _indicate(context, origin, status)
    return status


def _indicate(context: Context, request: Any, status: NDIS_STATUS) -> None:
    table = context.machine.objects[HandleKind.BINDING]
    binding = table.find(request.ndis_binding, HandleKind.BINDING)
    if binding is None:
        return
    protocols = context.machine.objects[HandleKind.PROTOCOL_DRIVER]
    driver = protocols.find(binding.protocol, HandleKind.PROTOCOL_DRIVER)
    routine = handler(context, driver, PROTOCOL_HANDLERS, "OidRequestCompleteHandler")
    call(context, routine, decode(context, binding.context), request, status)


__all__ = ["BUILT_IN_TYPES", "NDIS_OID_REQUEST", "NdisMOidRequestComplete", "NdisOidRequest"]
