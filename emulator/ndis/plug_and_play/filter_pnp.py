"""Filter modules in the PnP thread: attach, restart, pause, detach, in the order of states.md section 5.

Law: attach and restart from the lowest module up, pause and detach from the top down.  A module that fails is detached;
where its driver is mandatory (NDIS_FILTER_DRIVER_MANDATORY) the stack does not run without it.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.kernel.waits import look_until
from emulator.layout.handles import HandleKind
from emulator.ndis.data_path import ledger
from emulator.ndis.gates.refusals import warn
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.constants import NDIS_FILTER_DRIVER_MANDATORY
from emulator.ndis.headers.handles import FilterModuleHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play.adapters import publish_change, text_of, wait_for_acknowledgement
from emulator.ndis.plug_and_play.binding_choice import is_chosen
from emulator.ndis.plug_and_play.bindings import COMPLETED, WAITING
from emulator.ndis.plug_and_play.filter_modules import driver_of, modules_of, move_module, unasked
from emulator.ndis.plug_and_play.pnp_checks import check_detached, check_given_back
from emulator.ndis.plug_and_play.pnp_structures import (
    attach_parameters,
    filter_pause_parameters,
    filter_restart_parameters,
)
from emulator.ndis.plug_and_play.pnp_waits import await_completion, signed
from emulator.ndis.plug_and_play.registration import handler, registrations
from emulator.ndis.services import interfaces
from emulator.rules.states import FilterEvent, FilterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context

LAST_IMAGE = 0xFFFF
WATCHDOG_FILTER_PAUSE = 0x11
SETTLE_NS = 100_000_000
VERIFIER, TIMED_PAUSE = 0xC4, 0x92010
_TIMED_PAUSE_RULE = "NdisFilterTimedPauseComplete"


def attach_filters(context: Context, adapter_handle: int, adapter: Any) -> int:
    """Attach a module of every filter driver, the one registered last at the bottom."""
    for handle, driver in sorted(filter_drivers(context), key=position_of):
        if driver.detached >> adapter.number & 1 or not is_chosen(context, driver.image, adapter):
            continue
        status = attach(context, adapter_handle, adapter, handle, driver)
        if status != NDIS_STATUS_SUCCESS:
            mandatory = driver.flags & NDIS_FILTER_DRIVER_MANDATORY
            end = "the filter is mandatory: the stack is not started" if mandatory else "the stack runs without it"
            warn(
                context,
                f"{text_of(driver.name)} did not attach to {text_of(adapter.name)} ({status_name(status)}); {end}",
            )
            if mandatory:
                return status
    return NDIS_STATUS_SUCCESS


def filter_drivers(context: Context) -> list[tuple[int, Any]]:
    """The registered filter drivers."""
    return registrations(context, HandleKind.FILTER_DRIVER)


def position_of(registered: tuple[int, Any]) -> int:
    """Where the module of a filter driver is in every stack: above those of the images that were loaded later."""
    handle, driver = registered
    position: int = (LAST_IMAGE - driver.image) << 8 | 0xFF - (handle & 0xFF)
    return position


def detach_filters(context: Context, adapter_handle: int, adapter: Any) -> None:
    """Detach every module, from the top down."""
    for handle, module in reversed(modules_of(context, adapter_handle)):
        detach(context, adapter, handle, module)


def set_module_options(context: Context, adapter_handle: int, adapter: Any) -> int:
    """Call FilterSetModuleOptions of all modules, before any of them is restarted."""
    for handle, module in modules_of(context, adapter_handle):
        routine = handler(driver_of(context, module), "SetFilterModuleOptionsHandler")
        status = call_for_status(context, routine, decode(context, module.context)) if routine else NDIS_STATUS_SUCCESS
        if status != NDIS_STATUS_SUCCESS and _lost(context, adapter, handle, module, "FilterSetModuleOptions", status):
            return status
    return NDIS_STATUS_SUCCESS


def restart_filters(context: Context, adapter_handle: int, adapter: Any) -> int:
    """Restart every module, from the lowest up."""
    for handle, module in modules_of(context, adapter_handle):
        move_module(context, adapter, module, FilterEvent.RESTART_CALLED)
        status = _pended_call(
            context, adapter_handle, module, "RestartHandler", filter_restart_parameters(context, module), handle
        )
        if status == NDIS_STATUS_SUCCESS:
            move_module(context, adapter, module, FilterEvent.RESTART_SUCCEEDED)
            continue
        move_module(context, adapter, module, FilterEvent.RESTART_FAILED)
        if _lost(context, adapter, handle, module, "FilterRestart", status):
            return status
    wait_for_acknowledgement(context)
    return NDIS_STATUS_SUCCESS


def pause_filters(context: Context, adapter_handle: int, adapter: Any, reason: int) -> None:
    """Pause every running module, from the top down."""
    for handle, module in reversed(modules_of(context, adapter_handle)):
        if module.state != FilterState.RUNNING:
            continue
        move_module(context, adapter, module, FilterEvent.PAUSE_CALLED)
        wait_for_acknowledgement(context)
        status = _pended_call(context, adapter_handle, module, "PauseHandler", filter_pause_parameters(reason), handle)
        if status != NDIS_STATUS_SUCCESS:
            stop(
                VERIFIER,
                TIMED_PAUSE,
                status & 0xFFFF_FFFF,
                handle,
                rule=_TIMED_PAUSE_RULE,
                text=f"FilterPause returned {status_name(status)}; it may return only SUCCESS or PENDING.",
            )
        move_module(context, adapter, module, FilterEvent.PAUSE_COMPLETED)
        # What other contexts were passing through the module is through once they have seen that it is paused.
        wait_for_acknowledgement(context)
        _passed(context, handle)


def _passed(context: Context, handle: int) -> None:
    """Everything that passed through a module has left it; what a DPC has still to hand on may take a moment."""
    machine = context.machine
    look_until(
        context, lambda: ledger.module_outstanding(machine, handle).total == 0, context.platform.now() + SETTLE_NS
    )
    check_given_back(ledger.module_outstanding(machine, handle), "A filter module's pause completed")


def attach(context: Context, adapter_handle: int, adapter: Any, driver_handle: int, driver: Any) -> int:
    """Make a module of a filter driver and call FilterAttach; its status."""
    table = context.machine.objects[HandleKind.FILTER_MODULE]
    made = table.allocate(HandleKind.FILTER_MODULE, driver=driver.image, parent=adapter_handle, site=0)
    if made is None:
        return NDIS_STATUS_RESOURCES
    handle, module = made
    head_size = type(module).head.size
    ctypes.memset(ctypes.addressof(module) + head_size, 0, ctypes.sizeof(module) - head_size)
    module.adapter = adapter_handle & 0xFFFF_FFFF
    module.filter_driver = driver_handle
    module.position = position_of((driver_handle, driver))
    name = f"{text_of(adapter.name)}-{text_of(driver.name)}-0000"
    module.name = name.encode()[:64].ljust(64, b"\0")
    interfaces.add_module(context, adapter, module)
    move_module(context, adapter, module, FilterEvent.ATTACH_CALLED)
    routine = handler(driver, "AttachHandler")
    parameters = attach_parameters(context, adapter, module, name)
    status = call_for_status(context, routine, FilterModuleHandle(handle), decode(context, driver.context), parameters)
    if status == NDIS_STATUS_SUCCESS and not module.attributes_set:
        warn(context, f"{name}: FilterAttach succeeded without NdisFSetAttributes")
        status = NDIS_STATUS_FAILURE
    if status == NDIS_STATUS_SUCCESS:
        move_module(context, adapter, module, FilterEvent.ATTACH_SUCCEEDED)
        return NDIS_STATUS_SUCCESS
    # The driver has freed the module's context; nobody may compile the stack with it.
    module.context = 0
    move_module(context, adapter, module, FilterEvent.ATTACH_FAILED)
    wait_for_acknowledgement(context)
    check_detached(context, handle, failed=True)
    interfaces.remove_module(context, module)
    table.free(handle, site=0)
    return status


def detach(context: Context, adapter: Any, handle: int, module: Any) -> None:
    """Call FilterDetach; nothing of the module is left."""
    routine = handler(driver_of(context, module), "DetachHandler")
    value = decode(context, module.context)
    # The driver frees the module's context in here; nobody may compile the stack with it any more.
    module.context = 0
    move_module(context, adapter, module, FilterEvent.DETACH_CALLED)
    wait_for_acknowledgement(context)
    call(context, routine, value)
    check_detached(context, handle, failed=False)
    interfaces.remove_module(context, module)
    context.machine.objects[HandleKind.FILTER_MODULE].free(handle, site=0)
    publish_change(context, adapter)


def _lost(context: Context, adapter: Any, handle: int, module: Any, what: str, status: int) -> bool:
    """Detach a module that failed to restart; True when the stack may not run without it."""
    mandatory: bool = driver_of(context, module).flags & NDIS_FILTER_DRIVER_MANDATORY != 0
    end = "it is mandatory: the stack is not started" if mandatory else "it is detached"
    warn(context, f"{text_of(module.name)}: {what} returned {status_name(status)}; {end}")
    wait_for_acknowledgement(context)
    detach(context, adapter, handle, module)
    return mandatory


def _pended_call(context: Context, adapter_handle: int, module: Any, name: str, parameters: Any, handle: int) -> int:
    """Call FilterPause or FilterRestart and wait for its completion; the final status."""
    kind = name.removesuffix("Handler")
    role, completion = f"Filter{kind}", f"NdisF{kind}Complete"
    module.completion = WAITING
    routine = handler(driver_of(context, module), name)
    status = call_for_status(context, routine, decode(context, module.context), parameters)
    if status == NDIS_STATUS_PENDING:
        verifier = (TIMED_PAUSE, _TIMED_PAUSE_RULE) if role == "FilterPause" else None
        what = f"{text_of(module.name)}'s {role}"
        driver = module.head.driver
        await_completion(context, module, WATCHDOG_FILTER_PAUSE, adapter_handle, what, driver, completion, verifier)
        status = NDIS_STATUS(signed(module.completion_status))
    elif module.completion == COMPLETED:
        event = FilterEvent.PAUSE_COMPLETED if role == "FilterPause" else FilterEvent.RESTART_SUCCEEDED
        unasked(
            handle,
            event,
            f"{role} returned {status_name(status)} and {completion} was called.",
        )
    module.completion = 0
    return status
