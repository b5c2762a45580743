"""The data path's rare cases: refused sends, several bindings, lent lists, packet filters, calls that went on in a DPC.

Law: what the receiver of a lent list must leave as it found it is compared when it returns; what nobody wants goes back
to the miniport at once.

Where several bindings want a frame, all but the last are lent it (NDIS_RECEIVE_FLAGS_RESOURCES) and the last gets it:
our choice, the documents leave it to NDIS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import decode
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers.data_access import gather
from emulator.ndis.buffers.ownership import not_as_indicated, was_parent, wrong_link
from emulator.ndis.data_path.crossings import (
    FILTER_LAYER,
    FLAGS_MASK,
    LAYER_MASK,
    LAYER_SHIFT,
    NESTING_LIMIT,
    OPERATION_SHIFT,
    defer,
    enter3,
    enter4,
    enter5,
    not_implemented,
)
from emulator.ndis.data_path.hand_offs import count_of
from emulator.ndis.data_path.ledger import COMPLETED, INDICATED, RETURNED, SENT
from emulator.ndis.data_path.stacks import Binding, Stack, refresh
from emulator.ndis.headers.constants import (
    NDIS_PACKET_TYPE_ALL_LOCAL,
    NDIS_PACKET_TYPE_ALL_MULTICAST,
    NDIS_PACKET_TYPE_BROADCAST,
    NDIS_PACKET_TYPE_DIRECTED,
    NDIS_PACKET_TYPE_MULTICAST,
    NDIS_PACKET_TYPE_NO_LOCAL,
    NDIS_PACKET_TYPE_PROMISCUOUS,
    NDIS_RECEIVE_FLAGS_RESOURCES,
    NDIS_RETURN_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_FLAGS_CHECK_FOR_LOOPBACK,
    NDIS_SEND_FLAGS_SWITCH_DESTINATION_GROUP,
    NDIS_SEND_FLAGS_SWITCH_SINGLE_SOURCE,
)
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.ports import refusal
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.rules.nbl import INDICATE, RETURN, SEND, SEND_COMPLETE

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER, NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Below, Module

WARNING = 30
_BROADCAST = b"\xff" * 6
SWITCH_FLAGS = NDIS_SEND_FLAGS_SWITCH_DESTINATION_GROUP | NDIS_SEND_FLAGS_SWITCH_SINGLE_SOURCE


def unusual_send(context: Context, binding: Binding, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
    """A send that cannot go straight down: refused because of a state or a port, or asking for what is not there."""
    if flags & SWITCH_FLAGS:
        not_implemented("NdisSendNetBufferLists", "flags of the extensible switch")
    stack, words, count = binding.stack, binding.stack.path.words, count_of(first)
    words[binding.counters + SENT] += count
    words[stack.counters + SENT] += count
    refused = NDIS_STATUS_PAUSED if binding.refuses else refusal(binding.base.ports, port)
    if refused == NDIS_STATUS_SUCCESS:
        send_down(context, stack, binding.base, first, port, flags)
        return
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        nbl.Status = refused
        if stack.checked:
            nbl._owner = binding.driver
        nbl = nbl.Next
    words[stack.counters + COMPLETED] += count
    complete(context, binding, first, count, at_dispatch(context, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL))


def send_down(
    context: Context, below: Below | Stack, base: Stack, first: NET_BUFFER_LIST, port: int, flags: int
) -> None:
    """A send to the next layer; where that is the miniport, what the sender wants back is looped back first."""
    if flags & NDIS_SEND_FLAGS_CHECK_FOR_LOOPBACK and below.sending == base.sending and not base.loops:
        from emulator.ndis.data_path.loopback import loop_back

        loop_back(context, base, first, port, flags)
    enter4(context, below.send, below.context, first, port, flags)


def complete_by_source(context: Context, stack: Stack | Module, first: NET_BUFFER_LIST, flags: int) -> None:
    """Lists that a layer completes: to the next filter, or to their bindings in one chain each, in their order."""
    module = stack.completer
    if module is not None:
        count = 0
        own: NET_BUFFER_LIST | None = first
        while own is not None:
            own._owner = module.image if own.SourceHandle == module.handle else module.driver
            count += 1
            own = own.Next
        stack.path.words[stack.upper + COMPLETED] += count
        complete(context, module, first, count, flags)
        return
    chains: dict[int, list[NET_BUFFER_LIST]] = {}
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        chains.setdefault(nbl.SourceHandle or 0, []).append(nbl)
        nbl = nbl.Next
    views = stack.path.views
    for source, lists in chains.items():
        binding = views.get(source)
        if not isinstance(binding, Binding) or binding.base is not stack.base:
            wrong_link(
                context,
                lists[0],
                f"A NET_BUFFER_LIST was completed whose SourceHandle is {source:#x}, no binding of this adapter. The "
                "miniport leaves SourceHandle as it came.",
            )
        _link(lists)
        if stack.checked:
            for nbl in lists:
                nbl._owner = binding.driver
        stack.path.words[stack.upper + COMPLETED] += len(lists)
        complete(context, binding, lists[0], len(lists), flags)


def unusual_indicate(context: Context, stack: Stack | Module, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
    """An indication that is lent, or of another port, or that no or several bindings want, or that filters divide."""
    closed = refusal(stack.base.ports, port) != NDIS_STATUS_SUCCESS
    if closed:
        context.platform.log(WARNING, "ndis", f"frames were indicated with port {port}, which is not active")
    lists: list[NET_BUFFER_LIST] = []
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        lists.append(nbl)
        nbl = nbl.Next
    words = stack.path.words
    if flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        # A miniport's lists have been marked as the receiver's already; a filter's have the owners that they came with.
        owners = [stack.driver] * len(lists) if isinstance(stack, Stack) else [nbl._owner for nbl in lists]
        for taker, mine in () if closed else _takers(context, stack, lists):
            _lend(context, stack, taker, mine, port, flags, owners)
        if stack.checked:
            for nbl, owner in zip(lists, owners, strict=True):
                nbl._owner = owner
        return
    words[stack.upper + INDICATED if isinstance(stack, Stack) else stack.indicated] += len(lists)
    wanted = [] if closed else _takers(context, stack, lists)
    nobody = _give(context, stack, wanted, lists, port, flags)
    if not nobody:
        return
    _link(nobody)
    turn = stack.turn
    if stack.checked:
        for nbl in nobody:
            nbl._owner = turn.driver
    words[turn.counters + RETURNED] += len(nobody)
    _return(context, turn, nobody[0], at_dispatch(context, NDIS_RETURN_FLAGS_DISPATCH_LEVEL))


def _give(
    context: Context,
    stack: Stack | Module,
    wanted: list[tuple[Binding | Module, list[NET_BUFFER_LIST]]],
    lists: list[NET_BUFFER_LIST],
    port: int,
    flags: int,
) -> list[NET_BUFFER_LIST]:
    """Give each list to the last binding that wants it and lend it to the others; those that nobody wants."""
    keeper = {id(nbl): binding for binding, mine in wanted for nbl in mine}
    for binding, mine in wanted:
        others = [nbl for nbl in mine if keeper[id(nbl)] is not binding]
        if others:
            _lend(context, stack, binding, others, port, flags, [nbl._owner for nbl in others])
    nobody = [nbl for nbl in lists if id(nbl) not in keeper]
    given = [(binding, [nbl for nbl in mine if keeper[id(nbl)] is binding]) for binding, mine in wanted]
    for binding, kept in given:
        if not kept:
            continue
        _link(kept)
        if stack.checked:
            for nbl in kept:
                nbl._owner = binding.received
        stack.path.words[binding.counters + INDICATED] += len(kept)
        if context.nesting >= NESTING_LIMIT and not port:
            defer(context, INDICATE, binding.index, kept[0], flags)
        else:
            _receive(context, binding, kept[0], len(kept), flags, port)
    return nobody


def run_nested(context: Context, target: int, argument: int) -> None:
    """A call that was nested too deep goes on (DeferredKind.NESTED_CALL): owners and counts are set already."""
    operation, layer = target >> OPERATION_SHIFT, target >> LAYER_SHIFT & LAYER_MASK
    flags = target & FLAGS_MASK
    refresh(context)
    first: NET_BUFFER_LIST = decode(context, argument)
    views: dict[int, Any] = context.datapath.modules if layer & FILTER_LAYER else context.datapath.views
    binding = next((view for view in views.values() if _is(view, layer)), None)
    if binding is None:
        wrong_link(context, first, "A call that was put off reached a binding that is closed.")
    stack = binding.stack
    at_dispatch = flags | 1
    if operation == SEND:
        enter4(context, stack.send, stack.context, first, 0, at_dispatch)
    elif operation == SEND_COMPLETE:
        enter3(context, binding.complete, binding.context, first, at_dispatch)
    elif operation == INDICATE:
        _receive(context, binding, first, count_of(first), at_dispatch)
    elif operation == RETURN:
        _return(context, stack, first, at_dispatch)


def _is(view: object, layer: int) -> bool:
    return not isinstance(view, Stack) and getattr(view, "index", -1) == layer


def complete(context: Context, binding: Binding | Module, first: NET_BUFFER_LIST, count: int, flags: int) -> None:
    """Call the send completion handler of a binding or a filter module."""
    context.datapath.words[binding.counters + COMPLETED] += count
    if context.nesting >= NESTING_LIMIT:
        defer(context, SEND_COMPLETE, binding.index, first, flags)
        return
    enter3(context, binding.complete, binding.context, first, flags)


def _receive(
    context: Context, binding: Binding | Module, first: NET_BUFFER_LIST, count: int, flags: int, port: int = 0
) -> None:
    enter5(context, binding.receive, binding.context, first, port, count, flags)


def _return(context: Context, stack: Below | Stack, first: NET_BUFFER_LIST, flags: int) -> None:
    enter3(context, stack.returns, stack.context, first, flags)


def _lend(
    context: Context,
    stack: Stack | Module,
    binding: Binding | Module,
    lists: list[NET_BUFFER_LIST],
    port: int,
    flags: int,
    owners: list[int],
) -> None:
    _link(lists)
    before = []
    for nbl in lists:
        nbl._owner = binding.lent
        buffer = nbl.FirstNetBuffer
        assert buffer is not None
        before.append(shape_of(buffer))
    _receive(context, binding, lists[0], len(lists), flags | NDIS_RECEIVE_FLAGS_RESOURCES, port)
    if not stack.checked:
        return
    for place, nbl in enumerate(lists):
        following = lists[place + 1] if place + 1 < len(lists) else None
        buffer = nbl.FirstNetBuffer
        if nbl._owner != binding.lent and not was_parent(context, nbl, binding.lent):
            not_as_indicated(context, nbl, "A NET_BUFFER_LIST that was only lent has been handed on.")
        if nbl.Next is not following:
            not_as_indicated(context, nbl, "The chain of lent NET_BUFFER_LISTs came back with other links.")
        if buffer is None or before[place] != shape_of(buffer):
            not_as_indicated(context, nbl, "A lent NET_BUFFER_LIST came back with other data than it was lent with.")
        nbl._owner = owners[place]


def shape_of(buffer: NET_BUFFER) -> tuple[Any, ...]:
    """All that a receiver of a lent list must leave as it found it: links, offsets, and the chain of MDLs."""
    parts = []
    mdl = buffer.MdlChain
    while mdl is not None:
        parts.append((mdl, mdl.ByteCount))
        mdl = mdl.Next
    return buffer, buffer.Next, buffer.DataOffset, buffer.DataLength, buffer.CurrentMdl, parts


def _takers(
    context: Context, stack: Stack | Module, lists: list[NET_BUFFER_LIST]
) -> list[tuple[Binding | Module, list[NET_BUFFER_LIST]]]:
    """Who gets which lists: the next filter module that receives gets them all, else the bindings what they want."""
    return [(stack.taker, lists)] if stack.taker is not None else _divide(context, stack, lists)


def _divide(
    context: Context, stack: Stack | Module, lists: list[NET_BUFFER_LIST]
) -> list[tuple[Binding | Module, list[NET_BUFFER_LIST]]]:
    """Which binding wants which lists; a filter is looked at only where the bindings' filters differ."""
    receivers = [binding for binding in stack.receivers if binding.receive.function is not None]
    looping = context.datapath.looping
    if looping is not None:
        sender, checks = looping
        receivers = [
            binding
            for binding in receivers
            if (checks if binding.handle == sender else not binding.filter & NDIS_PACKET_TYPE_NO_LOCAL)
        ]
    if not receivers:
        return []
    adapter = context.machine.objects[HandleKind.ADAPTER].records[stack.base.index]
    if all(binding.filter == adapter.packet_filter for binding in receivers):
        return [(binding, lists) for binding in receivers]
    own = bytes(adapter.current_address)
    divided: list[tuple[Binding | Module, list[NET_BUFFER_LIST]]] = []
    for binding in receivers:
        mine = [nbl for nbl in lists if _wants(context, binding, nbl, own)]
        if mine:
            divided.append((binding, mine))
    return divided


def _wants(context: Context, binding: Binding, nbl: NET_BUFFER_LIST, own: bytes) -> bool:
    wanted = binding.filter
    looped = context.datapath.looping is not None and wanted & NDIS_PACKET_TYPE_ALL_LOCAL
    if wanted & NDIS_PACKET_TYPE_PROMISCUOUS or looped:
        return True
    record = context.machine.objects[HandleKind.BINDING].records[binding.index]
    return nbl.FirstNetBuffer is not None and _is_for(nbl.FirstNetBuffer, wanted, own, [record])


def accepts(context: Context, adapter: Any, buffer: NET_BUFFER) -> bool:
    """Would the adapter receive this frame, by the packet filter and the addresses of all its bindings?"""
    wanted: int = adapter.packet_filter
    if wanted & (NDIS_PACKET_TYPE_PROMISCUOUS | NDIS_PACKET_TYPE_ALL_LOCAL):
        return True
    live = context.machine.objects[HandleKind.BINDING].live()
    table = context.machine.objects[HandleKind.ADAPTER].records
    bindings = [binding for _, binding in live if table[binding.adapter] is adapter]
    return _is_for(buffer, wanted, bytes(adapter.current_address), bindings)


def _is_for(buffer: NET_BUFFER, wanted: int, own: bytes, bindings: list[Any]) -> bool:
    """Does a packet filter with an address and the multicast lists of bindings let a frame through?"""
    data = bytearray(6)
    if buffer.DataLength < len(data):
        return False
    gather(buffer, 0, memoryview(data))
    target = bytes(data)
    if target == _BROADCAST:
        return wanted & NDIS_PACKET_TYPE_BROADCAST != 0
    if target[0] & 1:
        if wanted & NDIS_PACKET_TYPE_ALL_MULTICAST:
            return True
        if not wanted & NDIS_PACKET_TYPE_MULTICAST:
            return False
        lists = [bytes(binding.multicast)[: 6 * binding.multicast_count] for binding in bindings]
        return any(known[at : at + 6] == target for known in lists for at in range(0, len(known), 6))
    return wanted & NDIS_PACKET_TYPE_DIRECTED != 0 and target == own


def _link(lists: list[NET_BUFFER_LIST]) -> None:
    for place in range(len(lists) - 1):
        lists[place].Next = lists[place + 1]
    lists[-1].Next = None


def at_dispatch(context: Context, flag: int) -> int:
    """A flag that claims DISPATCH_LEVEL, where it is true."""
    return flag if context.irql == DISPATCH_LEVEL else 0
