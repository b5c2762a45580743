"""Sends to an adapter that is suspended, or is about to be: NDIS keeps them until it is awake, and has it woken up.

Law: they are kept by a processor, whose DPC sends them on when the stack is compiled anew; a passive context hands its
own over at once.  The miniport's counters have them already, so that whoever pauses waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.dpc import queue_dpc
from emulator.kernel.pointers import decode, encode
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind
from emulator.ndis.control_path.oid_lanes import is_idle, wake_up
from emulator.ndis.data_path.crossings import enter4
from emulator.ndis.data_path.stacks import Stack, refresh
from emulator.ndis.deferred_work.deferred import DeferredKind

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

_HELD: Final = "held sends"
_PORT_SHIFT, _INDEX_MASK = 8, 0xFF
_DISPATCH_LEVEL: Final = 1


def install(stack: Stack) -> None:
    """Keep what this stack's miniport is to send; outermost, so that whatever else sees a send sees it once."""
    context, target, index = stack.path.context, stack.send, stack.index

    def hold(value: Any, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
        del value, flags
        if context.kind is ContextKind.PROCESSOR:
            context.memory.setdefault(_HELD, []).append((index, port, first))
        else:
            _hand_over(context, index, port, first)
        wake_up(context, _record(context, index))

    if target.function is not None:
        stack.send = target.around(hold)


def release(context: Context) -> None:
    """The stacks have been compiled anew: what need not wait any more is sent by this processor's DPC."""
    held = context.memory.get(_HELD)
    if not held:
        return
    context.memory[_HELD] = [each for each in held if is_idle(_record(context, each[0]))]
    for index, port, first in held:
        if not is_idle(_record(context, index)):
            _hand_over(context, index, port, first)


def run(context: Context, target: int, argument: int) -> None:
    """Send on what was kept, or keep it again (DeferredKind.HELD_SEND)."""
    refresh(context)
    index = target & _INDEX_MASK
    stack = next(view for view in context.datapath.adapters.values() if view.index == index)
    first, port = decode(context, argument), target >> _PORT_SHIFT
    enter4(context, stack.send, stack.context, first, port, _DISPATCH_LEVEL)


def _hand_over(context: Context, index: int, port: int, first: NET_BUFFER_LIST) -> None:
    queue_dpc(context, context.processor, DeferredKind.HELD_SEND, port << _PORT_SHIFT | index, encode(context, first))


def _record(context: Context, index: int) -> Any:
    return context.machine.objects[HandleKind.ADAPTER].records[index]
