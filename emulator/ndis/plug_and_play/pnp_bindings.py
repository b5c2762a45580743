"""Protocol bindings in the PnP thread: bind, restart, pause, unbind.

Law: as pnp.py: one operation at a time on an adapter; a binding is unbound while it is paused, and is gone when both
its unbind and its close are complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import decode
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.data_path import ledger
from emulator.ndis.gates.refusals import warn
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play.adapters import move_binding, text_of, wait_for_acknowledgement
from emulator.ndis.plug_and_play.binding_choice import is_chosen
from emulator.ndis.plug_and_play.bindings import COMPLETED, begin_operation, completed_and_returned, end_operation
from emulator.ndis.plug_and_play.pnp_calls import WATCHDOG_PROTOCOL_PNP, protocol_event
from emulator.ndis.plug_and_play.pnp_structures import bind_parameters, pause_event, restart_event
from emulator.ndis.plug_and_play.pnp_waits import await_completion, drain, signed
from emulator.ndis.plug_and_play.registration import UNINSTALLED, handler, protocol_of, registrations
from emulator.rules.states import BindingEvent, BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context

WATCHDOG_PROTOCOL_PAUSE, WATCHDOG_PROTOCOL_UNBIND = 0x01, 0x04


def may_bind(context: Context, adapter: Any, protocol: Any) -> bool:
    """Is a protocol meant for an adapter: chosen for it, not uninstalled, and not the lower half of its own driver?

    None is as long as the adapter's default port is not active.
    """
    own = protocol.associate == adapter.head.parent
    chosen = adapter.default_port and is_chosen(context, protocol.image, adapter)
    return protocol.state != UNINSTALLED and bool(chosen) and not own


def protocols(context: Context) -> list[tuple[int, Any]]:
    """Registered protocol drivers, in the order of registration."""
    return registrations(context, HandleKind.PROTOCOL_DRIVER)


def pause_binding(context: Context, adapter: Any, binding_handle: int, binding: Any, reason: int) -> None:
    """Pause a binding that runs, and wait for what it has sent or holds."""
    if binding.state != BindingState.RUNNING:
        return
    machine, place = context.machine, binding_handle & INDEX_MASK
    move_binding(context, adapter, binding, BindingEvent.PAUSE_CALLED)
    wait_for_acknowledgement(context)
    protocol_event(context, binding, pause_event(reason))
    drain(
        context,
        lambda: ledger.binding_outstanding(machine, place) == 0,
        WATCHDOG_PROTOCOL_PAUSE,
        binding.head.parent,
        "a protocol's pause",
    )
    move_binding(context, adapter, binding, BindingEvent.PAUSE_COMPLETED)


def restart_binding(context: Context, adapter: Any, binding: Any) -> None:
    """Restart a paused binding; one that fails stays paused."""
    move_binding(context, adapter, binding, BindingEvent.RESTART_CALLED)
    succeeded = protocol_event(context, binding, restart_event(context, adapter)) == NDIS_STATUS_SUCCESS
    event = BindingEvent.RESTART_SUCCEEDED if succeeded else BindingEvent.RESTART_FAILED
    move_binding(context, adapter, binding, event)


def bind(context: Context, adapter_handle: int, adapter: Any, protocol_handle: int, protocol: Any) -> bool:
    """Offer the adapter to a protocol; True when it opened it."""
    bind_context = begin_operation(context, adapter, HandleKind.BIND_CONTEXT, adapter_handle, protocol_handle)
    routine = handler(protocol, "BindAdapterHandlerEx")
    status = call_for_status(
        context,
        routine,
        decode(context, protocol.context),
        bind_context,
        bind_parameters(context, adapter, protocol),
    )
    if status == NDIS_STATUS_PENDING:
        await_completion(
            context,
            adapter,
            WATCHDOG_PROTOCOL_PNP,
            adapter_handle,
            "ProtocolBindAdapterEx",
            protocol.image,
            "NdisCompleteBindAdapterEx",
        )
        status = NDIS_STATUS(signed(adapter.restart_status))
    elif adapter.completion == COMPLETED:
        completed_and_returned("ProtocolBindAdapterEx", bind_context)
    _await_open(context, adapter.opened, adapter_handle)
    _await_close(context, adapter.opened, adapter_handle)
    opened = end_operation(context, adapter)
    name = text_of(protocol.name)
    binding = context.machine.objects[HandleKind.BINDING].find(opened, HandleKind.BINDING)
    if status != NDIS_STATUS_SUCCESS and binding is not None:
        stop(
            0x7C,
            0x16,
            protocol_handle,
            bind_context,
            opened,
            text=f"The bind failed with {status_name(status)} and the adapter is still open: NdisCloseAdapterEx was "
            "not called.",
            sites=[site_of(context, "opened", binding.head.allocated_site)],
        )
    if status != NDIS_STATUS_SUCCESS or binding is None:
        text = f"{name} did not bind to {text_of(adapter.name)}: {status_name(status)}"
        warn(context, text)
        return False
    move_binding(context, adapter, binding, BindingEvent.BIND_SUCCEEDED)
    return True


def unbind(context: Context, adapter: Any, binding_handle: int, binding: Any) -> None:
    """Take the adapter away from a protocol; it closes the binding."""
    move_binding(context, adapter, binding, BindingEvent.UNBIND_CALLED)
    protocol = protocol_of(context, binding)
    parent = binding.head.parent
    unbind_context = begin_operation(context, adapter, HandleKind.UNBIND_CONTEXT, parent, binding.protocol)
    routine = handler(protocol, "UnbindAdapterHandlerEx")
    status = call_for_status(context, routine, unbind_context, decode(context, binding.context))
    if status == NDIS_STATUS_PENDING:
        driver = binding.head.driver
        what, completion = "ProtocolUnbindAdapterEx", "NdisCompleteUnbindAdapterEx"
        await_completion(context, adapter, WATCHDOG_PROTOCOL_UNBIND, parent, what, driver, completion)
    elif adapter.completion == COMPLETED:
        completed_and_returned("ProtocolUnbindAdapterEx", unbind_context)
    _await_close(context, binding_handle, parent)
    end_operation(context, adapter)
    if context.machine.objects[HandleKind.BINDING].find(binding_handle, HandleKind.BINDING) is not None:
        context.driver = binding.head.driver
        stop(
            0x7C,
            0x0A,
            binding_handle,
            text="ProtocolUnbindAdapterEx completed and the binding is still open: NdisCloseAdapterEx was not called.",
            sites=[site_of(context, "opened", binding.head.allocated_site)],
        )


def _await_open(context: Context, handle: int, parent: int) -> None:
    """Where the open of a binding pends still, wait for it: it is NDIS's to complete."""
    binding = context.machine.objects[HandleKind.BINDING].find(handle, HandleKind.BINDING)
    if binding is not None and binding.opening:
        drain(context, lambda: not binding.opening, WATCHDOG_PROTOCOL_PNP, parent, "NdisOpenAdapterEx")


def _await_close(context: Context, handle: int, parent: int) -> None:
    """Where the close of a binding pends, wait for it."""
    bindings = context.machine.objects[HandleKind.BINDING]
    binding = bindings.find(handle, HandleKind.BINDING)
    if binding is not None and binding.closing:
        drain(
            context,
            lambda: bindings.find(handle, HandleKind.BINDING) is None,
            WATCHDOG_PROTOCOL_UNBIND,
            parent,
            "NdisCloseAdapterEx",
        )
