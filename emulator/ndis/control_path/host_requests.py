"""OID requests that the host asks for: NDIS issues them as its own, above the whole stack, and waits for them.

Law: they take the way of every other request, one at a time per module and per miniport; what NDIS knows by itself it
answers by itself, and a set goes down as it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.layout.control import CONTROL_DATA_BYTES
from emulator.ndis.control_path import oid_answers, own_requests
from emulator.ndis.control_path.oid_lanes import READY_STATES
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_BUFFER_TOO_SHORT,
)
from emulator.ndis.plug_and_play.pnp import find_adapter

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.control import CONTROL


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
    answered = own_requests.ask(context, handle, adapter, kind, oid, content, knows=True, asker=", asked by the host")
    if kind == oid_answers.QUERY:
        operation.hold(answered.content)
    if answered.status == NDIS_STATUS_BUFFER_TOO_SHORT or answered.needed > len(content):
        operation.needed = answered.needed
    return answered.status
