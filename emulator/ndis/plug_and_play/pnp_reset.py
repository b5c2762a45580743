"""Check-for-hang and reset, in the request thread: MiniportCheckForHangEx by the clock, MiniportResetEx when wanted.

Law: a reset leaves the adapter's state as it is and may be under way beside a pause or an OID request; one is under way
at a time, and the drivers above hear of its beginning and of its end from NDIS.  MiniportResetEx is called at
DISPATCH_LEVEL, the strictest that its page allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.calls import call
from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.lanes import end_operations, wake_lane
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.kernel.waits import look_until
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.control_path import oid_answers, own_requests
from emulator.ndis.control_path.indications import indicate
from emulator.ndis.control_path.oid_lanes import pended
from emulator.ndis.data_path import ledger
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import warn
from emulator.ndis.gates.returned_status import wrong_result
from emulator.ndis.headers import oids
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_NOT_RESETTABLE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESET_END,
    NDIS_STATUS_RESET_START,
    NDIS_STATUS_SOFT_ERRORS,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play.adapters import REGISTRATION_SET, adapter_of, sleeps, text_of
from emulator.ndis.plug_and_play.pnp_structures import status_indication
from emulator.ndis.plug_and_play.pnp_waits import signed
from emulator.ndis.plug_and_play.registration import handler, miniport_of
from emulator.rules.control import ControlOperation
from emulator.rules.irql import AT_MOST_DISPATCH, DISPATCH_LEVEL
from emulator.rules.states import ADAPTER as ADAPTER_MACHINE
from emulator.rules.states import AdapterState, Operation, may

if TYPE_CHECKING:
    from emulator.kernel.context import Context

NONE, WANTED, IN_HANDLER, PENDING, COMPLETED, ENDING = 0, 1, 2, 3, 4, 5
"""How far a reset is."""
SECOND, SETTLE_NS = 1_000_000_000, 100_000_000
DEFAULT_INTERVAL, INTERVAL_STEP = 2, 2
OID_LOOKS: Final = 2
"""A request that is not completed within so many successive calls of MiniportCheckForHangEx."""
COMPLETES_FIRST: Final = 30
"""From this minor version on what was in hand is completed before the reset is."""
NDIS, UNEXPECTED = 0x7C, 0x0F


class ResetResult(NamedTuple):
    """What MiniportResetEx gives back: its status and its out-parameter."""

    Status: NDIS_STATUS
    AddressingReset: bool


def check_for_hang(context: Context, adapter: Any, now: int) -> None:
    """Call MiniportCheckForHangEx of an adapter, when its time has come; want a reset when it says so."""
    routine = _routine(context, adapter, "CheckForHangHandlerEx")
    if not routine or not adapter.attributes_set & REGISTRATION_SET or not adapter.context or sleeps(adapter):
        return
    if not adapter.hang_due:
        adapter.hang_due = now + interval(adapter)
    if now < adapter.hang_due or not _enter(context, adapter, Operation.CHECK_FOR_HANG):
        return
    adapter.hang_due = now + interval(adapter)
    hung = call(context, routine, decode(context, adapter.context))
    _leave(context, adapter)
    if not isinstance(hung, int):
        wrong_result(context, routine, hung, "a BOOLEAN")
    if hung:
        want(context, adapter, "MiniportCheckForHangEx says that it hangs")
    elif _request_hangs(adapter, context):
        want(context, adapter, f"an OID request was pending over {OID_LOOKS} calls of MiniportCheckForHangEx")


def interval(adapter: Any) -> int:
    """The time between two calls of MiniportCheckForHangEx: a multiple of two seconds."""
    seconds = adapter.hang_interval or DEFAULT_INTERVAL
    return -(-seconds // INTERVAL_STEP) * INTERVAL_STEP * SECOND


def _request_hangs(adapter: Any, context: Context) -> bool:
    request = pended(context, adapter)
    if request is None:
        adapter.hang_request = adapter.hang_looks = 0
        return False
    if adapter.hang_request != request.ndis_given:
        adapter.hang_request, adapter.hang_looks = request.ndis_given, 0
    adapter.hang_looks += 1
    if adapter.hang_looks < OID_LOOKS:
        return False
    adapter.hang_looks = 0
    return True


def want(context: Context, adapter: Any, why: str) -> bool:
    """Let the request thread reset the adapter; one that is wanted or under way is enough.  False where none can be."""
    if not _routine(context, adapter, "ResetHandlerEx"):
        return False
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    fresh = adapter.reset_state == NONE
    if fresh:
        adapter.reset_state = WANTED
    platform.release(SystemLock.STACKS)
    if fresh:
        warn(context, f"{text_of(adapter.name)} is reset: {why}")
        wake_lane(context, ContextKind.REQUESTS)
    return True


def reset(context: Context, adapter: Any) -> int | None:
    """The host wants a reset; None: whoever ends it tells the host."""
    if sleeps(adapter) or not may(ADAPTER_MACHINE, Operation.RESET, AdapterState(adapter.state)):
        return NDIS_STATUS_INVALID_STATE
    return None if want(context, adapter, "the host wants it") else NDIS_STATUS_NOT_RESETTABLE


def pending(context: Context) -> bool:
    """Is there a reset to begin, or one to end?"""
    return any(
        record.head.allocated and (_may_begin(record) or record.reset_state == COMPLETED)
        for record in context.machine.objects[HandleKind.ADAPTER].records
    )


def serve(context: Context) -> bool:
    """Begin what is wanted, end what is completed; True when there was something."""
    served = False
    for handle, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if _may_begin(adapter) and _enter(context, adapter, Operation.RESET, WANTED, IN_HANDLER):
            _begin(context, handle, adapter)
            served = True
        if adapter.reset_state == COMPLETED and _enter(context, adapter, None, COMPLETED, ENDING):
            _end(context, handle, adapter)
            served = True
    return served


def _may_begin(adapter: Any) -> bool:
    """Is a reset wanted, and the adapter in a state in which it may be reset?"""
    if adapter.reset_state != WANTED or sleeps(adapter):
        return False
    return may(ADAPTER_MACHINE, Operation.RESET, AdapterState(adapter.state))


def settled(adapter: Any) -> bool:
    """Is nobody in the miniport for a look or a reset, and none under way?"""
    return adapter.looking == 0 and adapter.reset_state in (NONE, WANTED)


def forget_wanted(context: Context, adapter: Any) -> None:
    """The adapter is halted: a reset that has not begun is none any more."""
    if adapter.reset_state == WANTED:
        adapter.reset_state = NONE
        end_operations(context, ControlOperation.RESET, adapter.number, NDIS_STATUS_INVALID_STATE)


def _begin(context: Context, handle: int, adapter: Any) -> None:
    indicate(context, handle, status_indication(handle, NDIS_STATUS_RESET_START))
    counts = ledger.layer_counts(context.machine, handle & INDEX_MASK)
    adapter.reset_since = context.platform.now()
    adapter.reset_sends = counts[ledger.SENT]
    adapter.reset_request = _request_in_hand(context, adapter)
    routine, value = _routine(context, adapter, "ResetHandlerEx"), decode(context, adapter.context)
    irql = raise_irql(context, DISPATCH_LEVEL)
    result = call(context, routine, value)
    lower_irql(context, irql)
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[0], int):
        wrong_result(context, routine, result, "a ResetResult")
    status, addressing = result
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    completed = adapter.reset_state == COMPLETED
    if not completed and status == NDIS_STATUS_PENDING:
        adapter.reset_state = PENDING
    elif not completed:
        adapter.reset_status, adapter.reset_addressing = status & 0xFFFF_FFFF, int(bool(addressing))
        adapter.reset_state = COMPLETED
    platform.release(SystemLock.STACKS)
    if completed and status != NDIS_STATUS_PENDING:
        text = f"MiniportResetEx returned {status_name(status)} and NdisMResetComplete was called as well."
        stop(NDIS, UNEXPECTED, handle, status & 0xFFFF_FFFF, int(bool(addressing)), text=text)
    _leave(context, adapter)


def _completed_first(context: Context, handle: int, adapter: Any) -> None:
    """From NDIS 6.30 on what was in hand when a reset began is completed before the reset is.

    A call that was on its way into the driver when the reset began has a moment to come out of it again.
    """
    driver = miniport_of(context, adapter)
    if driver is None or driver.minor_version < COMPLETES_FIRST:
        return
    index = handle & INDEX_MASK

    def left_over() -> tuple[int, bool]:
        left = adapter.reset_sends - ledger.layer_counts(context.machine, index)[ledger.COMPLETED]
        request = adapter.reset_request
        return max(left, 0), bool(request and _request_in_hand(context, adapter) == request)

    look_until(context, lambda: not any(left_over()), context.platform.now() + SETTLE_NS)
    left, kept = left_over()
    if not left and not kept:
        return
    what = f"{left} of the lists that were sent before it are" if left else "the OID request that was in hand is"
    stop(
        NDIS,
        UNEXPECTED,
        handle,
        adapter.reset_status,
        adapter.reset_addressing,
        text=f"A reset was completed and {what} not completed; a driver of NDIS 6.30 and later does that first.",
        holders=ledger.outstanding(context.machine, index).holders,
    )


def _request_in_hand(context: Context, adapter: Any) -> int:
    """When the miniport got the request that it has left pending; 0 when there is none."""
    request = pended(context, adapter)
    return request.ndis_given if request is not None else 0


def _end(context: Context, handle: int, adapter: Any) -> None:
    if context.machine.checked:
        _completed_first(context, handle, adapter)
    status = NDIS_STATUS(signed(adapter.reset_status))
    name = text_of(adapter.name)
    done = status in (NDIS_STATUS_SUCCESS, NDIS_STATUS_SOFT_ERRORS)
    if done and adapter.reset_addressing and may(ADAPTER_MACHINE, Operation.OID_REQUEST, AdapterState(adapter.state)):
        _restore(context, handle, adapter)
    indicate(context, handle, status_indication(handle, NDIS_STATUS_RESET_END))
    if status != NDIS_STATUS_SUCCESS:
        warn(context, f"{name}: the reset ended with {status_name(status)}")
    adapter.reset_state = NONE
    _leave(context, adapter)
    end_operations(context, ControlOperation.RESET, adapter.number, status)


def _restore(context: Context, handle: int, adapter: Any) -> None:
    """Set again what the miniport has accepted last: the packet filter and the multicast list."""
    settings = []
    if adapter.accepted & oid_answers.ACCEPTED_FILTER:
        settings.append((oids.OID_GEN_CURRENT_PACKET_FILTER, adapter.accepted_filter.to_bytes(4, "little")))
    if adapter.accepted & oid_answers.ACCEPTED_MULTICAST:
        list_ = adapter.accepted_multicast[: 6 * adapter.accepted_multicast_count]
        settings.append((oids.OID_802_3_MULTICAST_LIST, list_))
    for oid, content in settings:
        answered = own_requests.ask(context, handle, adapter, oid_answers.SET, oid, content, lane=adapter)
        if answered.status != NDIS_STATUS_SUCCESS:
            text = f"{text_of(adapter.name)}: {oids.oid_name(oid)} after the reset: {status_name(answered.status)}"
            warn(context, text)


def _enter(
    context: Context, adapter: Any, operation: Operation | None, before: int | None = None, after: int = 0
) -> bool:
    """Into the miniport, if its state allows it and the reset is where it is thought to be; else not."""
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    allowed = operation is None or may(ADAPTER_MACHINE, operation, AdapterState(adapter.state))
    allowed = allowed and before in (None, adapter.reset_state)
    if allowed:
        adapter.looking += 1
        if before is not None:
            adapter.reset_state = after
    platform.release(SystemLock.STACKS)
    return allowed


def _leave(context: Context, adapter: Any) -> None:
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    adapter.looking -= 1
    platform.release(SystemLock.STACKS)
    wake_lane(context, ContextKind.PNP)


def _routine(context: Context, adapter: Any, name: str) -> int:
    driver = miniport_of(context, adapter)
    return handler(driver, name) if driver is not None else 0


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT,
    rules=("Irql_Miniport_Driver_Function",),
    note="the page asks DISPATCH_LEVEL of drivers of NDIS 5 alone; its remarks and the header say <= for NDIS 6",
)
def NdisMResetComplete(MiniportAdapterHandle: AdapterHandle, Status: NDIS_STATUS, AddressingReset: bool, /) -> None:
    """Complete a reset that returned PENDING; with AddressingReset NDIS sets packet filter and multicast list again.

    Bug check 0x7C/0x0F when none is pending.
    """
    context = current.context
    adapter, platform = adapter_of(context, MiniportAdapterHandle, "NdisMResetComplete"), context.platform
    platform.acquire(SystemLock.STACKS)
    asked = adapter.reset_state in (IN_HANDLER, PENDING) and Status != NDIS_STATUS_PENDING
    if asked:
        adapter.reset_status, adapter.reset_addressing = Status & 0xFFFF_FFFF, int(bool(AddressingReset))
        adapter.reset_state = COMPLETED
    platform.release(SystemLock.STACKS)
    if not asked:
        stop(
            NDIS,
            UNEXPECTED,
            MiniportAdapterHandle,
            Status & 0xFFFF_FFFF,
            int(bool(AddressingReset)),
            text="NdisMResetComplete was called and no reset is pending.",
        )
    wake_lane(context, ContextKind.REQUESTS)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT)
def NdisMResetMiniport(MiniportAdapterHandle: AdapterHandle, /) -> None:
    """Ask for a reset: NDIS calls MiniportResetEx later, unless one is wanted or under way already."""
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMResetMiniport")
    if not want(context, adapter, "NdisMResetMiniport"):
        text = f"{text_of(adapter.name)}: NdisMResetMiniport without a MiniportResetEx changes nothing"
        warn(context, text)


__all__ = ["NdisMResetComplete", "NdisMResetMiniport", "ResetResult"]
