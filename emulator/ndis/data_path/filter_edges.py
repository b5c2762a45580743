"""The edges of the filter modules of a compiled stack: how chains go through them, and on.

Law: as edges.py.  A list that a filter did not make passes through it as it came; its own lists bear its handle as
SourceHandle, come back to it and are handed to nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.ndis.buffers.ownership import wrong_number
from emulator.ndis.data_path import datapath_slow as slow
from emulator.ndis.data_path.crossings import not_implemented
from emulator.ndis.data_path.edges import completing, indicating
from emulator.ndis.data_path.filter_faults import (
    look_at_complete,
    look_at_indicate,
    look_at_return,
    look_at_send,
    may_not_now,
)
from emulator.ndis.data_path.filter_views import MODULE_MOVES
from emulator.ndis.data_path.hand_offs import ANY_SOURCE, Edge, count_lent, count_of, hand_off
from emulator.ndis.data_path.ledger import COMPLETED, RETURNED, SENT
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.ports import refusal
from emulator.rules.nbl import RETURN, SEND

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Module


_INDICATE: Final = "NdisFIndicateReceiveNetBufferLists"


def connect(module: Module) -> None:
    """Make the edges of a filter module."""
    path, below = module.path, module.stack
    complete = completing(module, module.driver, module.only, look_at_complete)
    indicate = indicating(module, module.received, module.indicated, module.receiver, look_at_indicate)
    module.complete_up = hand_off(path, complete._replace(name="NdisFSendNetBufferListsComplete"))
    module.hand_up = hand_off(path, indicate._replace(name=_INDICATE, unusual=_unusual_indicate, lend=_lend))
    down = Edge(
        "NdisFSendNetBufferLists",
        SEND,
        module,
        below.send,
        below.context,
        owners=(module.driver, below.sending),
        given=module.sent,
        taken=below.counters + SENT,
        layer=module.index,
        look=look_at_send,
        source=ANY_SOURCE,
        unusual=_unusual_send,
        refuses=module.refuses,
    )
    back = Edge(
        "NdisFReturnNetBufferLists",
        RETURN,
        module,
        below.returns,
        below.context,
        owners=(module.received, below.driver),
        given=module.counters + RETURNED,
        taken=below.counters + RETURNED,
        layer=module.index,
        look=look_at_return,
        source=ANY_SOURCE,
    )
    module.hand_down, module.return_down = hand_off(path, down), hand_off(path, back)


def _lend(context: Context, module: Module, first: NET_BUFFER_LIST, port: int, number: int, flags: int) -> None:
    """What a module indicates with NDIS_RECEIVE_FLAGS_RESOURCES, it has back behind it."""
    if module.checked:
        count = count_lent(context, first, look_at_indicate, module)
        if count != number:
            wrong_number(context, first, count, number)
    if number:
        _unusual_indicate(context, module, first, port, flags)


def _unusual_indicate(context: Context, module: Module, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
    if module.state not in MODULE_MOVES:
        may_not_now(module.handle, module.state, _INDICATE)
    slow.unusual_indicate(context, module, first, port, flags)


def _unusual_send(context: Context, module: Module, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
    """A send that cannot go straight down: refused because of a state or a port, or asking for what is not there."""
    if module.state not in MODULE_MOVES:
        may_not_now(module.handle, module.state, "NdisFSendNetBufferLists")
    if flags & slow.SWITCH_FLAGS:
        not_implemented("NdisFSendNetBufferLists", f"SendFlags {flags:#x}")
    words, count = module.path.words, count_of(first)
    words[module.sent] += count
    words[module.stack.counters + SENT] += count
    refused = NDIS_STATUS_PAUSED if module.refuses else refusal(module.base.ports, port)
    if refused == NDIS_STATUS_SUCCESS:
        slow.send_down(context, module.stack, module.base, first, port, flags)
        return
    # Refused by what is below: completed at once, to the module itself or, where it has no handler, above it.
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        nbl.Status = refused
        nbl._owner = module.image if nbl.SourceHandle == module.handle else module.driver
        nbl = nbl.Next
    words[module.stack.counters + COMPLETED] += count
    done = slow.at_dispatch(context, 1)
    if module.complete.function is not None:
        slow.complete(context, module, first, count, done)
    else:
        words[module.upper + COMPLETED] -= count
        slow.complete_by_source(context, module, first, done)
