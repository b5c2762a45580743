"""The edges of a compiled stack without its filters: how chains go between a miniport and its bindings.

Law: made when the stack is compiled, behind whatever else is put into it.  The looks are what a list is shown to that
is not as its edge expects it (hand_offs.py); whoever returns from one has found it to be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.ndis.buffers.ownership import is_send, was_parent, wrong_link, wrong_owner
from emulator.ndis.data_path import datapath_slow as slow
from emulator.ndis.data_path.hand_offs import ANY_SOURCE, Edge, hand_off
from emulator.ndis.data_path.ledger import COMPLETED, INDICATED, RETURNED, SENT
from emulator.ndis.data_path.stacks import NOWHERE
from emulator.rules.nbl import INDICATE, RETURN, SEND, SEND_COMPLETE

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Completer, Module
    from emulator.ndis.data_path.hand_offs import Look
    from emulator.ndis.data_path.stacks import Binding, HandOff, Stack


def connect(stack: Stack) -> None:
    """Make the edges of an adapter and of its bindings."""
    path, receiver = stack.path, stack.receiver
    complete = completing(stack, stack.sending, stack.only, look_at_complete)
    indicate = indicating(stack, stack.driver, stack.upper + INDICATED, receiver, look_at_indicate)
    stack.edges = complete, indicate._replace(source=stack.handle, single=True)
    stack.complete_up, stack.hand_up = (hand_off(path, edge) for edge in stack.edges)
    stack.own = None
    for binding in stack.bindings:
        below = binding.stack
        down = Edge(
            "NdisSendNetBufferLists",
            SEND,
            binding,
            below.send,
            below.context,
            owners=(binding.driver, below.sending),
            given=binding.counters + SENT,
            taken=below.counters + SENT,
            layer=binding.index,
            look=look_at_send,
            source=binding.handle,
            unusual=slow.unusual_send,
            refuses=binding.refuses,
        )
        back = Edge(
            "NdisReturnNetBufferLists",
            RETURN,
            binding,
            below.returns,
            below.context,
            owners=(binding.received, below.driver),
            given=binding.counters + RETURNED,
            taken=below.counters + RETURNED,
            layer=binding.index,
            look=look_at_return,
        )
        binding.hand_down, binding.return_down = hand_off(path, down), hand_off(path, back)


def own_hand_offs(stack: Stack) -> tuple[HandOff, HandOff]:
    """What completes and what indicates for NDIS itself, where no line of a driver's called: made when it is wanted."""
    if stack.own is None:
        complete, indicate = (hand_off(stack.path, edge, own=True) for edge in stack.edges)
        stack.own = complete, indicate
    return stack.own


def completing(view: Stack | Module, owner: int, only: Binding | Completer | None, look: Look) -> Edge:
    """What a layer completes, straight to the one that it can be for; without one each list is looked at."""
    return Edge(
        "NdisMSendNetBufferListsComplete",
        SEND_COMPLETE,
        view,
        only.complete if only is not None else NOWHERE,
        only.context if only is not None else None,
        owners=(owner, only.driver if only is not None else 0),
        given=view.upper + COMPLETED,
        taken=(only.counters if only is not None else view.upper) + COMPLETED,
        layer=only.index if only is not None else 0,
        look=look,
        source=only.handle if only is not None else ANY_SOURCE,
        unusual=slow.complete_by_source,
        refuses=only is None,
    )


def indicating(view: Stack | Module, owner: int, given: int, receiver: Binding | Module | None, look: Look) -> Edge:
    """What a layer indicates, straight to the one that wants all; without one each list is looked at."""
    return Edge(
        "NdisMIndicateReceiveNetBufferLists",
        INDICATE,
        view,
        receiver.receive if receiver is not None else NOWHERE,
        receiver.context if receiver is not None else None,
        owners=(owner, receiver.received if receiver is not None else owner),
        given=given,
        taken=(receiver.counters if receiver is not None else view.upper) + INDICATED,
        layer=receiver.index if receiver is not None else 0,
        look=look,
        source=ANY_SOURCE,
        unusual=slow.unusual_indicate,
        refuses=receiver is None,
    )


def look_at_send(context: Context, nbl: NET_BUFFER_LIST, binding: Binding) -> None:
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


def look_at_complete(context: Context, nbl: NET_BUFFER_LIST, stack: Stack) -> None:
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


def look_at_indicate(context: Context, nbl: NET_BUFFER_LIST, stack: Stack) -> None:
    """The stop of an indication; none where what derives from the list is why it is not the miniport's."""
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


def look_at_return(context: Context, nbl: NET_BUFFER_LIST, binding: Binding) -> None:
    """The stop of a return; none as of an indication."""
    if was_parent(context, nbl, binding.received):
        return
    wrong_owner(
        context,
        nbl,
        "A NET_BUFFER_LIST was returned",
        RETURN,
        "A protocol returns each list that was indicated to this binding once, and none that it was only lent.",
    )
