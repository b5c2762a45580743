"""Synchronous OID requests: one request past every filter to the miniport and back, within the call that issues it.

Law: iterative and without clones: FilterSynchronousOidRequest from the top down, the miniport, then
FilterSynchronousOidRequestComplete of those who let it pass, from the bottom up.  Nobody may leave one pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.control_path import oid_answers
from emulator.ndis.control_path.oid_direct import let_go, take_up
from emulator.ndis.control_path.oid_lanes import (
    COMPLETE,
    SYNCHRONOUS,
    check_issued,
    final_status_refused,
    issue,
    routine_of,
)
from emulator.ndis.control_path.oid_table import SYNCHRONOUS as SYNCHRONOUS_OIDS
from emulator.ndis.gates.ddi import FILTER, PROTOCOL, ddi
from emulator.ndis.gates.returned_status import call_for_status, wrong_result
from emulator.ndis.headers.handles import BindingHandle, FilterModuleHandle
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ALREADY_COMPLETE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_REQUEST_ABORTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.ndis.plug_and_play.filter_modules import REACHABLE, driver_of, module_of, modules_of
from emulator.ndis.plug_and_play.registration import handler
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context


class _Passed(NamedTuple):
    """A filter module that let the request pass and wants to see it come back."""

    module: Any
    routine: int
    call_context: Any


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL)
def NdisSynchronousOidRequest(NdisBindingHandle: BindingHandle, OidRequest: NDIS_OID_REQUEST, /) -> NDIS_STATUS:
    """Ask what is below, filters and miniport; the final status.

    NOT_SUPPORTED for an OID that is no synchronous one, and for a miniport without MiniportSynchronousOidRequest.
    """
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisSynchronousOidRequest")
    refused = check_issued(context, binding, NdisBindingHandle, OidRequest, "NdisSynchronousOidRequest")
    if refused is not None:
        return refused
    return _issue(context, NdisBindingHandle, binding.head.parent, None, OidRequest)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER)
def NdisFSynchronousOidRequest(
    NdisFilterModuleHandle: FilterModuleHandle, OidRequest: NDIS_OID_REQUEST, /
) -> NDIS_STATUS:
    """Ask what is below the module with a synchronous request of its own; the final status.

    NOT_SUPPORTED as for NdisSynchronousOidRequest.  Bug check 0x7C/0x26 for a request that is on its way already.
    """
    context = current.context
    module = module_of(context, NdisFilterModuleHandle, "NdisFSynchronousOidRequest")
    refused = check_issued(context, module, NdisFilterModuleHandle, OidRequest, "NdisFSynchronousOidRequest")
    if refused is not None:
        return refused
    return _issue(context, NdisFilterModuleHandle, module.head.parent, module.position, OidRequest)


def _issue(context: Context, handle: int, adapter_handle: int, position: int | None, request: Any) -> NDIS_STATUS:
    if request.DATA.QUERY_INFORMATION.Oid not in SYNCHRONOUS_OIDS:
        return NDIS_STATUS_NOT_SUPPORTED
    issue(context, handle, request)
    adapter = context.machine.objects[HandleKind.ADAPTER].records[adapter_handle & INDEX_MASK]
    # In the adapter's list, because neither a halt nor a detach may begin before it is over.
    take_up(context, adapter, request, SYNCHRONOUS)
    status, passed = _down(context, adapter_handle, position, request)
    if status is None:
        status = _miniport(context, adapter, adapter_handle, request)
    for module, routine, call_context in reversed(passed):
        status = call_for_status(context, routine, decode(context, module.context), request, status, call_context)
        if status in (NDIS_STATUS_PENDING, NDIS_STATUS_ALREADY_COMPLETE):
            _refused(request, status, "FilterSynchronousOidRequestComplete")
    let_go(context, adapter, request)
    request.ndis_state = COMPLETE
    return status


def _down(
    context: Context, adapter_handle: int, position: int | None, request: Any
) -> tuple[NDIS_STATUS | None, list[_Passed]]:
    """Past the filters: the status of one that kept the request, or None; and who lets it pass and awaits it."""
    passed: list[_Passed] = []
    for _, module in reversed(modules_of(context, adapter_handle)):
        if (position is not None and module.position >= position) or module.state not in REACHABLE:
            continue
        driver, call_context = driver_of(context, module), None
        routine = handler(driver, "SynchronousOidRequestHandler")
        if routine:
            returned = call(context, routine, decode(context, module.context), request)
            if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[0], int):
                wrong_result(context, routine, returned, "an NDIS_STATUS and a CallContext")
            status, call_context = returned
            if status == NDIS_STATUS_PENDING:
                _refused(request, status, "FilterSynchronousOidRequest")
            if status != NDIS_STATUS_SUCCESS:
                return NDIS_STATUS_SUCCESS if status == NDIS_STATUS_ALREADY_COMPLETE else status, passed
        complete = handler(driver, "SynchronousOidRequestCompleteHandler")
        if complete:
            passed.append(_Passed(module, complete, call_context))
    return None, passed


def _miniport(context: Context, adapter: Any, adapter_handle: int, request: Any) -> NDIS_STATUS:
    routine = routine_of(context, adapter, "SynchronousOidRequestHandler")
    if not routine:
        return NDIS_STATUS_NOT_SUPPORTED
    status = call_for_status(context, routine, decode(context, adapter.context), request)
    if status in (NDIS_STATUS_PENDING, NDIS_STATUS_REQUEST_ABORTED):
        _refused(request, status, "MiniportSynchronousOidRequest")
    oid_answers.check_completion(context, adapter_handle, request, status)
    return status


def _refused(request: Any, status: NDIS_STATUS, name: str) -> NoReturn:
    final_status_refused(request, status, f"A synchronous OID request ({oid_answers.describe(request)}) of {name}")


__all__ = ["NdisFSynchronousOidRequest", "NdisSynchronousOidRequest"]
