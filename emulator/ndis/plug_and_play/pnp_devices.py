"""A device on its way to being an adapter: what its driver is asked before MiniportInitializeEx, and after all.

Law: what MiniportAddDevice has made lives longer than the adapter and is undone by MiniportRemoveDevice, which is
called once for each MiniportAddDevice that succeeded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.pointers import decode
from emulator.ndis.adapter_hardware import requirements
from emulator.ndis.devices.irps import NDIS_REQUEST, make_irp
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.io_codes import IRP_MJ_PNP, IRP_MN_FILTER_RESOURCE_REQUIREMENTS, IRP_MN_START_DEVICE
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.registration import handler, miniport_of
from emulator.ndis.services.memory import free_block

if TYPE_CHECKING:
    from emulator.kernel.context import Context


def add_device(context: Context, handle: int, driver: Any) -> NDIS_STATUS:
    """Call MiniportAddDevice, if the driver has one."""
    routine = handler(driver, "MiniportAddDeviceHandler")
    if not routine:
        return NDIS_STATUS_SUCCESS
    return call_for_status(context, routine, AdapterHandle(handle), decode(context, driver.context))


def start_device(context: Context, handle: int, adapter: Any, driver: Any) -> NDIS_STATUS:
    """Call MiniportStartDevice, if the driver has one, with an IRP that tells the adapter's resources."""
    routine = handler(driver, "MiniportStartDeviceHandler")
    if not routine or adapter.virtual:
        return NDIS_STATUS_SUCCESS
    return _call(context, routine, adapter, IRP_MN_START_DEVICE, handle)


def filter_requirements(context: Context, adapter: Any, driver: Any) -> NDIS_STATUS:
    """Call MiniportFilterResourceRequirements, if the driver has one, with a list of what the adapter needs."""
    routine = handler(driver, "MiniportFilterResourceRequirementsHandler")
    if not routine or adapter.virtual:
        return NDIS_STATUS_SUCCESS
    asked = context.memory[requirements.ASKED] = requirements.requirements_of(context, adapter)
    status = _call(context, routine, adapter, IRP_MN_FILTER_RESOURCE_REQUIREMENTS, 0)
    del context.memory[requirements.ASKED]
    if status == NDIS_STATUS_SUCCESS:
        requirements.keep(context, adapter, asked)
    return status


def _call(context: Context, routine: int, adapter: Any, minor: int, handle: int) -> NDIS_STATUS:
    irp = make_irp(context, NDIS_REQUEST, IRP_MJ_PNP)
    if irp is None:
        return NDIS_STATUS_RESOURCES
    irp.io_stack.MinorFunction = minor
    irp.io_stack.Parameters.io_adapter = handle
    status = call_for_status(context, routine, decode(context, adapter.added), irp)
    free_block(context, irp)
    return status


def remove_device(context: Context, adapter: Any) -> None:
    """Call MiniportRemoveDevice with the context that MiniportAddDevice has set."""
    driver = miniport_of(context, adapter)
    value = decode(context, adapter.added)
    adapter.added = 0
    routine = handler(driver, "MiniportRemoveDeviceHandler")
    if routine and handler(driver, "MiniportAddDeviceHandler"):
        call(context, routine, value)
