"""PnP in the PnP thread: start, stop, pause, restart, surprise removal, unload, in the order of states.md section 5.

Law: one operation at a time; what a driver leaves pending is waited for with a deadline, and the stop that ends a wait
in vain says who blocks it.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.kernel.waits import look_until
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.adapter_hardware import bus_data
from emulator.ndis.adapter_hardware.hardware import UNLOGGED, resources_of, shared_memory_of
from emulator.ndis.control_path import oid_lanes
from emulator.ndis.data_path import ledger
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import warn
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.constants import NDIS_PAUSE_MINIPORT_DEVICE_REMOVE, NDIS_PAUSE_NDIS_INTERNAL
from emulator.ndis.headers.enumerations import NDIS_DEVICE_PNP_EVENT, NDIS_HALT_ACTION
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_ADAPTER_REMOVED,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play import filter_modules, filter_pnp, idle, idle_clock, pnp_devices, pnp_reset, watch
from emulator.ndis.plug_and_play.adapters import (
    GENERAL_SET,
    REGISTRATION_SET,
    adapter_of,
    complete,
    free_adapter,
    move_adapter,
    publish_change,
    sleeps,
    text_of,
    wait_for_acknowledgement,
)
from emulator.ndis.plug_and_play.bindings import COMPLETED, WAITING
from emulator.ndis.plug_and_play.pnp_bindings import (
    bind,
    may_bind,
    pause_binding,
    protocols,
    restart_binding,
    unbind,
)
from emulator.ndis.plug_and_play.pnp_calls import miniport_call, notify_device
from emulator.ndis.plug_and_play.pnp_checks import (
    check_given_back,
    check_halted,
    check_initialize_failed,
    check_unloaded,
)
from emulator.ndis.plug_and_play.pnp_structures import (
    device_event,
    init_parameters,
    pause_parameters,
    restart_parameters,
)
from emulator.ndis.plug_and_play.pnp_waits import await_completion, drain, signed
from emulator.ndis.plug_and_play.registration import NDIS_INTERMEDIATE_DRIVER, drivers_of, handler, registrations
from emulator.ndis.plug_and_play.unloading import await_references
from emulator.ndis.services import interfaces
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.states import AdapterEvent, AdapterState

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.images import Image

WATCHDOG_MINIPORT_HALT, WATCHDOG_MINIPORT_PAUSE = 0x22, 0x21


def start_adapter(context: Context, number: int) -> int:
    """Start an adapter of the specification."""
    machine = context.machine
    if find_adapter(context, number) is not None:
        return NDIS_STATUS_INVALID_STATE
    if machine.arena.machine.failed >> number & 1:
        return NDIS_STATUS_ADAPTER_REMOVED
    specification = machine.configuration["specification"].adapters[number]
    driver_handle, driver = miniport_for(context, specification.miniport)
    made = machine.objects[HandleKind.ADAPTER].allocate(
        HandleKind.ADAPTER, driver=driver.image if driver else 0, parent=driver_handle, site=0
    )
    if made is None:
        return NDIS_STATUS_RESOURCES
    handle, adapter = made
    if driver is None:
        machine.objects[HandleKind.ADAPTER].free(handle, site=0)
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    reset_record(adapter, number, specification.name or f"adapter{number}")
    return initialize(context, handle, adapter, driver)


def initialize(context: Context, handle: int, adapter: Any, driver: Any) -> int:
    """Add and initialize the miniport, attach the filters, bind the protocols, restart the stack."""
    interfaces.add_adapter(context, adapter)
    bus_data.reset(context, adapter)
    what, status = "MiniportAddDevice", pnp_devices.add_device(context, handle, driver)
    if status == NDIS_STATUS_SUCCESS:
        what = "MiniportFilterResourceRequirements"
        status = pnp_devices.filter_requirements(context, adapter, driver)
        if status == NDIS_STATUS_SUCCESS:
            what, status = "MiniportStartDevice", pnp_devices.start_device(context, handle, adapter, driver)
        if status != NDIS_STATUS_SUCCESS:
            pnp_devices.remove_device(context, adapter)
    if status != NDIS_STATUS_SUCCESS:
        check_initialize_failed(context, handle, shared_memory_of(context, handle), what)
        warn(context, f"{text_of(adapter.name)}: {what} returned {status_name(status)}")
        free_adapter(context, handle, adapter)
        return status
    move_adapter(context, adapter, AdapterEvent.INITIALIZE_CALLED)
    routine = handler(driver, "InitializeHandlerEx")
    resources = None if adapter.virtual else resources_of(context, adapter)
    context.memory.pop(UNLOGGED, None)
    status = call_for_status(
        context,
        routine,
        AdapterHandle(handle),
        decode(context, driver.context),
        init_parameters(context, adapter, resources),
    )
    if status == NDIS_STATUS_SUCCESS and not adapter.attributes_set & GENERAL_SET:
        warn(context, f"{text_of(adapter.name)}: MiniportInitializeEx succeeded without general attributes")
        if adapter.attributes_set & REGISTRATION_SET:
            # The driver believes that it has succeeded: it is halted, and the action says why.
            move_adapter(context, adapter, AdapterEvent.INITIALIZE_SUCCEEDED)
            stop_adapter(context, adapter.number, NDIS_HALT_ACTION.NdisHaltDeviceInitializationFailed)
            return NDIS_STATUS_FAILURE
        status = NDIS_STATUS_FAILURE
    if status != NDIS_STATUS_SUCCESS:
        pnp_devices.remove_device(context, adapter)
        check_initialize_failed(context, handle, shared_memory_of(context, handle))
        adapter.context = 0
        move_adapter(context, adapter, AdapterEvent.INITIALIZE_FAILED)
        wait_for_acknowledgement(context)
        warn(context, f"{text_of(adapter.name)}: MiniportInitializeEx returned {status_name(status)}")
        free_adapter(context, handle, adapter)
        return status
    move_adapter(context, adapter, AdapterEvent.INITIALIZE_SUCCEEDED)
    idle_clock.prepare(context, handle, adapter)
    attached = filter_pnp.attach_filters(context, handle, adapter)
    if attached != NDIS_STATUS_SUCCESS:
        stop_adapter(context, adapter.number, NDIS_HALT_ACTION.NdisHaltDeviceInitializationFailed)
        return attached
    for protocol_handle, protocol in protocols(context):
        if may_bind(context, adapter, protocol):
            bind(context, handle, adapter, protocol_handle, protocol)
    return restart_stack(context, handle, adapter)


def stop_adapter(
    context: Context, number: int, action: NDIS_HALT_ACTION = NDIS_HALT_ACTION.NdisHaltDeviceDisabled
) -> int:
    """Pause the stack, unbind every protocol, detach every filter, halt the miniport."""
    found = find_adapter(context, number)
    if found is None:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    handle, adapter = found
    if adapter.state == AdapterState.SHUTDOWN:
        return NDIS_STATUS_INVALID_STATE
    adapter.going = 1
    if adapter.state == AdapterState.RUNNING:
        pause_stack(context, handle, adapter, NDIS_PAUSE_MINIPORT_DEVICE_REMOVE)
    for binding_handle, binding in bindings_of(context, handle):
        unbind(context, adapter, binding_handle, binding)
    _await_requests(context, handle, adapter)
    filter_pnp.detach_filters(context, handle, adapter)
    check = ledger.outstanding(context.machine, handle & INDEX_MASK)
    _await_requests(context, handle, adapter)
    move_adapter(context, adapter, AdapterEvent.HALT_CALLED)
    wait_for_acknowledgement(context)
    drain(
        context,
        lambda: pnp_reset.settled(adapter),
        WATCHDOG_MINIPORT_HALT,
        handle,
        "MiniportResetEx",
        adapter.head.driver,
    )
    pnp_reset.forget_wanted(context, adapter)
    value = decode(context, adapter.context)
    # The miniport frees its context in here; nobody may compile the stack with it any more.
    adapter.context = 0
    miniport_call(context, adapter, "HaltHandlerEx", action, value=value)
    pnp_devices.remove_device(context, adapter)
    check_halted(context, handle, check, shared_memory_of(context, handle))
    free_adapter(context, handle, adapter)
    publish_change(context, adapter)
    return NDIS_STATUS_SUCCESS


def pause(context: Context, number: int) -> int:
    """Pause the whole stack of an adapter."""
    found = find_adapter(context, number)
    if found is None or found[1].state != AdapterState.RUNNING:
        return NDIS_STATUS_INVALID_STATE
    return pause_stack(context, *found)


def restart(context: Context, number: int) -> int:
    """Restart the whole stack of a paused adapter."""
    found = find_adapter(context, number)
    if found is None or found[1].state != AdapterState.PAUSED or sleeps(found[1]):
        return NDIS_STATUS_INVALID_STATE
    return restart_stack(context, *found)


def surprise_remove(context: Context, number: int) -> int:
    """Tell filters and miniport that the device is gone, then stop it as such."""
    found = find_adapter(context, number)
    if found is None:
        return NDIS_STATUS_ADAPTER_NOT_FOUND
    handle, adapter = found
    adapter.surprise_removed = adapter.going = 1
    publish_change(context, adapter)
    notify_device(context, handle, device_event(NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventSurpriseRemoved))
    return stop_adapter(context, number, NDIS_HALT_ACTION.NdisHaltDeviceSurpriseRemoved)


def fail_adapter(context: Context, adapter: Any) -> None:
    """Halt an adapter that has failed for good, and tell the host, for whom it is torn out."""
    number = adapter.number
    stop_adapter(context, number, NDIS_HALT_ACTION.NdisHaltDeviceFailed)
    platform, head = context.platform, context.machine.arena.machine
    platform.acquire(SystemLock.STACKS)
    head.failed |= 1 << number
    platform.release(SystemLock.STACKS)
    platform.ring(0)


def reset(context: Context, number: int) -> int | None:
    """Have an adapter reset; None: whoever ends the reset tells the host."""
    found = find_adapter(context, number)
    return NDIS_STATUS_ADAPTER_NOT_FOUND if found is None else pnp_reset.reset(context, found[1])


def restart_stack(context: Context, handle: int, adapter: Any) -> int:
    """Miniport first, then the filters from the lowest up, then the protocols."""
    status = filter_pnp.set_module_options(context, handle, adapter)
    if status != NDIS_STATUS_SUCCESS:
        return _terminate(context, adapter, status)
    move_adapter(context, adapter, AdapterEvent.RESTART_CALLED)
    adapter.completion = WAITING
    status = miniport_call(context, adapter, "RestartHandler", restart_parameters())
    if status == NDIS_STATUS_PENDING:
        what, completion = "MiniportRestart", "NdisMRestartComplete"
        await_completion(context, adapter, WATCHDOG_MINIPORT_PAUSE, handle, what, adapter.head.driver, completion)
        status = NDIS_STATUS(signed(adapter.restart_status))
    adapter.completion = 0
    if status != NDIS_STATUS_SUCCESS:
        move_adapter(context, adapter, AdapterEvent.RESTART_FAILED)
        warn(context, f"{text_of(adapter.name)}: MiniportRestart returned {status_name(status)}")
        return status
    move_adapter(context, adapter, AdapterEvent.RESTART_SUCCEEDED)
    status = filter_pnp.restart_filters(context, handle, adapter)
    if status != NDIS_STATUS_SUCCESS:
        return _terminate(context, adapter, status)
    for _, binding in bindings_of(context, handle):
        restart_binding(context, adapter, binding)
    wait_for_acknowledgement(context)
    return NDIS_STATUS_SUCCESS


def _terminate(context: Context, adapter: Any, status: int) -> int:
    """A mandatory filter is missing: the whole stack comes down."""
    stop_adapter(context, adapter.number, NDIS_HALT_ACTION.NdisHaltDeviceFailed)
    return status


def pause_stack(context: Context, handle: int, adapter: Any, reason: int = NDIS_PAUSE_NDIS_INTERNAL) -> int:
    """Protocols first, then the filters from the top down, then the miniport; each waits for what is outstanding."""
    machine, index = context.machine, handle & INDEX_MASK
    idle.resume(context, handle, adapter)
    for binding_handle, binding in bindings_of(context, handle):
        pause_binding(context, adapter, binding_handle, binding, reason)
    filter_pnp.pause_filters(context, handle, adapter, reason)
    move_adapter(context, adapter, AdapterEvent.PAUSE_CALLED)
    wait_for_acknowledgement(context)
    adapter.completion = adapter.pause_pending = WAITING
    status = miniport_call(context, adapter, "PauseHandler", pause_parameters(reason))
    if status == NDIS_STATUS_PENDING:
        what, completion = "MiniportPause", "NdisMPauseComplete"
        await_completion(context, adapter, WATCHDOG_MINIPORT_PAUSE, handle, what, adapter.head.driver, completion)
    elif status != NDIS_STATUS_SUCCESS:
        stop(
            0xC4,
            0xE5,
            status & 0xFFFF_FFFF,
            rule="MiniportPause_Return",
            text=f"MiniportPause returned {status_name(status)}; it may return only SUCCESS or PENDING.",
        )
    elif adapter.completion == COMPLETED:
        _completed_unasked(handle, "MiniportPause returned SUCCESS and NdisMPauseComplete was called as well.")
    adapter.completion = adapter.pause_pending = 0
    check_given_back(ledger.outstanding(machine, index), "A miniport's pause completed")
    move_adapter(context, adapter, AdapterEvent.PAUSE_COMPLETED)
    wait_for_acknowledgement(context)
    return NDIS_STATUS_SUCCESS


def while_paused(context: Context, handle: int, adapter: Any, act: Callable[[], int]) -> int:
    """Do something to a stack that is paused meanwhile; its status, or that of the restart.  One at rest stays so."""
    running = adapter.state == AdapterState.RUNNING
    if running:
        pause_stack(context, handle, adapter)
    status = act()
    restarted = restart_stack(context, handle, adapter) if running else NDIS_STATUS_SUCCESS
    return restarted if status == NDIS_STATUS_SUCCESS else status


def unload(context: Context) -> int:
    """Unload every driver, protocols first, then miniports; each deregisters itself.

    What intermediate drivers have made and not taken back is halted before.
    """
    machine = context.machine
    for handle, adapter in machine.objects[HandleKind.ADAPTER].live():
        if adapter.virtual and adapter.state == AdapterState.HALTED:
            free_adapter(context, handle, adapter)
        elif adapter.virtual:
            stop_adapter(context, adapter.number)
    for image in reversed(machine.images.images):
        if not machine.arena.machine.unloaded >> image.number & 1:
            unload_image(context, image)
    return NDIS_STATUS_SUCCESS


def unload_image(context: Context, image: Image) -> None:
    """Call a driver's unload routine, and see that nothing of it is left."""
    driver_object = context.machine.driver_objects[image.number]
    # NdisMRegisterMiniportDriver puts MiniportDriverUnload in DriverUnload's place.
    miniports = drivers_of(context, image.number, HandleKind.MINIPORT_DRIVER)
    for _, driver in miniports:
        call(context, handler(driver, "UnloadHandler"), driver_object)
    routine = driver_object.DriverUnload
    kinds = (HandleKind.PROTOCOL_DRIVER, HandleKind.FILTER_DRIVER)
    others = any(drivers_of(context, image.number, kind) for kind in kinds)
    if routine is not None and (others or not miniports):
        call(context, routine.__ndis_routine__, driver_object)
    await_references(context, image.number)
    check_unloaded(context, image)


def miniport_for(context: Context, name: str) -> tuple[int, Any]:
    """The registered miniport driver of that name (empty: the first one); (0, None) when there is none."""
    images = context.machine.images
    for handle, driver in registrations(context, HandleKind.MINIPORT_DRIVER):
        if not driver.flags & NDIS_INTERMEDIATE_DRIVER and name in ("", images.driver_name(driver.image)):
            return handle, driver
    return 0, None


def find_adapter(context: Context, number: int) -> tuple[int, Any] | None:
    """(handle, record) of a live adapter by number."""
    for handle, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if adapter.number == number:
            return handle, adapter
    return None


def bindings_of(context: Context, adapter_handle: int) -> list[tuple[int, Any]]:
    """Open bindings of an adapter."""
    table = context.machine.objects[HandleKind.BINDING]
    return [(handle, binding) for handle, binding in table.live() if binding.head.parent == adapter_handle]


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMPauseComplete(MiniportAdapterHandle: AdapterHandle, /) -> None:
    """Complete a pause that returned PENDING.  Bug check 0x7C/0x1F when none is pending."""
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMPauseComplete")
    if adapter.pause_pending != WAITING or adapter.completion != WAITING:
        _completed_unasked(MiniportAdapterHandle, "NdisMPauseComplete was called and no pause is pending.")
    complete(context, adapter, "completion", COMPLETED)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMRestartComplete(MiniportAdapterHandle: AdapterHandle, Status: NDIS_STATUS, /) -> None:
    """Complete a restart that returned PENDING.  Bug check 0x7C/0x1F when none is pending."""
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMRestartComplete")
    if adapter.state != AdapterState.RESTARTING or adapter.completion != WAITING:
        _completed_unasked(MiniportAdapterHandle, "NdisMRestartComplete was called and no restart is pending.")
    adapter.restart_status = Status & 0xFFFF_FFFF
    complete(context, adapter, "completion", COMPLETED)


def _completed_unasked(handle: int, text: str) -> None:
    stop(0x7C, 0x1F, 0, handle, text=text)


def _await_requests(context: Context, handle: int, adapter: Any) -> None:
    """An adapter is halted when no OID request of it is outstanding; the stop says which one is, and who has it."""
    stack = [adapter, *(module for _, module in filter_modules.modules_of(context, handle))]

    def idle() -> bool:
        return all(oid_lanes.idle(lane) for lane in stack)

    # Whoever completes a request wakes its originator and the request thread.
    if not look_until(context, idle, context.platform.now() + watch.OID_NS):
        lane = next(lane for lane in stack if not oid_lanes.idle(lane))
        watch.overdue(context, handle, adapter, lane, " cannot be halted")


def reset_record(adapter: Any, number: int, name: str) -> None:
    """Forget what an earlier adapter has left in the record."""
    head_size = type(adapter).head.size
    ctypes.memset(ctypes.addressof(adapter) + head_size, 0, ctypes.sizeof(adapter) - head_size)
    adapter.number = number
    adapter.name = name.encode()[:64].ljust(64, b"\0")


__all__ = ["NdisMPauseComplete", "NdisMRestartComplete"]
