"""Drivers that come into a running machine and leave it: what is done in the PnP thread for all adapters at once.

Law: as when the machine begins and ends: attach and bind after DriverEntry has returned, unbind and detach before the
unload routine is called.  Nothing is begun that would have to stop half-way.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.pointers import DATA_TAG
from emulator.layout.handles import HandleKind
from emulator.ndis.gates.refusals import warn
from emulator.ndis.headers.constants import NDIS_FILTER_DRIVER_MANDATORY, NDIS_PAUSE_UNBIND_PROTOCOL
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_READY,
    NDIS_STATUS_FILE_NOT_FOUND,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.ndis.plug_and_play import filter_changes, filter_pnp, pnp, pnp_bindings
from emulator.ndis.plug_and_play.adapters import text_of
from emulator.ndis.plug_and_play.binding_choice import is_chosen
from emulator.ndis.plug_and_play.filter_modules import modules_of
from emulator.ndis.plug_and_play.registration import UNINSTALLED, drivers_of, handler
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.kernel.images import Image
    from emulator.layout.control import CONTROL

STEADY = (AdapterState.RUNNING, AdapterState.PAUSED)


def admit(context: Context, operation: CONTROL) -> int:
    """Attach and bind a new driver on every adapter; what it refuses is logged.

    The host has paused the stacks; those of virtual adapters, which it does not know, are paused here.
    """
    image = operation.argument
    for handle, adapter in context.machine.objects[HandleKind.ADAPTER].live():
        if adapter.state not in STEADY or not is_chosen(context, image, adapter):
            continue
        pnp.while_paused(context, handle, adapter, partial(_join, context, handle, adapter, image))
    return NDIS_STATUS_SUCCESS


def _join(context: Context, handle: int, adapter: Any, image: int) -> int:
    for driver_handle, driver in drivers_of(context, image, HandleKind.FILTER_DRIVER):
        status = filter_pnp.attach(context, handle, adapter, driver_handle, driver)
        if status != NDIS_STATUS_SUCCESS:
            name = context.machine.images.driver_name(image)
            told = f"{name} did not attach to {text_of(adapter.name)}: {status_name(status)}"
            warn(context, told)
    for protocol_handle, protocol in drivers_of(context, image, HandleKind.PROTOCOL_DRIVER):
        if pnp_bindings.may_bind(context, adapter, protocol):
            pnp_bindings.bind(context, handle, adapter, protocol_handle, protocol)
    return NDIS_STATUS_SUCCESS


def unload(context: Context, operation: CONTROL) -> int:
    """Take a driver out of every stack and unload it; the stacks are paused meanwhile, one after the other."""
    name = operation.content.decode(errors="replace")
    operation.hold(b"")
    image = living_image(context, name)
    if image is None:
        known = ", ".join(context.machine.images.driver_name(each.number) for each in living_images(context))
        return filter_changes.told(
            operation, NDIS_STATUS_FILE_NOT_FOUND, f"no driver {name} is loaded; there are {known or 'none'}"
        )
    adapters = context.machine.objects[HandleKind.ADAPTER].live()
    own = [text_of(adapter.name) for _, adapter in adapters if adapter.head.driver == image.number]
    if own:
        return filter_changes.told(
            operation, NDIS_STATUS_INVALID_STATE, f"{name} runs {', '.join(own)}; first: ndisemu ctl halt"
        )
    filters = drivers_of(context, image.number, HandleKind.FILTER_DRIVER)
    if any(driver.flags & NDIS_FILTER_DRIVER_MANDATORY for _, driver in filters) and adapters:
        return filter_changes.told(
            operation, NDIS_STATUS_INVALID_STATE, f"{name} is mandatory; first: ndisemu ctl halt"
        )
    if any(adapter.state not in STEADY for _, adapter in adapters if not adapter.virtual):
        return int(NDIS_STATUS_ADAPTER_NOT_READY)
    for handle, adapter in adapters:
        _withdraw(context, handle, adapter, image.number)
    pnp.unload_image(context, image)
    machine = context.machine
    for pointer, block in machine.pool.live():
        if block.driver == image.number and block.tag == DATA_TAG:
            machine.pool.free(pointer, site=0)  # the image's data section
    machine.arena.machine.unloaded |= 1 << image.number
    return NDIS_STATUS_SUCCESS


def uninstall(context: Context, operation: CONTROL) -> int:
    """Uninstall a protocol driver: unbind it everywhere, then ProtocolUninstall; the rest of the stacks goes on.

    It is bound to nothing any more; its image stays loaded.
    """
    name = operation.content.decode(errors="replace")
    operation.hold(b"")
    image = living_image(context, name)
    installed = drivers_of(context, image.number, HandleKind.PROTOCOL_DRIVER) if image is not None else []
    if not installed:
        loaded = f"no protocol driver {name} is loaded" if image is None else f"{name} has no protocol"
        names = context.machine.images.driver_name
        known = dict.fromkeys(names(driver.image) for _, driver in pnp_bindings.protocols(context))
        return filter_changes.told(
            operation, NDIS_STATUS_FILE_NOT_FOUND, f"{loaded}; there are {', '.join(known) or 'none'}"
        )
    if all(driver.state == UNINSTALLED for _, driver in installed):
        return filter_changes.told(operation, NDIS_STATUS_INVALID_STATE, f"{name} is uninstalled already")
    adapters = context.machine.objects[HandleKind.ADAPTER].records
    for protocol_handle, protocol in installed:
        protocol.state = UNINSTALLED
        for handle, binding in context.machine.objects[HandleKind.BINDING].live():
            if binding.protocol == protocol_handle:
                adapter = adapters[binding.adapter]
                pnp_bindings.pause_binding(context, adapter, handle, binding, NDIS_PAUSE_UNBIND_PROTOCOL)
                pnp_bindings.unbind(context, adapter, handle, binding)
        routine = handler(protocol, "UninstallHandler")
        if routine:
            call(context, routine)
    return NDIS_STATUS_SUCCESS


def _withdraw(context: Context, handle: int, adapter: Any, image: int) -> None:
    modules = [each for each in modules_of(context, handle) if each[1].head.driver == image]
    bindings = [each for each in pnp.bindings_of(context, handle) if each[1].head.driver == image]

    def act() -> int:
        for binding_handle, binding in bindings:
            pnp_bindings.unbind(context, adapter, binding_handle, binding)
        for module_handle, module in modules:
            filter_changes.leave(context, handle, adapter, module_handle, module)
        return NDIS_STATUS_SUCCESS

    if modules or bindings:
        pnp.while_paused(context, handle, adapter, act)


def living_images(context: Context) -> list[Image]:
    """The images whose driver has not been unloaded."""
    machine = context.machine
    return [image for image in machine.images.images if not machine.arena.machine.unloaded >> image.number & 1]


def living_image(context: Context, name: str) -> Image | None:
    """The loaded driver of a name."""
    names = context.machine.images.driver_name
    return next((image for image in living_images(context) if names(image.number) == name), None)
