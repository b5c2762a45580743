"""The way of an OID request through a stack: one at a time per filter module and per miniport, down and back up.

Law: a lane has one request in hand and a queue; its driver is called at once when the lane is free and the IRQL allows,
else by the request thread.  A request is completed exactly once, to whoever issued it to this lane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel.calls import call
from emulator.kernel.lanes import wake_lane
from emulator.kernel.pointers import decode
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import INDEX_MASK, HandleKind, make_handle
from emulator.layout.machine import FILTER_MODULE, ContextKind, SystemLock
from emulator.ndis.control_path import oid_answers
from emulator.ndis.data_path.filter_faults import may_not_now
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_CLOSING,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play import ports
from emulator.ndis.plug_and_play.filter_modules import REACHABLE, driver_of, next_below
from emulator.ndis.plug_and_play.registration import handler, miniport_of, protocol_of
from emulator.rules.irql import PASSIVE_LEVEL
from emulator.rules.states import ADAPTER, BindingState, IdleState, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

IDLE, BUSY = 0, 1
NEW, ISSUED, IN_HANDLER, PENDED, COMPLETE, SYNCHRONOUS = 0, 1, 2, 3, 4, 5
UNFINISHED = (ISSUED, IN_HANDLER, PENDED, SYNCHRONOUS)
"""The states in which a request is NDIS's or another driver's."""
READY_STATES = ADAPTER.operations[Operation.OID_REQUEST].states
"""The states of an adapter in which it takes requests."""
KINDS = (oid_answers.QUERY, oid_answers.SET, oid_answers.STATISTICS, oid_answers.METHOD)
NDIS_BUG, VERIFIER = 0x7C, 0xC4
FINAL = 1 << 32
"""In ``ndis_final`` of a request of NDIS's own, once it is complete: beside its status."""


def submit(context: Context, lane: Any, request: Any, *, of_power: bool = False) -> NDIS_STATUS:
    """Give a request to a lane's driver now, when the lane is free and the IRQL allows, else queue it.

    One that is part of the adapter's suspend (``of_power``) overtakes those that wait for the adapter to be awake.
    """
    platform, pointer = context.platform, request._pointer
    platform.acquire(SystemLock.REQUESTS)
    may = context.irql == PASSIVE_LEVEL or isinstance(lane, FILTER_MODULE)
    direct = may and lane.request_state == IDLE and (of_power or (not lane.request_head and not is_idle(lane)))
    if direct:
        lane.request_state = BUSY
        lane.request = pointer
        request.ndis_state = IN_HANDLER
    else:
        request.ndis_state = ISSUED
        request.ndis_next = 0
        enqueue(context, lane, pointer)
    platform.release(SystemLock.REQUESTS)
    if not direct:
        if is_idle(lane):
            wake_up(context, lane)
        wake_lane(context, ContextKind.REQUESTS)
        return NDIS_STATUS_PENDING
    return _handle(context, lane, request, indicate=False)


def is_idle(lane: Any) -> bool:
    """Is this an adapter whose miniport has been told that it is idle?  Then requests wait until it is awake."""
    return not isinstance(lane, FILTER_MODULE) and lane.idle_state != IdleState.WATCHED


def wake_up(context: Context, adapter: Any) -> None:
    """Somebody uses an adapter that is idle: the PnP thread cancels its idle notification."""
    adapter.wake_wanted = 1
    context.platform.fence()
    wake_lane(context, ContextKind.PNP)


def enqueue(context: Context, lane: Any, first: int) -> None:
    """Put a list of requests behind those that wait for a lane; under REQUESTS."""
    if lane.request_tail:
        decode(context, lane.request_tail).ndis_next = first
    else:
        lane.request_head = first
    lane.request_tail = chain(context, first)[-1]._pointer


def lanes(context: Context) -> list[Any]:
    """Every lane of the machine: adapters and filter modules."""
    objects = context.machine.objects
    kinds = (HandleKind.ADAPTER, HandleKind.FILTER_MODULE)
    return [record for kind in kinds for _, record in objects[kind].live()]


def serve_queued(context: Context) -> bool:
    """Take one request off an idle lane and call its driver; False when there was none."""
    platform = context.platform
    for lane in lanes(context):
        if lane.request_state != IDLE or not lane.request_head or is_idle(lane):
            continue
        platform.acquire(SystemLock.REQUESTS)
        pointer = lane.request_head
        free = lane.request_state == IDLE and not is_idle(lane)
        request = decode(context, pointer) if free and pointer else None
        if request is not None:
            lane.request_head = request.ndis_next
            if not lane.request_head:
                lane.request_tail = 0
            lane.request_state = BUSY
            lane.request = pointer
            request.ndis_state = IN_HANDLER
        platform.release(SystemLock.REQUESTS)
        if request is not None:
            _handle(context, lane, request, indicate=True)
            return True
    return False


def queued(context: Context) -> bool:
    """Is a request queued to an idle lane?"""
    objects = context.machine.objects
    return any(
        lane.head.allocated and lane.request_state == IDLE and lane.request_head and not is_idle(lane)
        for kind in (HandleKind.ADAPTER, HandleKind.FILTER_MODULE)
        for lane in objects[kind].records
    )


def pended(context: Context, lane: Any) -> Any:
    """The request that a lane's driver has left pending, as it lies in memory; None when there is none.

    It may be complete, and free, in the next moment: nothing but its numbers may be looked at.
    """
    pointer, machine = lane.request, context.machine
    if lane.request_state == IDLE or not pointer or machine.pool.find(pointer) is None:
        return None
    request = NDIS_OID_REQUEST.at(machine.arena.memory, pointer & OFFSET_MASK)
    return request if request.ndis_state == PENDED else None


def idle(lane: Any) -> bool:
    """Has the lane neither a request in hand nor one in its queue?"""
    return lane.request_state == IDLE and not lane.request_head and not lane.unserialised


def in_hand(context: Context, lane: Any) -> list[Any]:
    """The requests that a lane's driver has."""
    context.platform.acquire(SystemLock.REQUESTS)
    found = [decode(context, lane.request)] if lane.request_state != IDLE and lane.request else []
    found += chain(context, lane.unserialised)
    context.platform.release(SystemLock.REQUESTS)
    return found


def outstanding(context: Context, lane: Any) -> list[Any]:
    """The requests of a lane that are not complete, those that its driver has first."""
    return in_hand(context, lane) + chain(context, lane.request_head)


def chain(context: Context, pointer: int) -> list[Any]:
    """The requests of a list, from its head."""
    found = []
    while pointer:
        found.append(decode(context, pointer))
        pointer = found[-1].ndis_next
    return found


def holders(context: Context, lane: Any) -> list[str]:
    """Who has each request of a lane that is not complete, in words."""
    name = context.machine.images.driver_name(lane.head.driver)
    behind = "is queued behind it" if lane.request else "waits for the request thread"
    had = [f"{name} has {oid_answers.describe(request)}" for request in in_hand(context, lane)]
    return had + [f"{oid_answers.describe(request)} {behind}" for request in chain(context, lane.request_head)]


def _handle(context: Context, lane: Any, request: Any, *, indicate: bool) -> NDIS_STATUS:
    status = call_handler(context, lane, request, "OidRequest")
    if status == NDIS_STATUS_PENDING:
        return status
    return _finish(context, lane, request, status, indicate=indicate)


def call_handler(context: Context, lane: Any, request: Any, path: str) -> NDIS_STATUS:
    """Call a lane's driver with a request; PENDING, which may be over already, or the final status.

    ``path`` is OidRequest or DirectOidRequest.  0xC4/0x91002 for a request that was completed and is returned too.
    """
    routine, name = routine_of(context, lane, f"{path}Handler"), role_of(lane)
    request.ndis_given = context.platform.now()
    if not isinstance(lane, FILTER_MODULE):
        lane.requests_given += 1
        if path != "OidRequest" and is_idle(lane):
            wake_up(context, lane)  # what goes beside the lane does not wait for that
    status = call_for_status(context, routine, decode(context, lane.context), request)
    context.platform.acquire(SystemLock.REQUESTS)
    lives = context.machine.pool.lives(request._pointer)  # who asked may have freed what is complete
    before = request.ndis_state if lives else COMPLETE
    if before == IN_HANDLER:  # else it is complete already, and no longer ours to write
        request.ndis_state = PENDED if status == NDIS_STATUS_PENDING else COMPLETE
    context.platform.release(SystemLock.REQUESTS)
    if status != NDIS_STATUS_PENDING and before == COMPLETE:
        stop(
            VERIFIER,
            0x91002,
            request._pointer,
            rule="DoubleComplete",
            text=f"{name}{path} ({oid_answers.describe(request) if lives else 'freed since'}) returned "
            f"{status_name(status)} for a request that Ndis{name[0]}{path}Complete had completed.",
            sites=[site_of(context, "completed", request.ndis_completed_site)] if lives else [],
        )
    return status


def _finish(context: Context, lane: Any, request: Any, status: NDIS_STATUS, *, indicate: bool) -> NDIS_STATUS:
    """Free the lane, hand the result to whoever asked; the status that the originator sees."""
    handle = lane_handle(context, lane)
    oid_answers.check_completion(context, handle, request, status)
    if status == NDIS_STATUS_SUCCESS and not isinstance(lane, FILTER_MODULE):
        oid_answers.note_accepted(context, handle, lane, request)
    lane.request = 0
    lane.request_state = IDLE
    context.platform.fence()
    if lane.request_head:
        wake_lane(context, ContextKind.REQUESTS)
    return _conclude(context, lane, request, status, indicate=indicate)


def _conclude(context: Context, lane: Any, request: Any, status: NDIS_STATUS, *, indicate: bool) -> NDIS_STATUS:
    adapter = lane
    if isinstance(lane, FILTER_MODULE):
        adapter = context.machine.objects[HandleKind.ADAPTER].records[lane.adapter]
    origin = oid_answers.originator(context, request, status)
    if status == NDIS_STATUS_SUCCESS:
        oid_answers.note(context, adapter, origin)
    origin.ndis_state = COMPLETE
    if not origin.ndis_binding:
        # NDIS's own: a control lane waits for it.
        origin.ndis_final = FINAL | status & 0xFFFF_FFFF
        context.platform.fence()
        for kind in (ContextKind.PNP, ContextKind.REQUESTS):
            wake_lane(context, kind)
    elif indicate:
        tell_originator(context, origin, status, "OidRequestCompleteHandler")
    return status


def tell_originator(context: Context, request: Any, status: NDIS_STATUS, name: str) -> None:
    """Call this handler of the filter module or the binding that issued a request."""
    objects = context.machine.objects
    module = objects[HandleKind.FILTER_MODULE].find(request.ndis_binding, HandleKind.FILTER_MODULE)
    if module is not None:
        routine = handler(driver_of(context, module), name)
        if routine:
            call(context, routine, decode(context, module.context), request, status)
        return
    binding = objects[HandleKind.BINDING].find(request.ndis_binding, HandleKind.BINDING)
    if binding is None:
        return
    routine = handler(protocol_of(context, binding), name)
    call(context, routine, decode(context, binding.context), request, status)
    if binding.closing:
        wake_lane(context, ContextKind.REQUESTS)


def check_issued(context: Context, issuer: Any, handle: int, request: Any, name: str) -> NDIS_STATUS | None:
    """The status with which NDIS refuses a request of a binding or a filter module, or None.

    0x7C/0x26 for one that is issued before it is complete, 0x7C/0x1F for one of a module that is not attached.
    """
    if request.ndis_state in UNFINISHED:
        stop(
            NDIS_BUG,
            0x26,
            handle,
            getattr(request, "_pointer", 0),
            rule="NdisOidDoubleRequest",
            text=f"An OID request ({oid_answers.describe(request)}) was issued again before it was complete.",
            sites=[site_of(context, "issued the first time", request.ndis_issued_site)],
        )
    if header_refused(context, name, request):
        return NDIS_STATUS_INVALID_PARAMETER
    if request.RequestType not in KINDS:
        return NDIS_STATUS_NOT_SUPPORTED
    refusal = ports.refused(context, issuer.head.parent, request.PortNumber)
    if refusal != NDIS_STATUS_SUCCESS:
        return refusal
    if isinstance(issuer, FILTER_MODULE):
        if issuer.state not in REACHABLE:
            may_not_now(handle, issuer.state, name)
    elif issuer.state == BindingState.UNBOUND:
        return NDIS_STATUS_CLOSING
    adapter = context.machine.objects[HandleKind.ADAPTER].records[issuer.adapter]
    return None if adapter.state in READY_STATES else NDIS_STATUS_ADAPTER_NOT_READY


def issue(context: Context, handle: int, request: Any) -> None:
    """Write down who asks, where and when.

    Where the driver has not said so itself, RequestHandle says who: a later status indication may name it.
    """
    before = request.ndis_binding or None
    request.ndis_binding = handle
    if request.RequestHandle in (None, before):
        request.RequestHandle = handle or None
    request.ndis_origin = 0
    request.ndis_issued_site = context.site
    request.ndis_issued = context.platform.now()


def complete_request(context: Context, lane: Any, handle: int, request: Any, status: NDIS_STATUS) -> None:
    """Complete the request that the driver of a lane left pending; the stops for any other."""
    take_completion(context, handle, request, status, lambda: lane.request == request._pointer)
    _finish(context, lane, request, status, indicate=True)


def take_completion(context: Context, handle: int, request: Any, status: NDIS_STATUS, has: Callable[[], bool]) -> None:
    """Mark a pending request complete; the stops for the final status PENDING, and for one that nobody has pending.

    ``has`` says, under REQUESTS, whether the driver that completes it has it.
    """
    pointer = request._pointer
    if status == NDIS_STATUS_PENDING:
        final_status_refused(request, status, f"An OID request ({oid_answers.describe(request)})")
    context.platform.acquire(SystemLock.REQUESTS)
    pending = request.ndis_state in (IN_HANDLER, PENDED) and has()
    if pending:
        request.ndis_state = COMPLETE
        request.ndis_completed_site = context.site
    context.platform.release(SystemLock.REQUESTS)
    if not pending:
        stop(
            NDIS_BUG,
            0x26,
            handle,
            pointer,
            rule="NdisOidDoubleComplete",
            text=f"An OID request ({oid_answers.describe(request)}) was completed that is not pending.",
            sites=[
                site_of(context, "issued", request.ndis_issued_site),
                site_of(context, "completed the first time", request.ndis_completed_site),
            ],
        )


def final_status_refused(request: Any, status: NDIS_STATUS, what: str) -> NoReturn:
    """0xC4/0x91001 for a status with which a request may not be completed."""
    stop(
        VERIFIER,
        0x91001,
        getattr(request, "_pointer", 0),
        rule="NdisOidComplete",
        text=f"{what} was completed with the final status {status_name(status)}.",
    )


def cancel(context: Context, lane: Any, handle: int, request_id: Any) -> None:
    """Abort the queued requests of an originator that bear this id; ask the driver that has one in hand."""
    platform = context.platform
    platform.acquire(SystemLock.REQUESTS)
    first = decode(context, lane.request) if lane.request_state != IDLE and lane.request else None
    waiting = chain(context, lane.request_head)
    kept = [request for request in waiting if request.ndis_binding != handle or request.RequestId != request_id]
    aborted = [request for request in waiting if request not in kept]
    lane.request_head = kept[0]._pointer if kept else 0
    lane.request_tail = kept[-1]._pointer if kept else 0
    for place, request in enumerate(kept):
        request.ndis_next = kept[place + 1]._pointer if place + 1 < len(kept) else 0
    platform.release(SystemLock.REQUESTS)
    for request in aborted:
        _conclude(context, lane, request, NDIS_STATUS_REQUEST_ABORTED, indicate=True)
    if first is not None and first.ndis_binding == handle and first.RequestId == request_id:
        routine = routine_of(context, lane, "CancelOidRequestHandler")
        if routine:
            call(context, routine, decode(context, lane.context), request_id)


def lane_below(context: Context, adapter_handle: int, position: int | None, name: str = "OidRequestHandler") -> Any:
    """Where a request goes next: to the next filter module below that has this handler, or to the miniport."""
    found = next_below(context, adapter_handle, position, name)
    if found is not None:
        return found.module
    return context.machine.objects[HandleKind.ADAPTER].records[adapter_handle & INDEX_MASK]


def lane_handle(context: Context, lane: Any) -> int:
    """The handle of a lane's adapter or filter module."""
    kind = HandleKind.FILTER_MODULE if isinstance(lane, FILTER_MODULE) else HandleKind.ADAPTER
    records = context.machine.objects[kind].records
    index = next(place for place, record in enumerate(records) if record is lane)
    return make_handle(kind, lane.head.generation, index)


def role_of(lane: Any) -> str:
    """What a handler of a lane's driver begins with."""
    return "Filter" if isinstance(lane, FILTER_MODULE) else "Miniport"


def routine_of(context: Context, lane: Any, name: str) -> int:
    """The routine number of this handler of a lane's driver; 0 when it has none."""
    return handler((driver_of if isinstance(lane, FILTER_MODULE) else miniport_of)(context, lane), name)
