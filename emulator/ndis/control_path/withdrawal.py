"""What a binding has asked of the miniport goes when the binding does: the others' filter, list and lookahead remain.

Law: NDIS asks for it as for anything of its own, from above the whole stack; it asks for nothing where nothing changes
below, nor of an adapter that is going itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.ndis.control_path import oid_answers, oid_multicast, own_requests
from emulator.ndis.control_path.indications import tell_packet_filter
from emulator.ndis.headers import oids

if TYPE_CHECKING:
    from emulator.kernel.context import Context


def withdraw(context: Context, adapter: Any, binding: Any) -> None:
    """Lower what the miniport was asked for to what the other bindings want, and wait until it is done.

    The binding's record is there until then, so that whoever waits for its end waits for this too.
    """
    if adapter.going:
        return
    before, after = _wanted(context, adapter), _wanted(context, adapter, binding)
    binding.packet_filter = binding.multicast_count = 0
    tell_packet_filter(context, binding.head.parent, adapter, oid_answers.union_of_filters(context, adapter))
    lookahead = oids.OID_GEN_CURRENT_LOOKAHEAD
    after[lookahead] = min(before[lookahead], after[lookahead], key=lambda content: int.from_bytes(content, "little"))
    for oid, content in after.items():
        if content != before[oid]:
            own_requests.ask(context, binding.head.parent, adapter, oid_answers.SET, oid, content)


def _wanted(context: Context, adapter: Any, without: Any = None) -> dict[int, bytes]:
    """What all bindings but one want together, as a miniport is told it."""
    return {
        oids.OID_GEN_CURRENT_PACKET_FILTER: oid_answers.filter_below(
            oid_answers.union_of_filters(context, adapter, without)
        ),
        oids.OID_802_3_MULTICAST_LIST: oid_multicast.union(context, adapter, without),
        oids.OID_GEN_CURRENT_LOOKAHEAD: oid_answers.u32(oid_answers.largest_lookahead(context, adapter, without)),
    }
