"""What the bus knows of an adapter: its PCI configuration space, its device objects, its resources.

Law: the configuration space is bytes of the arena, of which a driver can change those that a PCI function lets it
change; the device objects of an adapter are NDIS's, made when they are first asked for, and go with the adapter.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.layout.arena import BUS_DATA_BYTES
from emulator.ndis.adapter_hardware.hardware import CM_PARTIAL_RESOURCE_DESCRIPTOR, resources_of
from emulator.ndis.devices.device_objects import DEVICE_OBJECT, create_for_adapter, pointer_of
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.ndis.services.memory import bytes_of, readable
from emulator.rules.irql import ANY, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

PCI_WHICHSPACE_CONFIG: Final = 0
PCI_BUS: Final = 5
"""PCIBus of INTERFACE_TYPE."""
VENDOR, DEVICE, REVISION, NETWORK_CLASS = 0xFFFE, 0x4E44, 1, 0x02_0000
"""A vendor that nobody is, an Ethernet controller."""
_HEADER: Final = struct.Struct("<HHHHB3sBBBB")
WRITABLE: Final = {0x04: 0x07, 0x05: 0x04, 0x0C: 0xFF, 0x0D: 0xFF, 0x3C: 0xFF}
"""By offset, which bits a driver can change: command, cache line size, latency timer, interrupt line."""


class CM_PARTIAL_RESOURCE_LIST(NamedTuple):
    """The resources of one device."""

    Version: int
    Revision: int
    Count: int
    PartialDescriptors: list[CM_PARTIAL_RESOURCE_DESCRIPTOR]


class CM_FULL_RESOURCE_DESCRIPTOR(NamedTuple):
    """Resources on one bus."""

    InterfaceType: int
    BusNumber: int
    PartialResourceList: CM_PARTIAL_RESOURCE_LIST


class CM_RESOURCE_LIST(NamedTuple):
    """Resources by bus."""

    Count: int
    List: list[CM_FULL_RESOURCE_DESCRIPTOR]


class DeviceProperty(NamedTuple):
    """What NdisMGetDeviceProperty gives."""

    PhysicalDeviceObject: DEVICE_OBJECT | None
    FunctionalDeviceObject: DEVICE_OBJECT | None
    NextDeviceObject: DEVICE_OBJECT | None
    AllocatedResources: CM_RESOURCE_LIST | None
    AllocatedResourcesTranslated: CM_RESOURCE_LIST | None


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMGetDeviceProperty(MiniportAdapterHandle: AdapterHandle, /) -> DeviceProperty:
    """The device objects and the resources of an adapter; raw and translated addresses are the same here.

    A device object is None (NULL) when there is no memory for it; a virtual miniport has no resources.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMGetDeviceProperty")
    physical = _device(context, adapter, "physical_device", 0)
    functional = _device(context, adapter, "functional_device", adapter.head.driver)
    resources = None if adapter.virtual else resource_list(context, adapter)
    return DeviceProperty(physical, functional, physical, resources, resources)


@ddi(irql=ANY, callers=MINIPORT)
def NdisMGetBusData(
    NdisMiniportHandle: AdapterHandle, WhichSpace: int, Offset: int, Buffer: Any, Length: int, /
) -> int:
    """Read the PCI configuration space into Buffer; the number of bytes, 0 for another space or without a bus."""
    context = current.context
    adapter = adapter_of(context, NdisMiniportHandle, "NdisMGetBusData")
    count = _count(adapter, WhichSpace, Offset, Length)
    bytes_of(Buffer, Length)[:count] = _space(context, adapter)[Offset : Offset + count]
    return count


@ddi(irql=ANY, callers=MINIPORT)
def NdisMSetBusData(
    NdisMiniportHandle: AdapterHandle, WhichSpace: int, Offset: int, Buffer: Any, Length: int, /
) -> int:
    """Write to the PCI configuration space; the number of bytes, whether or not the function lets itself be changed."""
    context = current.context
    adapter = adapter_of(context, NdisMiniportHandle, "NdisMSetBusData")
    count = _count(adapter, WhichSpace, Offset, Length)
    space, given = _space(context, adapter), bytes(readable(Buffer, Length))
    for place, byte in enumerate(given[:count], Offset):
        mask = WRITABLE.get(place, 0)
        space[place] = space[place] & ~mask | byte & mask
    return count


def reset(context: Context, adapter: Any) -> None:
    """The configuration space as it is when the device has been found."""
    space = _space(context, adapter)
    arena = context.machine.arena
    command = 0x0006  # memory space, bus master
    kind = struct.pack("<I", NETWORK_CLASS)[:3]
    space[:] = bytes(BUS_DATA_BYTES)
    space[: _HEADER.size] = _HEADER.pack(VENDOR, DEVICE, command, 0, REVISION, kind, 0, 0, 0, 0)
    space[0x10:0x14] = struct.pack("<I", arena.hardware_offset(adapter.number) & 0xFFFF_FFF0)
    space[0x2C:0x30] = struct.pack("<HH", VENDOR, DEVICE)
    space[0x3C:0x3E] = bytes((adapter.number & 0xFF, 1))


def _count(adapter: Any, space: int, offset: int, length: int) -> int:
    if space != PCI_WHICHSPACE_CONFIG or adapter.virtual or offset < 0:
        return 0
    return max(0, min(length, BUS_DATA_BYTES - offset))


def _space(context: Context, adapter: Any) -> memoryview:
    return context.machine.arena.bus_data(adapter.number)


def _device(context: Context, adapter: Any, member: str, image: int) -> DEVICE_OBJECT | None:
    pointer = getattr(adapter, member)
    if not pointer:
        device = create_for_adapter(context, image)
        if device is None:
            return None
        setattr(adapter, member, pointer_of(device))
        return device
    return decode(context, pointer)  # type: ignore[no-any-return]


def resource_list(context: Context, adapter: Any) -> CM_RESOURCE_LIST:
    """The resources of an adapter, as PnP tells them."""
    found = resources_of(context, adapter)
    partial = CM_PARTIAL_RESOURCE_LIST(1, 1, len(found), found)
    return CM_RESOURCE_LIST(1, [CM_FULL_RESOURCE_DESCRIPTOR(PCI_BUS, 0, partial)])


__all__ = [
    "CM_FULL_RESOURCE_DESCRIPTOR",
    "CM_PARTIAL_RESOURCE_LIST",
    "CM_RESOURCE_LIST",
    "PCI_WHICHSPACE_CONFIG",
    "NdisMGetBusData",
    "NdisMGetDeviceProperty",
    "NdisMSetBusData",
]
