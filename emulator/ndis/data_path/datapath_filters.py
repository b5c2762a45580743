"""The data path's DDI of filter drivers: send, complete, indicate, return, cancel.

Law: as datapath.py: one walk of the chain, each list must have the owner that rules/nbl.py demands.  A list that a
filter did not make passes through it as it came; its own lists bear its handle as SourceHandle, come back to it and are
handed to nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
from emulator.ndis.buffers.ownership import INDICATE, RETURN, SEND, SEND_COMPLETE
from emulator.ndis.data_path import datapath_slow as slow
from emulator.ndis.data_path.crossings import NESTING_LIMIT, defer, enter2, enter3, enter4, enter5, not_implemented
from emulator.ndis.data_path.datapath_state import note
from emulator.ndis.data_path.filter_faults import (
    bad_complete,
    bad_indicate,
    bad_return,
    bad_send,
    may_not_now,
)
from emulator.ndis.data_path.filter_views import MODULE_MOVES, module_view
from emulator.ndis.data_path.guards import guard
from emulator.ndis.data_path.stacks import CALLS_IN, CALLS_OUT, COMPLETED, INDICATED, RETURNED, SENT
from emulator.ndis.gates.ddi import FILTER, GateKind, ddi
from emulator.ndis.headers.handles import FilterModuleHandle
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.ports import refusal
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.data_path.filter_views import Module

_RULES = ("Irql_Filter_Driver_Function",)
_SEND_FLAGS_RARE = ~0x05
"""All but DISPATCH_LEVEL and SINGLE_QUEUE."""
_RESOURCES = 0x02


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
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferList
    if module.checked:
        site, passing, sending = context.site, module.driver, below.sending
        source: int | None = None
        while nbl is not None:
            if nbl._owner != passing:
                bad_send(context, nbl, module)
            elif nbl.SourceHandle is not source:
                source = nbl.SourceHandle
                if source == NdisFilterHandle or (source not in path.views and source not in path.modules):
                    bad_send(context, nbl, module)
            following = nbl.Next
            nbl._owner = sending
            nbl._site = site
            count += 1
            nbl = following
        if SendFlags & 1 and context.irql < 2:
            slow.false_flag(context, "SendFlags", SendFlags)
        if count:
            note(path.journal, (site & 0xFFFF) << 8 | SEND, NetBufferList._mark)
    else:
        while nbl is not None:
            count += 1
            nbl = nbl.Next
    if not count:
        return
    words, at = path.words, below.counters
    words[module.sent] += count
    words[at + SENT] += count
    if module.refuses or PortNumber or SendFlags & _SEND_FLAGS_RARE:
        _unusual_send(context, module, NetBufferList, PortNumber, SendFlags, count)
        return
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND, module.index, NetBufferList, SendFlags)
        return
    words[at + CALLS_IN] += 1
    enter4(context, below.send, below.context, NetBufferList, PortNumber, SendFlags)
    words[at + CALLS_OUT] += 1
    if module.checked and type(NetBufferList) is NET_BUFFER_LIST and NetBufferList._owner == below.sending:
        guard(path, NetBufferList)


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
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferList
    handle = only.handle if only is not None else 0
    source: int | None = handle
    same = only is not None
    if module.checked:
        site, passing = context.site, module.driver
        owner = only.driver if only is not None else 0
        while nbl is not None:
            if nbl._owner != passing:
                bad_complete(context, nbl, module)
            if nbl.SourceHandle is not source:
                source = nbl.SourceHandle
                same = same and source == handle
            following = nbl.Next
            nbl._owner = owner
            nbl._site = site
            count += 1
            nbl = following
        if SendCompleteFlags & 1 and context.irql < 2:
            slow.false_flag(context, "SendCompleteFlags", SendCompleteFlags)
        if count:
            note(path.journal, (site & 0xFFFF) << 8 | SEND_COMPLETE, NetBufferList._mark)
    else:
        while nbl is not None:
            if nbl.SourceHandle is not source:
                source = nbl.SourceHandle
                same = same and source == handle
            count += 1
            nbl = nbl.Next
    if not count:
        return
    if not same or only is None:
        slow.complete_by_source(context, module, NetBufferList, SendCompleteFlags)
        return
    words, at = path.words, only.counters
    words[at + COMPLETED] += count
    words[module.upper + COMPLETED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND_COMPLETE, only.index, NetBufferList, SendCompleteFlags)
        return
    words[at + CALLS_IN] += 1
    enter3(context, only.complete, only.context, NetBufferList, SendCompleteFlags)
    words[at + CALLS_OUT] += 1
    if module.checked and type(NetBufferList) is NET_BUFFER_LIST and NetBufferList._owner == only.driver:
        guard(path, NetBufferList)


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
        site, passing = context.site, module.received
        lent = ReceiveFlags & _RESOURCES
        owner = receiver.received if receiver is not None else 0
        moves = receiver is not None and not lent
        count = 0
        nbl: NET_BUFFER_LIST | None = NetBufferLists
        while nbl is not None:
            if nbl._owner != passing and not (lent and nbl._owner == module.lent):
                bad_indicate(context, nbl, module)
            following = nbl.Next
            if moves:
                nbl._owner = owner
            nbl._site = site
            count += 1
            nbl = following
        if count != NumberOfNetBufferLists:
            slow.wrong_number(context, NetBufferLists, count, NumberOfNetBufferLists)
        if ReceiveFlags & 1 and context.irql < 2:
            slow.false_flag(context, "ReceiveFlags", ReceiveFlags)
        if count:
            note(path.journal, (site & 0xFFFF) << 8 | INDICATE, NetBufferLists._mark)
    if not NumberOfNetBufferLists:
        return
    if receiver is None or ReceiveFlags & _RESOURCES or PortNumber:
        if module.state not in MODULE_MOVES:
            may_not_now(module.handle, module.state, "NdisFIndicateReceiveNetBufferLists")
        slow.unusual_indicate(context, module, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
        return
    words, at = path.words, receiver.counters
    words[module.indicated] += NumberOfNetBufferLists
    words[at + INDICATED] += NumberOfNetBufferLists
    if context.nesting >= NESTING_LIMIT:
        defer(context, INDICATE, receiver.index, NetBufferLists, ReceiveFlags)
        return
    words[at + CALLS_IN] += 1
    enter5(
        context, receiver.receive, receiver.context, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags
    )
    words[at + CALLS_OUT] += 1
    if module.checked and type(NetBufferLists) is NET_BUFFER_LIST and NetBufferLists._owner == receiver.received:
        guard(path, NetBufferLists)


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
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferLists
    if module.checked:
        site, passing, owner = context.site, module.received, below.driver
        source: int | None = None
        while nbl is not None:
            if nbl._owner != passing:
                bad_return(context, nbl, module)
            if nbl.SourceHandle is not source:
                source = nbl.SourceHandle
                if source == NdisFilterHandle:
                    bad_return(context, nbl, module)
            following = nbl.Next
            nbl._owner = owner
            nbl._site = site
            count += 1
            nbl = following
        if ReturnFlags & 1 and context.irql < 2:
            slow.false_flag(context, "ReturnFlags", ReturnFlags)
        if count:
            note(path.journal, (site & 0xFFFF) << 8 | RETURN, NetBufferLists._mark)
    else:
        while nbl is not None:
            count += 1
            nbl = nbl.Next
    if not count:
        return
    words, at = path.words, below.counters
    words[module.counters + RETURNED] += count
    words[at + RETURNED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, RETURN, module.index, NetBufferLists, ReturnFlags)
        return
    words[at + CALLS_IN] += 1
    enter3(context, below.returns, below.context, NetBufferLists, ReturnFlags)
    words[at + CALLS_OUT] += 1
    if module.checked and type(NetBufferLists) is NET_BUFFER_LIST and NetBufferLists._owner == below.driver:
        guard(path, NetBufferLists)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFCancelSendNetBufferLists(NdisFilterHandle: FilterModuleHandle, CancelId: Any, /) -> None:
    """Pass the cancelling of sends on to what is below the module."""
    context = current.context
    cancel, value = module_view(context, NdisFilterHandle, "NdisFCancelSendNetBufferLists").stack.cancels
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
