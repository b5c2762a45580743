"""Registering and deregistering miniport and protocol drivers; filter_registration.py does it for filters.

Law: every mandatory handler is the driver's to give; nothing is filled in for it, and what is missing is named.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import stop_limit
from emulator.layout.handles import HandleKind
from emulator.layout.machine import MAXIMUM_HANDLERS, ContextKind
from emulator.ndis.gates.ddi import INTERMEDIATE, MINIPORT, PROTOCOL, ddi
from emulator.ndis.gates.live_handles import REGISTRATION, find_live
from emulator.ndis.gates.refusals import warn
from emulator.ndis.gates.returned_status import call_for_status
from emulator.ndis.headers.callback_role import ROLES
from emulator.ndis.headers.handles import MiniportDriverHandle, ProtocolDriverHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_BAD_VERSION,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import structure_fault
from emulator.ndis.plug_and_play.handlers import MINIPORT_HANDLERS, PLACES, PROTOCOL_HANDLERS
from emulator.ndis.services.system import NDIS_MINOR_VERSION
from emulator.rules.irql import AT_PASSIVE
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures import (
        NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
        NDIS_PROTOCOL_DRIVER_CHARACTERISTICS,
    )
    from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT

MAJOR_NDIS_VERSION = 6
NDIS_INTERMEDIATE_DRIVER = 1
REGISTERED, DEREGISTERED, UNINSTALLED = 1, 2, 3

PAIRS = (
    ("DirectOidRequestHandler", "CancelDirectOidRequestHandler"),
    ("CheckForHangHandlerEx", "ResetHandlerEx"),
)
"""Handlers of a miniport that come both or not at all."""

_OPTIONAL = ("SetOptionsHandler", "SynchronousOidRequestHandler", *chain(*PAIRS))
MINIPORT_REQUIRED = tuple(name for name in MINIPORT_HANDLERS if name not in _OPTIONAL)
"""Handlers of a connectionless miniport that registration demands (ddi_inventory.md, column Needed)."""

_PROTOCOL_OPTIONAL = ("SetOptionsHandler", "UninstallHandler", "DirectOidRequestCompleteHandler")
PROTOCOL_REQUIRED = tuple(name for name in PROTOCOL_HANDLERS if name not in _PROTOCOL_OPTIONAL)
"""Handlers of a protocol that registration demands."""


class RegisteredMiniport(NamedTuple):
    """What NdisMRegisterMiniportDriver gives."""

    Status: NDIS_STATUS
    NdisMiniportDriverHandle: MiniportDriverHandle | None


class RegisteredProtocol(NamedTuple):
    """What NdisRegisterProtocolDriver gives."""

    Status: NDIS_STATUS
    NdisProtocolHandle: ProtocolDriverHandle | None


@ddi(
    irql=AT_PASSIVE,
    callers=MINIPORT | INTERMEDIATE,
    rules=("Irql_Miniport_Driver_Function",),
    acquires="miniport driver",
)
def NdisMRegisterMiniportDriver(
    DriverObject: DRIVER_OBJECT,
    RegistryPath: str,
    MiniportDriverContext: Any,
    MiniportDriverCharacteristics: NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
    /,
) -> RegisteredMiniport:
    """Register a miniport driver, in DriverEntry.

    BAD_VERSION for another major version than 6, BAD_CHARACTERISTICS for a wrong header or a missing handler (the log
    names it), RESOURCES.
    """
    del RegistryPath
    context = current.context
    given = MiniportDriverCharacteristics
    fault = structure_fault(given) or missing(given, MINIPORT_REQUIRED) or parted(given, PAIRS)
    registered = register(context, DriverObject, HandleKind.MINIPORT_DRIVER, given, MiniportDriverContext, fault)
    return RegisteredMiniport(registered.status, MiniportDriverHandle(registered.handle) if registered.handle else None)


@ddi(
    irql=AT_PASSIVE,
    callers=MINIPORT | INTERMEDIATE,
    rules=("Irql_Miniport_Driver_Function",),
    releases="miniport driver",
)
def NdisMDeregisterMiniportDriver(NdisMiniportDriverHandle: MiniportDriverHandle, /) -> None:
    """Take a miniport driver's registration back: in its unload handler, or in DriverEntry after a later failure."""
    deregister(current.context, NdisMiniportDriverHandle, HandleKind.MINIPORT_DRIVER)


@ddi(
    irql=AT_PASSIVE,
    callers=PROTOCOL | INTERMEDIATE,
    rules=("Irql_Protocol_Driver_Function",),
    acquires="protocol driver",
)
def NdisRegisterProtocolDriver(
    ProtocolDriverContext: Any, ProtocolCharacteristics: NDIS_PROTOCOL_DRIVER_CHARACTERISTICS, /
) -> RegisteredProtocol:
    """Register a protocol driver, in DriverEntry.  Binds begin after every DriverEntry has returned.

    BAD_VERSION, BAD_CHARACTERISTICS (the log says why), RESOURCES.
    """
    context = current.context
    driver_object, given = context.machine.driver_objects[context.driver], ProtocolCharacteristics
    fault = structure_fault(given) or missing(given, PROTOCOL_REQUIRED)
    registered = register(context, driver_object, HandleKind.PROTOCOL_DRIVER, given, ProtocolDriverContext, fault)
    return RegisteredProtocol(registered.status, ProtocolDriverHandle(registered.handle) if registered.handle else None)


@ddi(
    irql=AT_PASSIVE,
    callers=PROTOCOL | INTERMEDIATE,
    rules=("Irql_Protocol_Driver_Function",),
    releases="protocol driver",
)
def NdisDeregisterProtocolDriver(NdisProtocolHandle: ProtocolDriverHandle, /) -> None:
    """Take a protocol's registration back; NDIS has unbound it from every adapter before."""
    deregister(current.context, NdisProtocolHandle, HandleKind.PROTOCOL_DRIVER)


def handler(driver: Any, name: str) -> int:
    """Routine number of a registered driver's handler; 0 when it gave none."""
    return driver.handlers[PLACES[driver.head.kind][name]]  # type: ignore[no-any-return]


def registrations(context: Context, kind: HandleKind) -> list[tuple[int, Any]]:
    """Registrations of one kind, in their order."""
    return [(handle, entry) for handle, entry in context.machine.objects[kind].live() if entry.head.kind == kind]


def drivers_of(context: Context, image: int, kind: HandleKind) -> list[tuple[int, Any]]:
    """Registrations of an image, of one kind."""
    return [(handle, entry) for handle, entry in registrations(context, kind) if entry.image == image]


def miniport_of(context: Context, adapter: Any) -> Any:
    """The registered miniport driver of an adapter."""
    return context.machine.objects[HandleKind.MINIPORT_DRIVER].find(adapter.head.parent, HandleKind.MINIPORT_DRIVER)


def protocol_of(context: Context, binding: Any) -> Any:
    """The registered protocol driver of a binding."""
    return context.machine.objects[HandleKind.PROTOCOL_DRIVER].find(binding.protocol, HandleKind.PROTOCOL_DRIVER)


def missing(given: Any, required: tuple[str, ...]) -> str | None:
    """The handlers that registration demands and the driver did not give, in words."""
    absent = [name for name in required if getattr(given, name) is None]
    return f"{type(given).__name__} has no {', '.join(absent)}, which NDIS demands" if absent else None


def parted(given: Any, pairs: tuple[tuple[str, str], ...]) -> str | None:
    """The handlers that come both or not at all and of which there is one, in words."""
    for one, other in pairs:
        if (getattr(given, one) is None) != (getattr(given, other) is None):
            return f"{one} and {other} come both or not at all"
    return None


def _refuse(context: Context, driver_object: DRIVER_OBJECT, given: Any, fault: str | None) -> NDIS_STATUS | None:
    """The status with which a registration is refused, and the reason in the log; None where nothing is wrong."""
    if context.kind is not ContextKind.ZYGOTE:
        fault = "a driver registers in DriverEntry"
        status: NDIS_STATUS | None = NDIS_STATUS_FAILURE
    elif given.MajorNdisVersion != MAJOR_NDIS_VERSION:
        fault = f"MajorNdisVersion is {given.MajorNdisVersion}; this is NDIS 6"
        status = NDIS_STATUS_BAD_VERSION
    elif given.MinorNdisVersion > NDIS_MINOR_VERSION:
        fault = f"MinorNdisVersion is {given.MinorNdisVersion}; this is NDIS 6.{NDIS_MINOR_VERSION}"
        status = NDIS_STATUS_BAD_VERSION
    else:
        status = NDIS_STATUS_BAD_CHARACTERISTICS if fault else None
    if status is not None:
        context.machine.refusals[driver_object.image] = fault or ""
        warn(context, f"{driver_object.DriverName} was refused: {fault}")
    return status


class Registered(NamedTuple):
    """How a registration has ended; the handle is 0 where there is none."""

    status: NDIS_STATUS
    handle: int


def register(
    context: Context, driver_object: DRIVER_OBJECT, kind: HandleKind, given: Any, value: Any, fault: str | None
) -> Registered:
    """Make the driver's record and call its SetOptionsHandler, unless there is a fault; the log says what was wrong."""
    refused = _refuse(context, driver_object, given, fault)
    if refused is not None:
        return Registered(refused, 0)
    structure = type(given).__name__
    numbers = [routine_number(structure, name, getattr(given, name, None)) for name in PLACES[kind]]
    made = context.machine.objects[kind].allocate(kind, driver=driver_object.image, parent=0, site=context.site)
    if made is None:
        return Registered(NDIS_STATUS_RESOURCES, 0)
    handle, driver = made
    driver.image = driver_object.image
    driver.kind = kind
    driver.context = encode(context, value)
    driver.associate = driver.wanted_adapters = 0
    driver.flags = given.Flags
    driver.major_version, driver.minor_version = given.MajorNdisVersion, given.MinorNdisVersion
    driver.state = REGISTERED
    driver.detached = 0
    for place in range(MAXIMUM_HANDLERS):
        driver.handlers[place] = numbers[place] if place < len(numbers) else 0
    driver.name = driver_object.DriverName.encode()[:64].ljust(64, b"\0")
    options, status = handler(driver, "SetOptionsHandler"), NDIS_STATUS_SUCCESS
    if options:
        status = call_for_status(context, options, handle, value)
    if status != NDIS_STATUS_SUCCESS:
        context.machine.objects[kind].free(handle, site=context.site)
    return Registered(status, handle if status == NDIS_STATUS_SUCCESS else 0)


def routine_number(structure: str, name: str, function: Any) -> int:
    """The number of a handler, or 0 for none; VNIC_UNKNOWN_ROUTINE for what carries no role, or another one."""
    if function is None:
        return 0
    place = f"{structure}.{name}"
    number: int = getattr(function, "__ndis_routine__", 0)
    role = getattr(function, "__ndis_role__", None)
    if not number or role is None:
        stop_limit(
            VnicLimit.VNIC_UNKNOWN_ROUTINE,
            f"{place} is {getattr(function, '__qualname__', None) or repr(function)}, which carries no role.",
            remedy=f"Make it a module-level function and decorate it with its role type of the WDK{_role_for(place)}.",
        )
    if place not in getattr(role, "fields", (place,)):
        stop_limit(
            VnicLimit.VNIC_UNKNOWN_ROUTINE,
            f"{place} is {function.__qualname__}, which is declared a {role.name}.",
            remedy="A compiler would refuse it too; declare it with the role type that this handler has in the WDK"
            f"{_role_for(place)}.",
        )
    return number


def _role_for(place: str) -> str:
    """The decorator for a handler, behind a colon."""
    return "".join(f": @{role.name}" for role in ROLES.values() if place in role.fields)


def deregister(context: Context, handle: int, kind: HandleKind) -> None:
    """Free a registration; 0x7C/0x21 for what is none, or no longer."""
    driver = find_live(context, handle, kind, "a driver", "deregistered", REGISTRATION)
    driver.state = DEREGISTERED
    context.machine.objects[kind].free(handle, site=context.site)


__all__ = [
    "NdisDeregisterProtocolDriver",
    "NdisMDeregisterMiniportDriver",
    "NdisMRegisterMiniportDriver",
    "NdisRegisterProtocolDriver",
]
