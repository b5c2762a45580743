"""The data path's DDI: send, complete, indicate, return, cancel.

Law: a call is a plain call of the next driver's handler in the caller's context.  In the checked build the chain is
walked once, each list must have the owner that rules/nbl.py demands, and gets the next one; what is rare goes on in
datapath_slow.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
from emulator.ndis.buffers.ownership import (
    INDICATE,
    RETURN,
    SEND,
    SEND_COMPLETE,
    is_send,
    was_parent,
    wrong_link,
    wrong_owner,
)
from emulator.ndis.data_path import datapath_slow as slow
from emulator.ndis.data_path.crossings import NESTING_LIMIT, defer, enter2, enter3, enter4, enter5
from emulator.ndis.data_path.datapath_state import note
from emulator.ndis.data_path.guards import guard
from emulator.ndis.data_path.stacks import (
    CALLS_IN,
    CALLS_OUT,
    COMPLETED,
    INDICATED,
    RETURNED,
    SENT,
    adapter_view,
    binding_view,
)
from emulator.ndis.gates.ddi import FILTER, INTERMEDIATE, MINIPORT, PROTOCOL, GateKind, ddi
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.data_path.stacks import Binding, Stack

_RULES = ("Irql_SendRcv_Function",)
_SEND_FLAGS_RARE = ~0x05
"""All but DISPATCH_LEVEL and SINGLE_QUEUE."""
_RESOURCES = 0x02
_PARTIAL_IDS = 0x30


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES, gate=GateKind.INLINE)
def NdisSendNetBufferLists(
    NdisBindingHandle: BindingHandle, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, SendFlags: int, /
) -> None:
    """Send a chain of lists through a binding; each list's SourceHandle is the binding handle.

    They belong to the layers below until ProtocolSendNetBufferListsComplete has them, which may be before this returns.
    """
    context = current.context
    path = context.datapath
    binding = path.bindings.get(NdisBindingHandle) if path is not None else None
    if binding is None:
        binding = binding_view(context, NdisBindingHandle, "NdisSendNetBufferLists")
    stack = binding.stack
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferLists
    if stack.checked:
        site, mine, sending = context.site, binding.driver, stack.sending
        source: int | None = NdisBindingHandle
        while nbl is not None:
            if nbl._owner != mine:
                _bad_send(context, nbl, binding)
            if nbl.SourceHandle is not source:
                source = nbl.SourceHandle
                if source != NdisBindingHandle:
                    _bad_send(context, nbl, binding)
            following = nbl.Next
            nbl._owner = sending
            nbl._site = site
            count += 1
            nbl = following
        if SendFlags & 1 and context.irql < 2:
            slow.false_flag(context, "SendFlags", SendFlags)
        if count:
            note(stack.path.journal, (site & 0xFFFF) << 8 | SEND, NetBufferLists._mark)
    else:
        while nbl is not None:
            count += 1
            nbl = nbl.Next
    if not count:
        return
    words, at = stack.path.words, stack.counters
    words[binding.counters + SENT] += count
    words[at + SENT] += count
    if binding.refuses or PortNumber or SendFlags & _SEND_FLAGS_RARE:
        slow.unusual_send(context, binding, NetBufferLists, PortNumber, SendFlags)
        return
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND, binding.index, NetBufferLists, SendFlags)
        return
    words[at + CALLS_IN] += 1
    enter4(context, stack.send, stack.context, NetBufferLists, PortNumber, SendFlags)
    words[at + CALLS_OUT] += 1
    if stack.checked and type(NetBufferLists) is NET_BUFFER_LIST and NetBufferLists._owner == stack.sending:
        guard(stack.path, NetBufferLists)


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT | INTERMEDIATE,
    rules=(*_RULES, "NdisTimedDataHang", "NdisTimedDataSend"),
    gate=GateKind.INLINE,
)
def NdisMSendNetBufferListsComplete(
    MiniportAdapterHandle: AdapterHandle, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int, /
) -> None:
    """Give sent lists back to those who sent them, each once, in any order and grouping, with Status set."""
    context = current.context
    path = context.datapath
    stack = path.adapters.get(MiniportAdapterHandle) if path is not None else None
    if stack is None:
        stack = adapter_view(context, MiniportAdapterHandle, "NdisMSendNetBufferListsComplete")
    only = stack.only
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferList
    handle = only.handle if only is not None else 0
    source: int | None = handle
    same = only is not None
    if stack.checked:
        site, sending = context.site, stack.sending
        owner = only.driver if only is not None else 0
        while nbl is not None:
            if nbl._owner != sending:
                _bad_complete(context, nbl, stack)
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
            note(stack.path.journal, (site & 0xFFFF) << 8 | SEND_COMPLETE, NetBufferList._mark)
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
        slow.complete_by_source(context, stack, NetBufferList, SendCompleteFlags)
        return
    words, at = stack.path.words, only.counters
    words[at + COMPLETED] += count
    words[stack.counters + COMPLETED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND_COMPLETE, only.index, NetBufferList, SendCompleteFlags)
        return
    words[at + CALLS_IN] += 1
    enter3(context, only.complete, only.context, NetBufferList, SendCompleteFlags)
    words[at + CALLS_OUT] += 1
    if stack.checked and type(NetBufferList) is NET_BUFFER_LIST and NetBufferList._owner == only.driver:
        guard(stack.path, NetBufferList)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | INTERMEDIATE, rules=_RULES, gate=GateKind.INLINE)
def NdisMIndicateReceiveNetBufferLists(
    MiniportAdapterHandle: AdapterHandle,
    NetBufferList: NET_BUFFER_LIST,
    PortNumber: int,
    NumberOfNetBufferLists: int,
    ReceiveFlags: int,
    /,
) -> None:
    """Indicate received frames: one NET_BUFFER a list, SourceHandle the adapter handle.

    They come back through MiniportReturnNetBufferLists, perhaps before this returns; with NDIS_RECEIVE_FLAGS_RESOURCES
    they are only lent and are the miniport's again when it returns.
    """
    context = current.context
    path = context.datapath
    stack = path.adapters.get(MiniportAdapterHandle) if path is not None else None
    if stack is None:
        stack = adapter_view(context, MiniportAdapterHandle, "NdisMIndicateReceiveNetBufferLists")
    receiver = stack.receiver
    if stack.checked:
        site, mine = context.site, stack.driver
        owner = receiver.received if receiver is not None else mine
        count = 0
        source: int | None = MiniportAdapterHandle
        nbl: NET_BUFFER_LIST | None = NetBufferList
        while nbl is not None:
            if nbl._owner != mine or nbl.FirstNetBuffer.Next is not None:  # type: ignore[union-attr]
                _bad_indicate(context, nbl, stack)
            if nbl.SourceHandle is not source:
                source = nbl.SourceHandle
                if source != MiniportAdapterHandle:
                    _bad_indicate(context, nbl, stack)
            following = nbl.Next
            nbl._owner = owner
            nbl._site = site
            count += 1
            nbl = following
        if count != NumberOfNetBufferLists:
            slow.wrong_number(context, NetBufferList, count, NumberOfNetBufferLists)
        if ReceiveFlags & 1 and context.irql < 2:
            slow.false_flag(context, "ReceiveFlags", ReceiveFlags)
        if count:
            note(stack.path.journal, (site & 0xFFFF) << 8 | INDICATE, NetBufferList._mark)
    if not NumberOfNetBufferLists:
        return
    if receiver is None or ReceiveFlags & _RESOURCES or PortNumber:
        slow.unusual_indicate(context, stack, NetBufferList, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
        return
    words, at = stack.path.words, receiver.counters
    words[stack.counters + INDICATED] += NumberOfNetBufferLists
    words[at + INDICATED] += NumberOfNetBufferLists
    if context.nesting >= NESTING_LIMIT:
        defer(context, INDICATE, receiver.index, NetBufferList, ReceiveFlags)
        return
    words[at + CALLS_IN] += 1
    enter5(context, receiver.receive, receiver.context, NetBufferList, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
    words[at + CALLS_OUT] += 1
    if stack.checked and type(NetBufferList) is NET_BUFFER_LIST and NetBufferList._owner == receiver.received:
        guard(stack.path, NetBufferList)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES, gate=GateKind.INLINE)
def NdisReturnNetBufferLists(
    NdisBindingHandle: BindingHandle, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int, /
) -> None:
    """Give received lists back to the miniport; never those that came with NDIS_RECEIVE_FLAGS_RESOURCES."""
    context = current.context
    path = context.datapath
    binding = path.bindings.get(NdisBindingHandle) if path is not None else None
    if binding is None:
        binding = binding_view(context, NdisBindingHandle, "NdisReturnNetBufferLists")
    stack = binding.stack
    count = 0
    nbl: NET_BUFFER_LIST | None = NetBufferLists
    if stack.checked:
        site, received, owner = context.site, binding.received, stack.driver
        while nbl is not None:
            if nbl._owner != received:
                _bad_return(context, nbl, received)
            following = nbl.Next
            nbl._owner = owner
            nbl._site = site
            count += 1
            nbl = following
        if ReturnFlags & 1 and context.irql < 2:
            slow.false_flag(context, "ReturnFlags", ReturnFlags)
        if count:
            note(stack.path.journal, (site & 0xFFFF) << 8 | RETURN, NetBufferLists._mark)
    else:
        while nbl is not None:
            count += 1
            nbl = nbl.Next
    if not count:
        return
    words, at = stack.path.words, stack.counters
    words[binding.counters + RETURNED] += count
    words[at + RETURNED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, RETURN, binding.index, NetBufferLists, ReturnFlags)
        return
    words[at + CALLS_IN] += 1
    enter3(context, stack.returns, stack.context, NetBufferLists, ReturnFlags)
    words[at + CALLS_OUT] += 1
    if stack.checked and type(NetBufferLists) is NET_BUFFER_LIST and NetBufferLists._owner == stack.driver:
        guard(stack.path, NetBufferLists)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES)
def NdisCancelSendNetBufferLists(NdisBindingHandle: BindingHandle, CancelId: Any, /) -> None:
    """Ask for sends with a cancel id to be completed with NDIS_STATUS_SEND_ABORTED, where they are still queued."""
    context = current.context
    cancel, value = binding_view(context, NdisBindingHandle, "NdisCancelSendNetBufferLists").stack.cancels
    if cancel.function is not None:
        enter2(context, cancel, value, CancelId)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | FILTER, rules=("Irql_Miscellaneous_Function",))
def NdisGeneratePartialCancelId() -> int:
    """The byte for the highest place of a driver's cancel ids, which no other driver of the machine gets."""
    return _PARTIAL_IDS + current.context.driver % _PARTIAL_IDS


def _bad_send(context: Context, nbl: NET_BUFFER_LIST, binding: Binding) -> None:
    """The stop of a send; none where an intermediate driver passes on what its own virtual miniport was given."""
    mine = nbl._owner == binding.driver or was_parent(context, nbl, binding.driver)
    if not mine and not (is_send(nbl._owner) and context.datapath.owners.get(nbl._owner) == binding.driver):
        wrong_owner(context, nbl, "A NET_BUFFER_LIST was sent", SEND, "Only its owner sends a list, once at a time.")
    if nbl.SourceHandle != binding.handle:
        wrong_link(
            context,
            nbl,
            f"A NET_BUFFER_LIST was sent whose SourceHandle is {nbl.SourceHandle or 0:#x}; it must be the binding "
            f"handle {binding.handle:#x}, by which the completion finds its way back.",
        )


def _bad_complete(context: Context, nbl: NET_BUFFER_LIST, stack: Stack) -> None:
    """The stop of a completion; none where an intermediate driver has back from below what came from above."""
    if was_parent(context, nbl, stack.sending):
        return
    if nbl._owner == stack.driver and nbl._pool.record.head.driver != stack.driver:
        source = context.datapath.views.get(nbl.SourceHandle or 0)
        if getattr(source, "base", None) is stack:
            return
        wrong_link(
            context,
            nbl,
            f"A NET_BUFFER_LIST was completed whose SourceHandle is {nbl.SourceHandle or 0:#x}, no binding of this "
            "adapter. An intermediate driver gives a list that it has sent on the SourceHandle back that it came with.",
        )
    wrong_owner(
        context,
        nbl,
        "A NET_BUFFER_LIST was completed",
        SEND_COMPLETE,
        "A miniport completes each list that it was given to send exactly once.",
    )


def _bad_indicate(context: Context, nbl: NET_BUFFER_LIST, stack: Stack) -> None:
    if nbl._owner != stack.driver and not was_parent(context, nbl, stack.driver):
        wrong_owner(
            context,
            nbl,
            "A NET_BUFFER_LIST was indicated",
            INDICATE,
            "A miniport indicates a list again only when it has come back.",
        )
    if nbl.SourceHandle != stack.handle:
        wrong_link(
            context,
            nbl,
            f"A NET_BUFFER_LIST was indicated whose SourceHandle is {nbl.SourceHandle or 0:#x}; it must be the "
            f"adapter handle {stack.handle:#x}.",
        )
    if nbl.FirstNetBuffer is None or nbl.FirstNetBuffer.Next is not None:
        wrong_link(context, nbl, "On Ethernet a NET_BUFFER_LIST is indicated with exactly one NET_BUFFER.")


def _bad_return(context: Context, nbl: NET_BUFFER_LIST, received: int) -> None:
    if was_parent(context, nbl, received):
        return
    wrong_owner(
        context,
        nbl,
        "A NET_BUFFER_LIST was returned",
        RETURN,
        "A protocol returns each list that was indicated to this binding once, and none that it was only lent.",
    )


__all__ = [
    "NdisCancelSendNetBufferLists",
    "NdisGeneratePartialCancelId",
    "NdisMIndicateReceiveNetBufferLists",
    "NdisMSendNetBufferListsComplete",
    "NdisReturnNetBufferLists",
    "NdisSendNetBufferLists",
]
