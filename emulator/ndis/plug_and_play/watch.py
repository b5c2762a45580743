"""What NDIS watches by the clock, in the request thread: who hangs, and who keeps lists and OID requests for too long.

Law: it looks once a second and writes down what it found, for whoever asks who is blocking; the rules that set a limit
are Driver Verifier's, in the checked build.  What it finds too old is too old: between two looks it assumes the best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.control_path import oid_answers, oid_lanes
from emulator.ndis.data_path import ledger
from emulator.ndis.plug_and_play import idle_clock, pnp_reset
from emulator.ndis.plug_and_play.adapters import text_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context

LOOK_NS: Final = 1_000_000_000
SEND_NS: Final = 30_000_000_000
"""Driver Verifier's NdisTimedDataSend: a send is done in this time."""
HANG_NS: Final = 22_000_000_000
"""NdisTimedDataHang: while sends are pending one is completed in this time."""
OID_NS: Final = 12_000_000_000
"""NdisTimedOidComplete: an OID request is done in this time."""
VERIFIER: Final = 0xC4


def next_look(context: Context) -> int:
    """When this context, the request thread, looks next."""
    when: int | None = context.memory.get("next_look")
    if when is None:
        when = context.memory["next_look"] = context.platform.now() + LOOK_NS
    return when


def look_if_due(context: Context) -> None:
    """Look at everything, when a second has passed since the last time."""
    if context.index:
        return
    now = context.platform.now()
    if now < next_look(context):
        return
    adapters = context.machine.objects[HandleKind.ADAPTER].live()
    context.memory["next_look"] = now + idle_clock.next_look([adapter for _, adapter in adapters], LOOK_NS)
    machine, seen = context.machine, set()
    # Who sits at a breakpoint holds everything up, and it is nobody's fault.
    debugged = getattr(machine.configuration.get("specification"), "debug", False)
    for handle, adapter in adapters:
        index = handle & INDEX_MASK
        for holding in ledger.holdings(machine, index):
            if holding.owner:
                seen.add(holding.layer)
                _write_down(context, holding, now)
                if machine.checked and holding.module and not debugged:
                    _filter_in_time(context, holding, now)
        if debugged:
            continue
        if not oid_lanes.is_idle(adapter):
            pnp_reset.check_for_hang(context, adapter, now)
        idle_clock.look(context, handle, adapter, now)
        if machine.checked:
            _send_in_time(context, handle, index, now)
            _request_in_time(context, handle, adapter, now)
    for layer in range(machine.geometry.layers):
        if layer not in seen and machine.arena.look(layer).since:
            machine.arena.look(layer).since = 0


def _write_down(context: Context, holding: ledger.Holding, now: int) -> None:
    look: Any = context.machine.arena.look(holding.layer)
    if not look.since or look.moved != holding.moved:
        look.moved, look.since = holding.moved, now


def _send_in_time(context: Context, handle: int, index: int, now: int) -> None:
    """The two rules about sends, for a miniport: none takes too long, and some are completed now and then."""
    machine = context.machine
    counts, look = ledger.layer_counts(machine, index), machine.arena.look(index)
    sent, completed = counts[ledger.SENT], counts[ledger.COMPLETED]
    if completed >= look.mark:
        look.mark, look.marked = sent, now
    elif now - look.marked > SEND_NS:
        text = f"has not completed all lists that were sent {SEND_NS // 1_000_000_000} seconds ago"
        _too_long(context, 0x9200D, "NdisTimedDataSend", handle, sent - completed, text)
    if sent != completed and look.since and now - look.since > HANG_NS:
        text = f"has completed no list for {HANG_NS // 1_000_000_000} seconds"
        _too_long(context, 0x9200F, "NdisTimedDataHang", handle, sent - completed, text)


def _filter_in_time(context: Context, holding: ledger.Holding, now: int) -> None:
    """A filter gives on some of what it has within the limit of a send: Microsoft publishes none for these rules."""
    machine = context.machine
    if now - machine.arena.look(holding.layer).since <= SEND_NS:
        return
    sent = holding.handed == "sent"
    context.driver = machine.objects[HandleKind.FILTER_MODULE].records[holding.module & INDEX_MASK].head.driver
    stop(
        VERIFIER,
        0x92011 if sent else 0x92012,
        0,
        holding.module,
        holding.number,
        rule="NdisFilterTimedDataSend" if sent else "NdisFilterTimedDataReceive",
        text=f"{holding.driver} has {holding.text.format(holding.number)}, for {SEND_NS // 1_000_000_000} seconds.",
        holders=[line.strip() for line in ledger.handed_on(machine, holding)],
    )


def _too_long(context: Context, number: int, rule: str, handle: int, count: int, text: str) -> None:
    machine = context.machine
    adapter = machine.objects[HandleKind.ADAPTER].records[handle & INDEX_MASK]
    context.driver = adapter.head.driver
    stop(
        VERIFIER,
        number,
        0,
        handle,
        count,
        rule=rule,
        text=f"{machine.images.driver_name(adapter.head.driver)} {text}, and has {count} in hand.",
        holders=ledger.outstanding(machine, handle & INDEX_MASK).holders,
    )


def _request_in_time(context: Context, handle: int, adapter: Any, now: int) -> None:
    """A miniport completes an OID request within twelve seconds of getting it."""
    for request in oid_lanes.in_hand(context, adapter):
        if request.ndis_state == oid_lanes.PENDED and now - request.ndis_given > OID_NS:
            overdue(context, handle, adapter, adapter, "")


def overdue(context: Context, handle: int, adapter: Any, lane: Any, because: str) -> None:
    """The stop for an OID request that the driver of a lane does not complete; it says who has which."""
    machine = context.machine
    left = oid_lanes.outstanding(context, lane)
    context.driver = lane.head.driver
    # Without Driver Verifier it is NDIS's own watchdog that complains.
    code, *parameters = (VERIFIER, 0x92003, left[0]._pointer) if machine.checked else (0x7C, 0x25, 0x23, handle)
    stop(
        code,
        *parameters,
        rule="NdisTimedOidComplete" if machine.checked else "",
        text=f"{text_of(adapter.name)}{because}: {oid_answers.describe(left[0])} has not been completed within "
        f"{OID_NS // 1_000_000_000} seconds.",
        sites=[site_of(context, "issued", left[0].ndis_issued_site)],
        holders=oid_lanes.holders(context, lane),
    )
