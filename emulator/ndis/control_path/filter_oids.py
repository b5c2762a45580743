"""OID requests of filter modules: passing them on as clones, originating them, completing and cancelling them.

Law: a request is good for one hop; what goes on is a clone, which its maker frees.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import load_block
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.control_path import oid_answers
from emulator.ndis.control_path.oid_lanes import (
    COMPLETE,
    NDIS_BUG,
    SYNCHRONOUS,
    UNFINISHED,
    cancel,
    check_issued,
    complete_request,
    issue,
    lane_below,
    submit,
)
from emulator.ndis.gates.ddi import FILTER, INTERMEDIATE, ddi
from emulator.ndis.headers.handles import NDIS_HANDLE, FilterModuleHandle
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.filter_modules import module_of
from emulator.ndis.services.memory import free_block, pool_tag
from emulator.rules.irql import AT_MOST_DISPATCH

_RULES = ("Irql_OID_Function",)


class ClonedRequest(NamedTuple):
    """What NdisAllocateCloneOidRequest gives."""

    Status: NDIS_STATUS
    ClonedOidRequest: NDIS_OID_REQUEST | None


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFOidRequest(NdisFilterHandle: FilterModuleHandle, OidRequest: NDIS_OID_REQUEST, /) -> NDIS_STATUS:
    """Ask what is below the module, with a clone or a request of its own; not in FilterAttach.

    PENDING means that FilterOidRequestComplete will be called, perhaps already.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFOidRequest")
    refused = check_issued(context, module, NdisFilterHandle, OidRequest, "NdisFOidRequest")
    if refused is not None:
        return refused
    adapter = context.machine.objects[HandleKind.ADAPTER].records[module.adapter]
    issue(context, NdisFilterHandle, OidRequest)
    if OidRequest.RequestType != oid_answers.SET:
        answered = oid_answers.answer(context, adapter, module, OidRequest)
        if answered is not None:
            OidRequest.ndis_state = COMPLETE
            return answered
    return submit(context, lane_below(context, module.head.parent, module.position), OidRequest)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFOidRequestComplete(
    NdisFilterHandle: FilterModuleHandle, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS, /
) -> None:
    """Complete the request for which FilterOidRequest returned PENDING.

    Bug check 0x7C/0x26 for a request that is not pending, 0xC4/0x91001 for the final status PENDING.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFOidRequestComplete")
    complete_request(context, module, NdisFilterHandle, OidRequest, Status)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFCancelOidRequest(NdisFilterHandle: FilterModuleHandle, RequestId: Any, /) -> None:
    """Ask for the module's requests with this RequestId to be completed with NDIS_STATUS_REQUEST_ABORTED."""
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFCancelOidRequest")
    cancel(context, lane_below(context, module.head.parent, module.position), NdisFilterHandle, RequestId)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER | INTERMEDIATE, rules=_RULES, acquires="clone of an OID request")
def NdisAllocateCloneOidRequest(
    SourceHandle: NDIS_HANDLE, OidRequest: NDIS_OID_REQUEST, PoolTag: int | bytes, /
) -> ClonedRequest:
    """Make a request that asks the same with the same buffer; its SourceReserved is its maker's.

    RESOURCES when the pool is exhausted.  Bug check 0x7C/0x26 for a synchronous request (our choice of code).
    """
    context = current.context
    machine = context.machine
    if OidRequest.ndis_state == SYNCHRONOUS:
        stop(
            NDIS_BUG,
            0x26,
            SourceHandle or 0,
            getattr(OidRequest, "_pointer", 0),
            text=f"A synchronous OID request ({oid_answers.describe(OidRequest)}) was cloned; it is passed on by "
            "returning NDIS_STATUS_SUCCESS.",
            sites=[site_of(context, "issued", OidRequest.ndis_issued_site)],
        )
    given: Any = OidRequest
    owner = owner_of(context, SourceHandle, "NdisAllocateCloneOidRequest", needed=True)
    length = NDIS_OID_REQUEST.size()
    pointer = machine.pool.allocate(
        length,
        tag=pool_tag(PoolTag),
        type_number=machine.images.type_numbers[NDIS_OID_REQUEST],
        site=context.site,
        driver=context.driver,
        owner=owner,
    )
    if pointer is None:
        return ClonedRequest(NDIS_STATUS_RESOURCES, None)
    clone: Any = load_block(context, pointer)
    ctypes.memset(ctypes.addressof(clone), 0, length)
    ctypes.memmove(ctypes.addressof(clone.Header), ctypes.addressof(given.Header), 4)
    for name in ("RequestType", "PortNumber", "Timeout", "RequestId", "RequestHandle", "SupportedRevision", "Flags"):
        setattr(clone, name, getattr(given, name))
    ctypes.memmove(ctypes.addressof(clone.DATA), ctypes.addressof(given.DATA), ctypes.sizeof(clone.DATA))
    clone.ndis_clone = 1
    return ClonedRequest(NDIS_STATUS_SUCCESS, clone)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER | INTERMEDIATE, rules=_RULES, releases="clone of an OID request")
def NdisFreeCloneOidRequest(SourceHandle: NDIS_HANDLE, Request: NDIS_OID_REQUEST, /) -> None:
    """Free a clone.  Bug check 0x7C/0x26 for one that is not complete, and for what is no clone (our choice)."""
    context = current.context
    if not Request.ndis_clone or Request.ndis_state in UNFINISHED:
        what = "is not complete" if Request.ndis_clone else "is no clone"
        stop(
            NDIS_BUG,
            0x26,
            SourceHandle or 0,
            getattr(Request, "_pointer", 0),
            text=f"An OID request ({oid_answers.describe(Request)}) was freed as a clone that {what}.",
            sites=[site_of(context, "issued", Request.ndis_issued_site)] if Request.ndis_issued_site else [],
        )
    free_block(context, Request)


__all__ = [
    "NdisAllocateCloneOidRequest",
    "NdisFCancelOidRequest",
    "NdisFOidRequest",
    "NdisFOidRequestComplete",
    "NdisFreeCloneOidRequest",
]
