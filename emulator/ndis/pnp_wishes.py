"""What drivers ask the PnP thread to do: the restart of a filter module.

Law: asking is a word in the arena, at any IRQL up to DISPATCH_LEVEL; what is asked for is done by a PnP thread, one
thing at a time on each adapter, as if the host had asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.lanes import claim, operations_under_way, unclaim, wake_lane
from emulator.kernel.platform import current
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ContextKind
from emulator.ndis import pnp
from emulator.ndis.ddi import FILTER, ddi
from emulator.ndis.filter_modules import REACHABLE, module_of
from emulator.ndis.handles import FilterModuleHandle
from emulator.ndis.status import NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=("Irql_Filter_Driver_Function",))
def NdisFRestartFilter(NdisFilterHandle: FilterModuleHandle, /) -> NDIS_STATUS:
    """Ask for a pause and a restart of the stack of this module, whose FilterSetModuleOptions may change its handlers.

    FAILURE while it is attaching.  A paused stack is not restarted by this; it takes the new handlers when it is.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFRestartFilter")
    if module.state not in REACHABLE:
        return NDIS_STATUS_FAILURE
    module.restart_wanted = 1
    context.platform.fence()
    wake_lane(context, ContextKind.PNP)
    return NDIS_STATUS_SUCCESS


def pending(context: Context) -> bool:
    """Has a driver asked for something that may begin?"""
    begun = {entry.target for entry in operations_under_way(context.machine.arena)}
    adapters = context.machine.objects[HandleKind.ADAPTER].records
    modules = context.machine.objects[HandleKind.FILTER_MODULE].records
    return any(
        module.head.allocated
        and module.restart_wanted
        and not adapters[module.adapter].claimed
        and adapters[module.adapter].number not in begun
        for module in modules
    )


def serve(context: Context) -> bool:
    """Do one thing that a driver has asked for; False when there was none."""
    for _, module in context.machine.objects[HandleKind.FILTER_MODULE].live():
        handle = module.head.parent
        adapter = context.machine.objects[HandleKind.ADAPTER].records[handle & INDEX_MASK]
        if module.restart_wanted and claim(context, adapter):
            context.machine.services.round(context)
            module.restart_wanted = 0
            _restart(context, handle, adapter)
            unclaim(context, adapter)
            return True
    return False


def _restart(context: Context, handle: int, adapter: Any) -> None:
    if adapter.state == AdapterState.RUNNING:
        pnp.pause_stack(context, handle, adapter)
        pnp.restart_stack(context, handle, adapter)


__all__ = ["NdisFRestartFilter"]
