"""Device objects that user programs reach: NdisRegisterDeviceEx, and the symbolic links of a driver's own devices.

Law: a device is reached under the last part of its symbolic name; who has it open keeps it, whatever becomes of the
name.  A device of NdisRegisterDeviceEx has dispatch routines of its own, any other those of its driver object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.devices import NAME_BYTES
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.kernel.stop import stop
from emulator.layout.handles import HandleKind, kind_name
from emulator.layout.machine import SystemLock
from emulator.ndis.deferred_work.kernel_items import routine_of_role
from emulator.ndis.devices.device_objects import (
    DEVICE_OBJECT,
    FILE_DEVICE_NETWORK,
    FILE_DEVICE_SECURE_OPEN,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_OBJECT_NAME_COLLISION,
    create,
    delete,
    devices,
    find_device,
    name_of,
    pointer_of,
)
from emulator.ndis.gates.ddi import FILTER, MINIPORT, ddi
from emulator.ndis.gates.live_handles import REGISTRATION, find_live
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.handles import DeviceHandle, FilterDriverHandle, MiniportDriverHandle
from emulator.ndis.headers.io_codes import STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND
from emulator.ndis.headers.roles_kernel import DRIVER_DISPATCH
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import NDIS_DEVICE_OBJECT_ATTRIBUTES, structure_fault
from emulator.ndis.plug_and_play.pnp_checks import check_device
from emulator.rules.irql import ANY, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

_RULES: Final = ("Irql_Miscellaneous_Function",)
_DRIVER_KINDS: Final = (HandleKind.MINIPORT_DRIVER, HandleKind.FILTER_DRIVER)


class RegisteredDevice(NamedTuple):
    """What NdisRegisterDeviceEx gives."""

    Status: NDIS_STATUS
    pDeviceObject: DEVICE_OBJECT | None
    NdisDeviceHandle: DeviceHandle | None


@ddi(irql=AT_PASSIVE, callers=MINIPORT | FILTER, rules=_RULES, acquires="device")
def NdisRegisterDeviceEx(
    NdisHandle: MiniportDriverHandle | FilterDriverHandle, DeviceObjectAttributes: NDIS_DEVICE_OBJECT_ATTRIBUTES, /
) -> RegisteredDevice:
    """Register a device of a miniport or filter driver, with dispatch routines and a symbolic name of its own.

    INVALID_PARAMETER for a wrong header or without names, OBJECT_NAME_COLLISION for a name that is taken, RESOURCES.
    """
    context = current.context
    kind = (NdisHandle or 0) >> 56
    driver = context.machine.objects[HandleKind.MINIPORT_DRIVER].find(NdisHandle, kind)
    if kind not in _DRIVER_KINDS or driver is None:
        what = kind_name(kind) if NdisHandle else "NULL"
        stop(0x7C, 0x21, NdisHandle or 0, kind, text=f"NdisRegisterDeviceEx was given {what} for the driver's handle.")
    given = DeviceObjectAttributes
    fault = structure_fault(given) or (
        "a device needs a DeviceName and a SymbolicName" if not given.DeviceName else None
    )
    if fault is not None:
        tell_refusal(context, "NdisRegisterDeviceEx", fault)
        return RegisteredDevice(NDIS_STATUS_INVALID_PARAMETER, None, None)
    majors = [
        0 if each is None else routine_of_role(each, 0, "NdisRegisterDeviceEx", DRIVER_DISPATCH)
        for each in given.MajorFunctions
    ]
    link = leaf(given.SymbolicName)
    if link is not None and _linked(context, link) is not None:
        return RegisteredDevice(STATUS_OBJECT_NAME_COLLISION, None, None)
    characteristics = FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN
    made = create(context, driver.image, given.ExtensionSize, given.DeviceName, characteristics)
    device = made.DeviceObject
    if device is None:
        collides = made.Status == STATUS_OBJECT_NAME_COLLISION
        return RegisteredDevice(made.Status if collides else NDIS_STATUS_RESOURCES, None, None)
    device.io_own = 1
    for place, number in enumerate(majors):
        device.io_majors[place] = number
    handle = _name(context, HandleKind.DEVICE, device, link or "")
    if handle is None:
        delete(context, device)
        return RegisteredDevice(NDIS_STATUS_RESOURCES, None, None)
    return RegisteredDevice(NDIS_STATUS_SUCCESS, device, DeviceHandle(handle))


@ddi(irql=AT_PASSIVE, callers=MINIPORT | FILTER, rules=_RULES, releases="device")
def NdisDeregisterDeviceEx(NdisDeviceHandle: DeviceHandle, /) -> None:
    """Take a device back; its work items have been freed before.  0x7C/0x21 for what is none, or no more."""
    context = current.context
    record = find_live(context, NdisDeviceHandle, HandleKind.DEVICE, "a device", "deregistered", REGISTRATION)
    check_device(context, NdisDeviceHandle)
    device = decode(context, record.device)
    _forget_name(context, NdisDeviceHandle)
    delete(context, device)


@ddi(irql=ANY, callers=MINIPORT | FILTER)
def NdisGetDeviceReservedExtension(DeviceObject: DEVICE_OBJECT, /) -> Any:
    """The extension of a device of NdisRegisterDeviceEx; None (NULL) for any other device, and without one."""
    return DeviceObject.DeviceExtension if DeviceObject.io_own else None


@ddi(irql=AT_PASSIVE, acquires="symbolic link", page="nf-wdm-iocreatesymboliclink")
def IoCreateSymbolicLink(SymbolicLinkName: str, DeviceName: str, /) -> NDIS_STATUS:
    r"""Let user programs reach a device of IoCreateDevice under ``\\DosDevices\\Name``.

    OBJECT_NAME_COLLISION for a name that is taken, OBJECT_NAME_NOT_FOUND without such a device.
    """
    context = current.context
    link = leaf(SymbolicLinkName)
    if link is None:
        return STATUS_INVALID_PARAMETER
    if _linked(context, link) is not None:
        return STATUS_OBJECT_NAME_COLLISION
    name = name_of(DeviceName)
    device = next((device for device in devices(context) if device.io_name == name and not device.io_deleted), None)
    if device is None:
        return STATUS_OBJECT_NAME_NOT_FOUND
    made = _name(context, HandleKind.SYMBOLIC_LINK, device, link)
    return NDIS_STATUS_SUCCESS if made is not None else STATUS_INSUFFICIENT_RESOURCES


@ddi(irql=AT_PASSIVE, releases="symbolic link", page="nf-wdm-iodeletesymboliclink")
def IoDeleteSymbolicLink(SymbolicLinkName: str, /) -> NDIS_STATUS:
    """Take the name away; OBJECT_NAME_NOT_FOUND for one that there is not."""
    context = current.context
    found = _linked(context, leaf(SymbolicLinkName) or "")
    if found is None or found >> 56 != HandleKind.SYMBOLIC_LINK:
        return STATUS_OBJECT_NAME_NOT_FOUND
    _forget_name(context, found)
    return NDIS_STATUS_SUCCESS


def leaf(symbolic_name: str) -> str | None:
    r"""The name behind ``\\DosDevices\\`` or ``\\??\\``; None for what is no such name."""
    for root in ("\\DosDevices\\", "\\??\\", "\\DosDevices\\Global\\", "\\GLOBAL??\\"):
        rest = symbolic_name.removeprefix(root)
        if rest != symbolic_name and rest and "\\" not in rest and len(rest.encode()) <= NAME_BYTES:
            return rest
    return None


def device_of(context: Context, handle: int) -> DEVICE_OBJECT | None:
    """The device object behind a device handle."""
    record = context.machine.objects[HandleKind.DEVICE].find(handle, HandleKind.DEVICE)
    return None if record is None else find_device(context, decode(context, record.device))


def _linked(context: Context, link: str) -> int | None:
    """The handle of a name that is taken."""
    wanted = link.encode().ljust(NAME_BYTES, b"\0")
    table = context.machine.objects[HandleKind.DEVICE]
    return next((handle for handle, record in table.live() if record.name.lower() == wanted.lower()), None)


def _name(context: Context, kind: HandleKind, device: DEVICE_OBJECT, link: str) -> int | None:
    made = context.machine.objects[kind].allocate(kind, driver=context.driver, parent=0, site=context.site)
    if made is None:
        return None
    handle, record = made
    record.device = pointer_of(device)
    record.name = link.encode().ljust(NAME_BYTES, b"\0")
    _tell_host(context)
    return handle


def _forget_name(context: Context, handle: int) -> None:
    context.machine.objects[HandleKind.DEVICE].free(handle, site=context.site)
    _tell_host(context)


def _tell_host(context: Context) -> None:
    """The host listens under other names from now on."""
    platform, head = context.platform, context.machine.arena.machine
    platform.acquire(SystemLock.DEVICES)
    head.devices = head.devices + 1 & 0xFFFF_FFFF
    platform.release(SystemLock.DEVICES)
    platform.ring(0)


__all__ = [
    "IoCreateSymbolicLink",
    "IoDeleteSymbolicLink",
    "NdisDeregisterDeviceEx",
    "NdisGetDeviceReservedExtension",
    "NdisRegisterDeviceEx",
]
