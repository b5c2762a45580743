"""Registering and deregistering filter drivers.

Law: as registration.py: the four handlers without which there is no filter are the driver's to give; every other one
that is NULL is bypassed.  What a set of handlers cannot do is in the table below, and is refused by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.layout.handles import HandleKind
from emulator.ndis.gates.ddi import FILTER, ddi
from emulator.ndis.headers.handles import FilterDriverHandle
from emulator.ndis.headers.status import NDIS_STATUS
from emulator.ndis.headers.structures_common import structure_fault
from emulator.ndis.plug_and_play.registration import deregister, missing, parted, register
from emulator.rules.irql import AT_PASSIVE

if TYPE_CHECKING:
    from emulator.ndis.headers.structures import NDIS_FILTER_DRIVER_CHARACTERISTICS
    from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT

FILTER_REQUIRED = ("AttachHandler", "DetachHandler", "RestartHandler", "PauseHandler")
"""Handlers of a filter driver that registration demands (ddi_inventory.md)."""

TOGETHER = (
    ("OidRequestHandler", "OidRequestCompleteHandler"),
    ("DirectOidRequestHandler", "DirectOidRequestCompleteHandler"),
)
"""Handlers that come both or not at all."""

NEEDS = (
    ("ReceiveNetBufferListsHandler", "StatusHandler"),
    ("ReturnNetBufferListsHandler", "StatusHandler"),
)
"""Handlers that are of no use without another."""


class RegisteredFilter(NamedTuple):
    """What NdisFRegisterFilterDriver gives."""

    Status: NDIS_STATUS
    NdisFilterDriverHandle: FilterDriverHandle | None


@ddi(
    irql=AT_PASSIVE,
    callers=FILTER,
    rules=("Irql_Filter_Driver_Function", "NdisFDeregisterFilterDriver"),
    acquires="filter driver",
)
def NdisFRegisterFilterDriver(
    DriverObject: DRIVER_OBJECT,
    FilterDriverContext: Any,
    FilterDriverCharacteristics: NDIS_FILTER_DRIVER_CHARACTERISTICS,
    /,
) -> RegisteredFilter:
    """Register a filter driver, in DriverEntry; it is attached to every adapter that starts afterwards.

    Filters registered first are on top.  BAD_VERSION for another major version than 6, BAD_CHARACTERISTICS for a wrong
    header or a missing handler (the log names it), RESOURCES.
    """
    context = current.context
    given = FilterDriverCharacteristics
    fault = structure_fault(given) or missing(given, FILTER_REQUIRED) or parted(given, TOGETHER) or _lacking(given)
    registered = register(context, DriverObject, HandleKind.FILTER_DRIVER, given, FilterDriverContext, fault)
    return RegisteredFilter(registered.status, FilterDriverHandle(registered.handle) if registered.handle else None)


@ddi(
    irql=AT_PASSIVE,
    callers=FILTER,
    rules=("Irql_Filter_Driver_Function", "NdisFDeregisterFilterDriver"),
    releases="filter driver",
)
def NdisFDeregisterFilterDriver(NdisFilterDriverHandle: FilterDriverHandle, /) -> None:
    """Take a filter driver's registration back, in its unload routine; NDIS has detached its modules before.

    Bug check 0x7C/0x0A while a module is attached (our choice: Windows detaches it then).
    """
    context = current.context
    modules = context.machine.objects[HandleKind.FILTER_MODULE].live()
    attached = [module for _, module in modules if module.filter_driver == NdisFilterDriverHandle]
    if attached:
        stop(
            0x7C,
            0x0A,
            NdisFilterDriverHandle,
            attached[0].head.driver,
            len(attached),
            rule="NdisFDeregisterFilterDriver",
            text=f"A filter driver was deregistered while {len(attached)} of its modules are attached.",
        )
    deregister(current.context, NdisFilterDriverHandle, HandleKind.FILTER_DRIVER)


def _lacking(given: NDIS_FILTER_DRIVER_CHARACTERISTICS) -> str | None:
    for one, other in NEEDS:
        if getattr(given, one) is not None and getattr(given, other) is None:
            return f"{one} needs {other}"
    return None


__all__ = ["NdisFDeregisterFilterDriver", "NdisFRegisterFilterDriver"]
