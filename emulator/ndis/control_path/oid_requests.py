"""OID requests of protocols, and their completion by miniports; oid_lanes.py has their way through the stack.

Law: a request is completed exactly once; NDIS answers what it knows, and sends the union of all bindings' filters down.
"""

from __future__ import annotations

from typing import Any

from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.control_path import oid_answers
from emulator.ndis.control_path.oid_lanes import (
    COMPLETE,
    ISSUED,
    cancel,
    check_issued,
    complete_request,
    issue,
    lane_below,
    submit,
)
from emulator.ndis.gates.ddi import MINIPORT, PROTOCOL, ddi
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.status import (
    NDIS_STATUS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.rules.irql import AT_MOST_DISPATCH


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_OID_Function",))
def NdisOidRequest(NdisBindingHandle: BindingHandle, OidRequest: NDIS_OID_REQUEST, /) -> NDIS_STATUS:
    """Ask NDIS or the miniport; PENDING means that ProtocolOidRequestComplete will be called, perhaps already.

    The request and its buffer must stay as they are until it is complete.  INVALID_PARAMETER for a wrong header,
    NOT_SUPPORTED for a RequestType that no driver may use.
    """
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisOidRequest")
    request = OidRequest
    refused = check_issued(context, binding, NdisBindingHandle, request, "NdisOidRequest")
    if refused is not None:
        return refused
    adapter = context.machine.objects[HandleKind.ADAPTER].records[binding.adapter]
    issue(context, NdisBindingHandle, request)
    answered = oid_answers.answer(context, adapter, binding, request)
    if answered is not None:
        request.ndis_state = COMPLETE
        return answered
    down = oid_answers.merged(context, adapter, binding, request)
    if down is not None:
        request.ndis_state = ISSUED
    return submit(context, lane_below(context, binding.head.parent, None), down if down is not None else request)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_OID_Function",))
def NdisCancelOidRequest(NdisBindingHandle: BindingHandle, RequestId: Any, /) -> None:
    """Ask for the binding's requests with this RequestId to be completed with NDIS_STATUS_REQUEST_ABORTED.

    Those that wait for their turn are; for the one in hand the driver below is asked, which may complete it otherwise.
    """
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisCancelOidRequest")
    cancel(context, lane_below(context, binding.head.parent, None), NdisBindingHandle, RequestId)


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
    complete_request(context, adapter, MiniportAdapterHandle, OidRequest, Status)


__all__ = ["NDIS_OID_REQUEST", "NdisCancelOidRequest", "NdisMOidRequestComplete", "NdisOidRequest"]
