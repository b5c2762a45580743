"""Poll objects as a processor serves them: NdisPoll until nothing comes of it, then the driver has its interrupt back.

Law: an object is scheduled on one processor at a time, so its callbacks never run beside each other.  A DPC polls until
the budget is used up; what is left waits for the next round, in which timers and other DPCs have their turn.  A request
is marked; the mark is cleared before the poll that answers it and looked at after the interrupt has been given back, so
what comes in between is never lost.  What the driver gives is indicated and completed by the code that a driver's own
call would run, in the name of the driver and of its NdisPoll.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from emulator.kernel.calls import caller
from emulator.kernel.dpc import queue_dpc
from emulator.kernel.pointers import decode
from emulator.kernel.sites import site_at
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ENTERED_CELL, ROUTINE_CELL
from emulator.layout.polls import ANY_PROCESSOR
from emulator.ndis.data_path.edges import own_hand_offs
from emulator.ndis.data_path.hand_offs import count_of
from emulator.ndis.data_path.stacks import adapter_view
from emulator.ndis.deferred_work.deferred import DeferredKind
from emulator.ndis.gates.returned_status import code_of, where_it_begins
from emulator.ndis.headers.constants import (
    NDIS_ANY_NUMBER_OF_NBLS,
    NDIS_DEFAULT_PORT_NUMBER,
    NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL,
    NDIS_RECEIVE_FLAGS_PERFECT_FILTERED,
    NDIS_RECEIVE_FLAGS_SHARED_MEMORY_INFO_VALID,
    NDIS_RECEIVE_FLAGS_SINGLE_ETHER_TYPE,
    NDIS_RECEIVE_FLAGS_SINGLE_QUEUE,
    NDIS_RECEIVE_FLAGS_SINGLE_VLAN,
    NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL,
    NDIS_SEND_COMPLETE_FLAGS_SINGLE_QUEUE,
    NDIS_SEND_COMPLETE_FLAGS_SWITCH_SINGLE_SOURCE,
)
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.structures_common import header_of
from emulator.ndis.headers.structures_poll import NDIS_POLL_DATA, NDIS_POLL_NOTIFICATION
from emulator.rules.irql import DISPATCH_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.stacks import Stack

POLL_BUDGET: Final = 64
"""Lists that may be indicated, and as many that may be completed, before the processor serves something else."""
RECEIVE_FLAGS: Final = (
    NDIS_RECEIVE_FLAGS_SINGLE_ETHER_TYPE
    | NDIS_RECEIVE_FLAGS_SINGLE_VLAN
    | NDIS_RECEIVE_FLAGS_PERFECT_FILTERED
    | NDIS_RECEIVE_FLAGS_SINGLE_QUEUE
    | NDIS_RECEIVE_FLAGS_SHARED_MEMORY_INFO_VALID
)
COMPLETE_FLAGS: Final = NDIS_SEND_COMPLETE_FLAGS_SINGLE_QUEUE | NDIS_SEND_COMPLETE_FLAGS_SWITCH_SINGLE_SOURCE
_COMPILED: Final = "polls"


class _Poll(NamedTuple):
    """A Poll object that this processor serves, compiled."""

    handle: int
    record: Any
    adapter: AdapterHandle
    mark: int
    poll: Callable[[NDIS_POLL_DATA], Any]
    notify: Callable[[NDIS_POLL_NOTIFICATION], Any]
    data: NDIS_POLL_DATA
    notification: NDIS_POLL_NOTIFICATION
    site: int
    receives: int
    sends: int


def schedule(context: Context, poll: Any, handle: int) -> None:
    """Queue the object to its processor, or to this one; whoever does that has set ``scheduled``."""
    processor = context.processor if poll.processor == ANY_PROCESSOR else poll.processor
    queue_dpc(context, processor, DeferredKind.POLL, handle & INDEX_MASK, handle)


def run_poll(context: Context, index: int, handle: int) -> None:
    """One turn of a Poll object (DeferredKind.POLL)."""
    record = context.machine.objects[HandleKind.POLL].find(handle, HandleKind.POLL)
    if record is None:
        return  # asked for while it was deregistered
    if record.processor not in (ANY_PROCESSOR, context.processor):
        schedule(context, record, handle)
        return
    poll = _compiled(context, index, handle, record)
    exchange = context.platform.exchange
    receives, sends = poll.receives, poll.sends
    while not record.closing:
        exchange(record.requested, 0)
        received, sent = _poll_once(context, poll)
        receives -= received
        sends -= sent
        if received or sent:
            if receives > 0 and sends > 0 and record.processor in (ANY_PROCESSOR, context.processor):
                continue
        elif not record.requested.value:
            poll.notification.Enabled = True
            poll.notify(poll.notification)
            break
        schedule(context, record, handle)
        return
    _rest(context, record, handle)


def _rest(context: Context, record: Any, handle: int) -> None:
    """Nobody polls any more, unless somebody has asked for it since the last poll began."""
    exchange = context.platform.exchange
    exchange(record.scheduled, 0)
    if record.requested.value and not record.closing and not exchange(record.scheduled, 1):
        schedule(context, record, handle)


def _poll_once(context: Context, poll: _Poll) -> tuple[int, int]:
    """Call NdisPoll, and pass on what it gives: how many lists were indicated, and how many completed."""
    data = poll.data
    receive, transmit = data.Receive, data.Transmit
    receive.MaxNblsToIndicate, transmit.MaxNblsToComplete = poll.receives, poll.sends
    receive.IndicatedNblChain = transmit.CompletedNblChain = None
    receive.NumberOfIndicatedNbls = receive.NumberOfRemainingNbls = receive.Flags = 0
    transmit.NumberOfCompletedNbls = transmit.NumberOfRemainingNbls = transmit.SendCompleteFlags = 0
    poll.poll(data)
    # What the driver gives is passed on as if NdisPoll were still in progress: a stop is about it, and what the drivers
    # above do is in the watchdog's sight.
    cells = context.cells
    cells[ROUTINE_CELL] = poll.mark
    cells[ENTERED_CELL], context.site = context.platform.now(), poll.site
    taken = _pass_on(context, poll)
    cells[ROUTINE_CELL] = cells[ENTERED_CELL] = 0
    return taken


def _pass_on(context: Context, poll: _Poll) -> tuple[int, int]:
    """Complete and indicate what NdisPoll has left: how many lists were indicated, and how many completed."""
    receive, transmit = poll.data.Receive, poll.data.Transmit
    completed, indicated = transmit.CompletedNblChain, receive.IndicatedNblChain
    # Not kept: who holds a list that has been passed on would keep it from those that it belongs to.
    receive.IndicatedNblChain = transmit.CompletedNblChain = None
    sent, received = transmit.NumberOfCompletedNbls, receive.NumberOfIndicatedNbls
    checked = context.machine.checked
    if checked or sent == NDIS_ANY_NUMBER_OF_NBLS:
        sent = _counted(context, poll, completed, sent, poll.sends, "Completed")
    if checked or received == NDIS_ANY_NUMBER_OF_NBLS:
        received = _counted(context, poll, indicated, received, poll.receives, "Indicated")
    if checked and (receive.Flags & ~RECEIVE_FLAGS or transmit.SendCompleteFlags & ~COMPLETE_FLAGS):
        _wrong_flags(context, poll)
    if completed is None:
        sent = 0
    else:
        flags = transmit.SendCompleteFlags | NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL
        _complete_polled(adapter_view(context, poll.adapter, "NdisPoll"), completed, flags)
    if indicated is None:
        received = 0
    else:
        flags = receive.Flags | NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL
        _indicate_polled(adapter_view(context, poll.adapter, "NdisPoll"), indicated, received, flags)
    return received, sent


def _complete_polled(stack: Stack, chain: NET_BUFFER_LIST, flags: int) -> None:
    own_hand_offs(stack)[0](chain, flags)


def _indicate_polled(stack: Stack, chain: NET_BUFFER_LIST, number: int, flags: int) -> None:
    own_hand_offs(stack)[1](chain, NDIS_DEFAULT_PORT_NUMBER, number, flags)


def _counted(context: Context, poll: _Poll, chain: NET_BUFFER_LIST | None, said: int, most: int, what: str) -> int:
    """How many lists the driver gave; a stop where it said another number, or gave more than it may."""
    found = count_of(chain)
    if context.machine.checked:
        if said not in (found, NDIS_ANY_NUMBER_OF_NBLS):
            _wrong(context, poll, said, f"says NumberOf{what}Nbls is {said}, and {what}NblChain has {found} lists")
        if found > most:
            limit = "MaxNblsToComplete" if what == "Completed" else "MaxNblsToIndicate"
            _wrong(context, poll, found, f"gave {found} lists in {what}NblChain, and {limit} is {most}")
    return found


def _wrong_flags(context: Context, poll: _Poll) -> NoReturn:
    member, flags, known = "Receive.Flags", poll.data.Receive.Flags, RECEIVE_FLAGS
    if not flags & ~known:
        member, flags, known = "Transmit.SendCompleteFlags", poll.data.Transmit.SendCompleteFlags, COMPLETE_FLAGS
    _wrong(context, poll, flags, f"set {member} to 0x{flags:X}; only 0x{known:X} may be set here")


def _wrong(context: Context, poll: _Poll, value: int, text: str) -> NoReturn:
    """0xC4/0xE5 (our choice): what NdisPoll left behind cannot be."""
    routine = poll.record.poll
    stop(
        0xC4,
        0xE5,
        value,
        poll.handle,
        text=f"{context.machine.images.routine_name(routine)} {text}.",
        sites=[site_of(context, "registered", poll.record.head.allocated_site)],
        frames=[where_it_begins(context, routine)],
    )


def _compiled(context: Context, index: int, handle: int, record: Any) -> _Poll:
    polls: dict[int, _Poll] = context.memory.setdefault(_COMPILED, {})
    poll = polls.get(index)
    if poll is None or poll.handle != handle:
        value = decode(context, record.context)
        poll = polls[index] = _Poll(
            handle=handle,
            record=record,
            adapter=AdapterHandle(record.head.parent),
            mark=context.machine.images.marks[record.poll],
            poll=caller(context, record.poll, DISPATCH_LEVEL, value),
            notify=caller(context, record.notification, DISPATCH_LEVEL, value),
            data=NDIS_POLL_DATA(Header=header_of("NDIS_POLL_DATA", 1)),
            notification=NDIS_POLL_NOTIFICATION(Header=header_of("NDIS_POLL_NOTIFICATION", 1)),
            site=site_at(context, code_of(context, record.poll), 0) if context.machine.checked else 0,
            receives=context.machine.geometry.receive_throttle or POLL_BUDGET,
            sends=POLL_BUDGET,
        )
    return poll
