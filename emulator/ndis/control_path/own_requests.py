"""OID requests of NDIS's own: made, sent into a stack, and waited for by a control lane at PASSIVE_LEVEL.

Law: they take the way of every other request, one at a time per module and per miniport; who waits does so with the
deadline of every request, and the request thread serves its queue meanwhile.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.waits import look_until
from emulator.layout.machine import ContextKind
from emulator.ndis.control_path import oid_answers, oid_lanes
from emulator.ndis.plug_and_play import filter_modules, watch
from emulator.ndis.plug_and_play.pnp_waits import signed

if TYPE_CHECKING:
    from emulator.kernel.context import Context


class Answered(NamedTuple):
    """What a request came back with; ``needed`` as the driver said it."""

    status: int
    content: bytes
    needed: int


def ask(
    context: Context,
    handle: int,
    adapter: Any,
    kind: int,
    oid: int,
    content: bytes,
    *,
    lane: Any = None,
    knows: bool = False,
    asker: str = "",
    of_power: bool = False,
) -> Answered:
    """Send a request with a buffer of this content down from the top of a stack, or to one lane; what came back.

    ``knows``: NDIS answers what it knows by itself.  ``asker`` tells in the stop for a request that takes too long.
    ``of_power``: it is part of the adapter's suspend.
    """
    request = oid_answers.make_request(context, kind, oid, content)
    oid_lanes.issue(context, 0, request)
    request.ndis_issued_site = 0  # no line of a driver's
    # NDIS itself has no lookahead or filter of its own, and the adapter's are in the same places as a binding's.
    status: int | None = oid_answers.answer(context, adapter, adapter, request) if knows else None
    if status is None:
        status = _sent_down(context, handle, adapter, request, lane, asker, of_power=of_power)
    information = request.DATA.QUERY_INFORMATION
    found = oid_answers.read_buffer(information.InformationBuffer, min(information.BytesWritten, len(content)))
    answered = Answered(status, found, information.BytesNeeded)
    oid_answers.free_request(context, request)
    return answered


def _sent_down(
    context: Context, handle: int, adapter: Any, request: Any, lane: Any, asker: str, *, of_power: bool
) -> int:
    below = lane if lane is not None else oid_lanes.lane_below(context, handle, None)
    oid_lanes.submit(context, below, request, of_power=of_power)

    def complete() -> bool:
        return bool(request.ndis_final & oid_lanes.FINAL)

    # What others queue meanwhile is the request thread's to serve, also while it waits here.
    serve = partial(oid_lanes.serve_queued, context) if context.kind is ContextKind.REQUESTS else None
    if not look_until(context, complete, context.platform.now() + watch.OID_NS, serve):
        stack = [adapter, *(module for _, module in filter_modules.modules_of(context, handle))]
        busy = next((lane for lane in stack if not oid_lanes.idle(lane)), adapter)
        watch.overdue(context, handle, adapter, busy, asker)
    return signed(request.ndis_final & 0xFFFF_FFFF)
