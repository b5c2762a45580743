"""OID requests that the host asks for: NDIS issues them as its own, above the whole stack, and waits for them.

Law: they take the way of every other request, one at a time per module and per miniport; what NDIS knows by itself it
answers by itself, and a set goes down as it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import forget, make_in_pool
from emulator.kernel.waits import sleep_until
from emulator.layout.machine import CONTROL_DATA_BYTES
from emulator.ndis import oid_answers, watch
from emulator.ndis.oid_lanes import FINAL, issue, lane_below, submit
from emulator.ndis.oid_requests import READY_STATES
from emulator.ndis.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.pnp import find_adapter
from emulator.ndis.pnp_waits import signed
from emulator.ndis.status import (
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_BUFFER_TOO_SHORT,
)

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.machine import CONTROL

OID_REQUEST_TYPE, OID_REQUEST_REVISION, OID_REQUEST_BYTES = 0x96, 1, 236


def query(context: Context, operation: CONTROL) -> int:
    """Ask the stack of an adapter; the answer becomes the operation's data."""
    oid, room = operation.argument & 0xFFFF_FFFF, min(operation.argument >> 32, CONTROL_DATA_BYTES)
    operation.hold(b"")
    return _ask(context, operation, oid_answers.QUERY, oid, bytes(room))


def set_(context: Context, operation: CONTROL) -> int:
    """Give the operation's data to the stack of an adapter."""
    given = operation.content
    operation.hold(b"")
    return _ask(context, operation, oid_answers.SET, operation.argument & 0xFFFF_FFFF, given)


def _ask(context: Context, operation: CONTROL, kind: int, oid: int, content: bytes) -> int:
    found = find_adapter(context, operation.target)
    if found is None:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    handle, adapter = found
    if adapter.state not in READY_STATES:
        return NDIS_STATUS_ADAPTER_NOT_READY
    request: Any = make_in_pool(context, NDIS_OID_REQUEST)
    buffer = oid_answers.allocate_buffer(context, max(len(content), 1))
    buffer.view[: len(content)] = content
    header = request.Header
    header.Type, header.Revision, header.Size = OID_REQUEST_TYPE, OID_REQUEST_REVISION, OID_REQUEST_BYTES
    request.RequestType = kind
    information = request.DATA.QUERY_INFORMATION
    information.Oid, information.InformationBuffer = oid, buffer
    information.InformationBufferLength = len(content)
    issue(context, 0, request)
    request.ndis_issued_site = 0  # no line of a driver's
    status = _carried_out(context, handle, adapter, request)
    if kind == oid_answers.QUERY:
        operation.hold(bytes(buffer.view[: min(information.BytesWritten, len(content))]))
    if status == NDIS_STATUS_BUFFER_TOO_SHORT or information.BytesNeeded > len(content):
        operation.needed = information.BytesNeeded
    for block in (buffer, request):
        forget(context, block._pointer)
        context.machine.pool.free(block._pointer, site=0)
    return status


def _carried_out(context: Context, handle: int, adapter: Any, request: Any) -> int:
    """Let NDIS answer, or the stack, and wait for it; the stop that ends a wait in vain says who has the request."""
    # NDIS itself has no lookahead or filter of its own, and the adapter's are in the same places as a binding's.
    answered = oid_answers.answer(context, adapter, adapter, request)
    if answered is not None:
        return answered
    lane = lane_below(context, handle, None)
    submit(context, lane, request)
    deadline = context.platform.now() + watch.OID_NS
    while not request.ndis_final & FINAL:
        sleep_until(context, lambda: request.ndis_final & FINAL != 0, deadline)
        if context.platform.now() >= deadline and not request.ndis_final & FINAL:
            watch.overdue(context, handle, adapter, lane, ", asked by the host")
    context.machine.services.round(context)
    return signed(request.ndis_final & 0xFFFF_FFFF)
