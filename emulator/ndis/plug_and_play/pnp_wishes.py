"""What drivers ask the PnP thread to do: to restart a filter module, to unbind, to bind again, to remove an adapter.

Law: asking is a word in the arena, at any IRQL up to DISPATCH_LEVEL; what is asked for is done by a PnP thread, one
thing at a time on each adapter, as if the host had asked.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.lanes import claim, operations_under_way, wake_lane
from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ContextKind
from emulator.ndis.gates.ddi import FILTER, MINIPORT, PROTOCOL, ddi
from emulator.ndis.gates.refusals import warn
from emulator.ndis.headers.constants import NDIS_PAUSE_UNBIND_PROTOCOL
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle, FilterModuleHandle, ProtocolDriverHandle
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play import idle, pnp
from emulator.ndis.plug_and_play.adapters import adapter_of, disclaim, object_of, text_of
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.ndis.plug_and_play.filter_modules import REACHABLE, module_of
from emulator.ndis.plug_and_play.pnp_bindings import bind, may_bind, pause_binding, restart_binding, unbind
from emulator.ndis.plug_and_play.registration import registrations
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import AdapterState, BindingState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.kernel.context import Context

    Act = Callable[[Context, int, Any], None]

VERIFIER, IRQL_FUNCTION = 0xC4, 0xE5
REMOVABLE: Final = (AdapterState.PAUSED, AdapterState.RESTARTING, AdapterState.RUNNING, AdapterState.PAUSING)
_NOT_FROM: Final = ("PROTOCOL_BIND_ADAPTER_EX", "PROTOCOL_UNBIND_ADAPTER_EX", "PROTOCOL_NET_PNP_EVENT")


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
    _wake(context)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisUnbindAdapter(NdisBindingHandle: BindingHandle, /) -> NDIS_STATUS:
    """Ask for the binding to be paused and unbound: ProtocolUnbindAdapterEx is called later, in a PnP thread."""
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisUnbindAdapter")
    binding.unbind_wanted = 1
    _wake(context)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Miscellaneous_Function", "NdisReEnumerateProtocolBindings"))
def NdisReEnumerateProtocolBindings(NdisProtocolHandle: ProtocolDriverHandle, /) -> None:
    """Ask to be bound to every adapter that is there and that the protocol is not bound to, later, in a PnP thread.

    0xC4/0xE5 (our choice) in ProtocolBindAdapterEx, in ProtocolUnbindAdapterEx and in ProtocolNetPnPEvent, whose
    binding context is never NULL here.
    """
    context = current.context
    protocol = object_of(context, NdisProtocolHandle, HandleKind.PROTOCOL_DRIVER, "NdisReEnumerateProtocolBindings")
    routine = context.machine.images.routines[context.callback] if context.callback else None
    if routine is not None and getattr(routine.role, "name", "") in _NOT_FROM:
        stop(
            VERIFIER,
            IRQL_FUNCTION,
            context.irql,
            NdisProtocolHandle,
            rule="NdisReEnumerateProtocolBindings",
            text=f"NdisReEnumerateProtocolBindings was called in {routine.role.name}, where it may not be.",
        )
    bound = {
        binding.adapter
        for _, binding in context.machine.objects[HandleKind.BINDING].live()
        if binding.protocol == NdisProtocolHandle
    }
    for handle, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if handle & INDEX_MASK not in bound and may_bind(context, adapter, protocol):
            protocol.wanted_adapters |= 1 << (handle & INDEX_MASK)
    _wake(context)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMRemoveMiniport(MiniportHandle: AdapterHandle, /) -> NDIS_STATUS:
    """Ask for the adapter, which has failed for good, to be stopped: MiniportHaltEx gets NdisHaltDeviceFailed.

    Then it is gone, as if it had been torn out.  FAILURE while it is initializing.
    """
    context = current.context
    adapter = adapter_of(context, MiniportHandle, "NdisMRemoveMiniport")
    if adapter.state not in REMOVABLE:
        return NDIS_STATUS_FAILURE
    adapter.removal_wanted = 1
    text = f"{text_of(adapter.name)} has failed and is removed, as its miniport wishes"
    warn(context, f"{text} (on Windows a live dump: 0x15E/1, reason 71)")
    _wake(context)
    return NDIS_STATUS_SUCCESS


def pending(context: Context) -> bool:
    """Has a driver asked for something that may begin?"""
    begun = {entry.target for entry in operations_under_way(context.machine.arena)}
    return any(not adapter.claimed and adapter.number not in begun for _, adapter, _ in _wishes(context))


def serve(context: Context) -> bool:
    """Do one thing that a driver has asked for; False when there was none."""
    for handle, adapter, act in _wishes(context):
        if claim(context, adapter):
            context.machine.services.round(context)
            if act is not idle.serve:
                idle.resume(context, handle, adapter)
            act(context, handle, adapter)
            disclaim(context, handle, adapter)
            return True
    return False


def _wishes(context: Context) -> Iterator[tuple[int, Any, Act]]:
    """What is wanted now: of which adapter, and what does it."""
    objects = context.machine.objects
    adapters = objects[HandleKind.ADAPTER].records
    for handle, adapter in objects[HandleKind.ADAPTER].live():
        if adapter.removal_wanted:
            yield handle, adapter, _remove
        if idle.wanted(adapter):
            yield handle, adapter, idle.serve
    for handle, binding in objects[HandleKind.BINDING].live():
        if binding.unbind_wanted and not binding.closing:
            yield binding.head.parent, adapters[binding.adapter], partial(_unbind, handle, binding)
    for handle, driver in registrations(context, HandleKind.PROTOCOL_DRIVER):
        for adapter_handle, adapter in objects[HandleKind.ADAPTER].live() if driver.wanted_adapters else ():
            if driver.wanted_adapters >> (adapter_handle & INDEX_MASK) & 1:
                yield adapter_handle, adapter, partial(_bind, handle, driver)
    for _, module in objects[HandleKind.FILTER_MODULE].live():
        if module.restart_wanted:
            yield module.head.parent, adapters[module.adapter], partial(_restart_module, module)


def _remove(context: Context, handle: int, adapter: Any) -> None:
    del handle
    adapter.removal_wanted = 0
    pnp.fail_adapter(context, adapter)


def _unbind(binding_handle: int, binding: Any, context: Context, handle: int, adapter: Any) -> None:
    """Unbind one protocol; the others go on.  One that is not open any more, or not yet, is left as it is."""
    del handle
    binding.unbind_wanted = 0
    pause_binding(context, adapter, binding_handle, binding, NDIS_PAUSE_UNBIND_PROTOCOL)
    if binding.state == BindingState.PAUSED:
        unbind(context, adapter, binding_handle, binding)


def _bind(driver_handle: int, driver: Any, context: Context, handle: int, adapter: Any) -> None:
    """Offer an adapter to a protocol that has asked for it, and restart the binding where the stack runs."""
    driver.wanted_adapters &= ~(1 << (handle & INDEX_MASK))
    if adapter.state not in (AdapterState.PAUSED, AdapterState.RUNNING) or not may_bind(context, adapter, driver):
        return
    before = [binding for binding, _ in pnp.bindings_of(context, handle)]
    if bind(context, handle, adapter, driver_handle, driver) and adapter.state == AdapterState.RUNNING:
        for binding_handle, binding in pnp.bindings_of(context, handle):
            if binding_handle not in before:
                restart_binding(context, adapter, binding)


def _restart_module(module: Any, context: Context, handle: int, adapter: Any) -> None:
    module.restart_wanted = 0
    if adapter.state == AdapterState.RUNNING:
        pnp.while_paused(context, handle, adapter, lambda: NDIS_STATUS_SUCCESS)


def _wake(context: Context) -> None:
    context.platform.fence()
    wake_lane(context, ContextKind.PNP)


__all__ = ["NdisFRestartFilter", "NdisMRemoveMiniport", "NdisReEnumerateProtocolBindings", "NdisUnbindAdapter"]
