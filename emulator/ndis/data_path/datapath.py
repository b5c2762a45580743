"""The data path's DDI: send, complete, indicate, return, cancel.

Law: a call is a plain call of the next driver's handler in the caller's context (crossings.py).  The chain is walked
once (hand_offs.py), and counted for the layer that gives it and for the one that gets it; what is rare goes on in
datapath_slow.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
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
from emulator.ndis.data_path.guards import guard
from emulator.ndis.data_path.hand_offs import count_from, count_of, hand_back, hand_on, hand_up
from emulator.ndis.data_path.ledger import COMPLETED, INDICATED, RETURNED, SENT
from emulator.ndis.data_path.stacks import adapter_view, binding_view
from emulator.ndis.gates.ddi import FILTER, INTERMEDIATE, MINIPORT, PROTOCOL, GateKind, ddi
from emulator.ndis.headers.constants import (
    NDIS_RECEIVE_FLAGS_RESOURCES,
    NDIS_SEND_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_FLAGS_SINGLE_QUEUE,
)
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.stacks import Binding, Stack

_RULES = ("Irql_SendRcv_Function",)
SEND_FLAGS_RARE = ~(NDIS_SEND_FLAGS_DISPATCH_LEVEL | NDIS_SEND_FLAGS_SINGLE_QUEUE)
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
    if stack.checked:
        owners = binding.driver, stack.sending
        count, _ = hand_on(context, NetBufferLists, SEND, SendFlags, owners, NdisBindingHandle, _look_at_send, binding)
    else:
        count = count_of(NetBufferLists)
    if not count:
        return
    words, layer = stack.path.words, stack.counters
    words[binding.counters + SENT] += count
    words[layer + SENT] += count
    if binding.refuses or PortNumber or SendFlags & SEND_FLAGS_RARE:
        slow.unusual_send(context, binding, NetBufferLists, PortNumber, SendFlags)
    elif context.nesting >= NESTING_LIMIT:
        defer(context, SEND, binding.index, NetBufferLists, SendFlags)
    else:
        enter4(context, stack.send, stack.context, NetBufferLists, PortNumber, SendFlags)
        if stack.checked:
            guard(stack.path, NetBufferLists, stack.sending)


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
    source = only.handle if only is not None else 0
    if stack.checked:
        owners = stack.sending, only.driver if only is not None else 0
        count, same = hand_on(
            context, NetBufferList, SEND_COMPLETE, SendCompleteFlags, owners, source, _look_at_complete, stack
        )
    else:
        count, same = count_from(NetBufferList, source)
    if not count:
        return
    if only is None or not same:
        slow.complete_by_source(context, stack, NetBufferList, SendCompleteFlags)
        return
    words, layer = stack.path.words, only.counters
    words[layer + COMPLETED] += count
    words[stack.counters + COMPLETED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND_COMPLETE, only.index, NetBufferList, SendCompleteFlags)
    else:
        enter3(context, only.complete, only.context, NetBufferList, SendCompleteFlags)
        if stack.checked:
            guard(stack.path, NetBufferList, only.driver)


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
        owners = stack.driver, receiver.received if receiver is not None else stack.driver
        count = hand_up(context, NetBufferList, ReceiveFlags, owners, MiniportAdapterHandle, _look_at_indicate, stack)
        if count != NumberOfNetBufferLists:
            slow.wrong_number(context, NetBufferList, count, NumberOfNetBufferLists)
    if not NumberOfNetBufferLists:
        return
    if receiver is None or ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES or PortNumber:
        slow.unusual_indicate(context, stack, NetBufferList, PortNumber, ReceiveFlags)
        return
    words, layer = stack.path.words, receiver.counters
    words[stack.counters + INDICATED] += NumberOfNetBufferLists
    words[layer + INDICATED] += NumberOfNetBufferLists
    if context.nesting >= NESTING_LIMIT:
        defer(context, INDICATE, receiver.index, NetBufferList, ReceiveFlags)
    else:
        value = receiver.context
        enter5(context, receiver.receive, value, NetBufferList, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
        if stack.checked:
            guard(stack.path, NetBufferList, receiver.received)


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
    if stack.checked:
        count = hand_back(
            context, NetBufferLists, ReturnFlags, (binding.received, stack.driver), _look_at_return, binding
        )
    else:
        count = count_of(NetBufferLists)
    if not count:
        return
    words, layer = stack.path.words, stack.counters
    words[binding.counters + RETURNED] += count
    words[layer + RETURNED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, RETURN, binding.index, NetBufferLists, ReturnFlags)
    else:
        enter3(context, stack.returns, stack.context, NetBufferLists, ReturnFlags)
        if stack.checked:
            guard(stack.path, NetBufferLists, stack.driver)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES)
def NdisCancelSendNetBufferLists(NdisBindingHandle: BindingHandle, CancelId: Any, /) -> None:
    """Ask for sends with a cancel id to be completed with NDIS_STATUS_SEND_ABORTED, where they are still queued."""
    context = current.context
    below = binding_view(context, NdisBindingHandle, "NdisCancelSendNetBufferLists").stack
    cancel, value = below.cancels
    if cancel.function is not None:
        enter2(context, cancel, value, CancelId)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | FILTER, rules=("Irql_Miscellaneous_Function",))
def NdisGeneratePartialCancelId() -> int:
    """The byte for the highest place of a driver's cancel ids, which no other driver of the machine gets."""
    return _PARTIAL_IDS + current.context.driver % _PARTIAL_IDS


def _look_at_send(context: Context, nbl: NET_BUFFER_LIST, binding: Binding) -> None:
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


def _look_at_complete(context: Context, nbl: NET_BUFFER_LIST, stack: Stack) -> None:
    """The stop of a completion; none where an intermediate driver has back from below what came from above."""
    if nbl._owner == stack.sending or was_parent(context, nbl, stack.sending):
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


def _look_at_indicate(context: Context, nbl: NET_BUFFER_LIST, stack: Stack) -> None:
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


def _look_at_return(context: Context, nbl: NET_BUFFER_LIST, binding: Binding) -> None:
    if was_parent(context, nbl, binding.received):
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
