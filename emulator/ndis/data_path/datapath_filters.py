"""The data path's DDI of filter drivers: send, complete, indicate, return, cancel.

Law: as datapath.py.  A list that a filter did not make passes through it as it came; its own lists bear its handle as
SourceHandle, come back to it and are handed to nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.ndis.buffers.ownership import INDICATE, RETURN, SEND, SEND_COMPLETE
from emulator.ndis.data_path import datapath_slow as slow
from emulator.ndis.data_path.crossings import NESTING_LIMIT, defer, enter2, enter3, enter4, enter5, not_implemented
from emulator.ndis.data_path.datapath import SEND_FLAGS_RARE
from emulator.ndis.data_path.filter_faults import (
    look_at_complete,
    look_at_indicate,
    look_at_return,
    look_at_send,
    may_not_now,
)
from emulator.ndis.data_path.filter_views import MODULE_MOVES, module_view
from emulator.ndis.data_path.guards import guard
from emulator.ndis.data_path.hand_offs import ANY_SOURCE, count_from, count_of, hand_on, hand_on_lent
from emulator.ndis.data_path.ledger import COMPLETED, INDICATED, RETURNED, SENT
from emulator.ndis.gates.ddi import FILTER, GateKind, ddi
from emulator.ndis.headers.constants import NDIS_RECEIVE_FLAGS_RESOURCES
from emulator.ndis.headers.handles import FilterModuleHandle
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.ports import refusal
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Module

_RULES = ("Irql_Filter_Driver_Function",)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.INLINE)
def NdisFSendNetBufferLists(
    NdisFilterHandle: FilterModuleHandle, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int, /
) -> None:
    """Send lists on to what is below the module, or lists of its own, whose SourceHandle is the filter handle.

    Without FilterSendNetBufferListsComplete a module may originate none.
    """
    context = current.context
    path = context.datapath
    module = path.modules.get(NdisFilterHandle) if path is not None else None
    if module is None:
        module = module_view(context, NdisFilterHandle, "NdisFSendNetBufferLists")
    below = module.stack
    if module.checked:
        owners = module.driver, below.sending
        count, _ = hand_on(context, NetBufferList, SEND, SendFlags, owners, ANY_SOURCE, look_at_send, module)
    else:
        count = count_of(NetBufferList)
    if not count:
        return
    words, layer = module.path.words, below.counters
    words[module.sent] += count
    words[layer + SENT] += count
    if module.refuses or PortNumber or SendFlags & SEND_FLAGS_RARE:
        _unusual_send(context, module, NetBufferList, PortNumber, SendFlags, count)
    elif context.nesting >= NESTING_LIMIT:
        defer(context, SEND, module.index, NetBufferList, SendFlags)
    else:
        enter4(context, below.send, below.context, NetBufferList, PortNumber, SendFlags)
        if module.checked:
            guard(path, NetBufferList, below.sending)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.INLINE)
def NdisFSendNetBufferListsComplete(
    NdisFilterHandle: FilterModuleHandle, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int, /
) -> None:
    """Give sent lists back to what is above the module: those that came back to it, or that it did not send on."""
    context = current.context
    path = context.datapath
    module = path.modules.get(NdisFilterHandle) if path is not None else None
    if module is None:
        module = module_view(context, NdisFilterHandle, "NdisFSendNetBufferListsComplete")
    only = module.only
    source = only.handle if only is not None else 0
    if module.checked:
        owners = module.driver, only.driver if only is not None else 0
        count, same = hand_on(
            context, NetBufferList, SEND_COMPLETE, SendCompleteFlags, owners, source, look_at_complete, module
        )
    else:
        count, same = count_from(NetBufferList, source)
    if not count:
        return
    if only is None or not same:
        slow.complete_by_source(context, module, NetBufferList, SendCompleteFlags)
        return
    words, layer = module.path.words, only.counters
    words[layer + COMPLETED] += count
    words[module.upper + COMPLETED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND_COMPLETE, only.index, NetBufferList, SendCompleteFlags)
    else:
        enter3(context, only.complete, only.context, NetBufferList, SendCompleteFlags)
        if module.checked:
            guard(path, NetBufferList, only.driver)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.INLINE)
def NdisFIndicateReceiveNetBufferLists(
    NdisFilterHandle: FilterModuleHandle,
    NetBufferLists: NET_BUFFER_LIST,
    PortNumber: int,
    NumberOfNetBufferLists: int,
    ReceiveFlags: int,
    /,
) -> None:
    """Indicate lists to what is above the module, or lists of its own, whose SourceHandle is the filter handle.

    What came with NDIS_RECEIVE_FLAGS_RESOURCES goes on with it; a module may set the flag, and has the lists back then.
    """
    context = current.context
    path = context.datapath
    module = path.modules.get(NdisFilterHandle) if path is not None else None
    if module is None:
        module = module_view(context, NdisFilterHandle, "NdisFIndicateReceiveNetBufferLists")
    receiver = module.receiver
    if module.checked:
        if ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
            count = hand_on_lent(context, NetBufferLists, ReceiveFlags, look_at_indicate, module)
        else:
            owners = module.received, receiver.received if receiver is not None else module.received
            count, _ = hand_on(
                context, NetBufferLists, INDICATE, ReceiveFlags, owners, ANY_SOURCE, look_at_indicate, module
            )
        if count != NumberOfNetBufferLists:
            slow.wrong_number(context, NetBufferLists, count, NumberOfNetBufferLists)
    if not NumberOfNetBufferLists:
        return
    if receiver is None or ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES or PortNumber:
        if module.state not in MODULE_MOVES:
            may_not_now(module.handle, module.state, "NdisFIndicateReceiveNetBufferLists")
        slow.unusual_indicate(context, module, NetBufferLists, PortNumber, ReceiveFlags)
        return
    words, layer = module.path.words, receiver.counters
    words[module.indicated] += NumberOfNetBufferLists
    words[layer + INDICATED] += NumberOfNetBufferLists
    if context.nesting >= NESTING_LIMIT:
        defer(context, INDICATE, receiver.index, NetBufferLists, ReceiveFlags)
    else:
        value = receiver.context
        enter5(context, receiver.receive, value, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
        if module.checked:
            guard(path, NetBufferLists, receiver.received)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.INLINE)
def NdisFReturnNetBufferLists(
    NdisFilterHandle: FilterModuleHandle, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int, /
) -> None:
    """Give received lists back to what is below the module; never its own, and none that it was only lent."""
    context = current.context
    path = context.datapath
    module = path.modules.get(NdisFilterHandle) if path is not None else None
    if module is None:
        module = module_view(context, NdisFilterHandle, "NdisFReturnNetBufferLists")
    below = module.stack
    if module.checked:
        owners = module.received, below.driver
        count, _ = hand_on(context, NetBufferLists, RETURN, ReturnFlags, owners, ANY_SOURCE, look_at_return, module)
    else:
        count = count_of(NetBufferLists)
    if not count:
        return
    words, layer = module.path.words, below.counters
    words[module.counters + RETURNED] += count
    words[layer + RETURNED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, RETURN, module.index, NetBufferLists, ReturnFlags)
    else:
        enter3(context, below.returns, below.context, NetBufferLists, ReturnFlags)
        if module.checked:
            guard(path, NetBufferLists, below.driver)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFCancelSendNetBufferLists(NdisFilterHandle: FilterModuleHandle, CancelId: Any, /) -> None:
    """Pass the cancelling of sends on to what is below the module."""
    context = current.context
    below = module_view(context, NdisFilterHandle, "NdisFCancelSendNetBufferLists").stack
    cancel, value = below.cancels
    if cancel.function is not None:
        enter2(context, cancel, value, CancelId)


def _unusual_send(context: Context, module: Module, first: NET_BUFFER_LIST, port: int, flags: int, count: int) -> None:
    """A send that cannot go straight down: refused because of a state or a port, or asking for what is not there."""
    if module.state not in MODULE_MOVES:
        may_not_now(module.handle, module.state, "NdisFSendNetBufferLists")
    if flags & slow.SWITCH_FLAGS:
        not_implemented("NdisFSendNetBufferLists", f"SendFlags {flags:#x}")
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
    words = module.path.words
    words[module.stack.counters + COMPLETED] += count
    done = slow.at_dispatch(context, 1)
    if module.complete.function is not None:
        slow.complete(context, module, first, count, done)
    else:
        words[module.upper + COMPLETED] -= count
        slow.complete_by_source(context, module, first, done)


__all__ = [
    "NdisFCancelSendNetBufferLists",
    "NdisFIndicateReceiveNetBufferLists",
    "NdisFReturnNetBufferLists",
    "NdisFSendNetBufferLists",
    "NdisFSendNetBufferListsComplete",
]
