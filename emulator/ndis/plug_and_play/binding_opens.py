"""Opens that pend: what NdisOpenAdapterEx has left is completed by the request thread, when its caller waits for it.

Law: until ProtocolOpenAdapterCompleteEx is called the binding's handle is of no use, and nothing looks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.calls import call
from emulator.kernel.lanes import wake_lane
from emulator.kernel.pointers import decode
from emulator.kernel.waits import look_until
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.headers.status import NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.registration import handler, protocol_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context

PATIENCE_NS: Final = 1_000_000_000
"""For so long a caller may have other things to do than to wait."""


def pends(context: Context, binding: Any) -> None:
    """Leave an open to the request thread."""
    binding.opening = context.slot + 1
    context.platform.fence()
    wake_lane(context, ContextKind.REQUESTS)


def pending(context: Context) -> list[Any]:
    """The bindings whose open pends."""
    return [binding for _, binding in context.machine.objects[HandleKind.BINDING].live() if binding.opening]


def finish(context: Context) -> bool:
    """Complete the opens that pend; True when there was one.

    Who has called NdisOpenAdapterEx is given the time to keep the handle that it returned: it waits, or has gone.
    """
    found = pending(context)
    for binding in found:
        _complete(context, binding, binding.opening - 1)
    return bool(found)


def _complete(context: Context, binding: Any, opener: int) -> None:
    platform, sleeping = context.platform, context.machine.arena.sleeping
    look_until(context, lambda: bool(sleeping[opener]), platform.now() + PATIENCE_NS)
    platform.acquire(SystemLock.STACKS)
    mine, binding.opening = binding.opening, 0
    platform.release(SystemLock.STACKS)
    if mine:
        routine = handler(protocol_of(context, binding), "OpenAdapterCompleteHandlerEx")
        call(context, routine, decode(context, binding.context), NDIS_STATUS_SUCCESS)
        wake_lane(context, ContextKind.PNP)
