"""Closing an adapter: at once, or when nothing of the binding is outstanding any more.

Law: a binding that is being closed is found by what comes back to it alone; the close that pends is completed by the
request thread, so that a protocol may wait for it in ProtocolUnbindAdapterEx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.lanes import wake_lane
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.control_path import oid_lanes
from emulator.ndis.control_path.withdrawal import withdraw
from emulator.ndis.data_path import ledger
from emulator.ndis.gates.ddi import PROTOCOL, ddi
from emulator.ndis.headers.handles import BindingHandle
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.adapters import move_binding, publish_change, wait_for_acknowledgement
from emulator.ndis.plug_and_play.bindings import COMPLETED, WAITING, binding_of
from emulator.ndis.plug_and_play.registration import handler, protocol_of
from emulator.rules.irql import AT_PASSIVE
from emulator.rules.states import BindingEvent, BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",), releases="binding")
def NdisCloseAdapterEx(NdisBindingHandle: BindingHandle, /) -> NDIS_STATUS:
    """Close the binding.  FAILURE when it is not being unbound.

    PENDING while requests, sends or receives of it are outstanding: ProtocolCloseAdapterCompleteEx is called when they
    are not.  Either way the handle is of no use any more, and what the miniport was asked for on behalf of this
    binding (packet filter, multicast list, lookahead) is lowered to what the others want.
    """
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisCloseAdapterEx")
    if binding.state not in (BindingState.CLOSING, BindingState.OPENING):
        return NDIS_STATUS_FAILURE
    if in_use(context, NdisBindingHandle, binding):
        binding.closing = WAITING
        context.platform.fence()
        wake_lane(context, ContextKind.REQUESTS)
        return NDIS_STATUS_PENDING
    _close(context, NdisBindingHandle, binding)
    return NDIS_STATUS_SUCCESS


def in_use(context: Context, handle: int, binding: Any) -> bool:
    """Is something of a binding outstanding: a request of it, a list that it has sent or holds?"""
    machine = context.machine
    if ledger.binding_outstanding(machine, handle & INDEX_MASK):
        return True
    lanes = (lane for lane in oid_lanes.lanes(context) if not oid_lanes.idle(lane))
    return any(request.ndis_binding == handle for lane in lanes for request in oid_lanes.outstanding(context, lane))


def closable(context: Context) -> list[tuple[int, Any]]:
    """The bindings whose close pends and need not any more."""
    live = context.machine.objects[HandleKind.BINDING].live()
    return [each for each in live if each[1].closing == WAITING and not in_use(context, *each)]


def finish(context: Context) -> bool:
    """Complete the closes that were pending, in the request thread; True when there was one."""
    found = closable(context)
    for handle, binding in found:
        platform = context.platform
        platform.acquire(SystemLock.STACKS)
        mine = binding.closing == WAITING
        binding.closing = COMPLETED
        platform.release(SystemLock.STACKS)
        if not mine:
            continue
        driver, value = protocol_of(context, binding), decode(context, binding.context)
        _close(context, handle, binding)
        call(context, handler(driver, "CloseAdapterCompleteHandlerEx"), value)
        wake_lane(context, ContextKind.PNP)
    return bool(found)


def _close(context: Context, handle: int, binding: Any) -> None:
    adapter = context.machine.objects[HandleKind.ADAPTER].records[binding.adapter]
    if binding.state == BindingState.OPENING:
        adapter.opened = 0
        move_binding(context, adapter, binding, BindingEvent.BIND_FAILED)
    else:
        move_binding(context, adapter, binding, BindingEvent.UNBIND_COMPLETED)
    wait_for_acknowledgement(context)
    withdraw(context, adapter, binding)
    adapter.bindings -= 1
    context.machine.objects[HandleKind.BINDING].free(handle, site=context.site)
    publish_change(context, adapter)


__all__ = ["NdisCloseAdapterEx"]
