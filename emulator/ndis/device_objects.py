"""DEVICE_OBJECT: what a driver without an NDIS object of its own needs for the kernel's work items.

Law: a device object lives in nonpaged pool; while a work item of it is queued or runs, a deletion waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED, PointerField, load_block
from emulator.kernel.pool import OFFSET_MASK
from emulator.layout.cells import LONG
from emulator.layout.records import Bytes, u8, u16, u32
from emulator.ndis.ddi import ddi
from emulator.ndis.memory import free_block
from emulator.ndis.status import NDIS_STATUS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.rules.irql import AT_MOST_APC

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.driver_object import DRIVER_OBJECT

    PVOID = Any
else:

    class PVOID:
        """Any reference."""

        __field_type__ = PointerField


DEVICE_TAG: Final = int.from_bytes(b"Devi", "little")
IO_TYPE_DEVICE: Final = 3
FILE_DEVICE_NETWORK: Final = 0x12
FILE_DEVICE_UNKNOWN: Final = 0x22
FILE_DEVICE_SECURE_OPEN: Final = 0x100
DO_EXCLUSIVE: Final = 0x8
STATUS_INSUFFICIENT_RESOURCES: Final = NDIS_STATUS_RESOURCES
STATUS_OBJECT_NAME_COLLISION: Final = NDIS_STATUS(0xC000_0035)
NAME_BYTES: Final = 128


class DEVICE_OBJECT(NONPAGED):
    """A device object.  ReferenceCount counts the work items queued or running; DeviceExtension is the driver's."""

    Type: u16
    Size: u16
    ReferenceCount: LONG
    Flags: u32
    Characteristics: u32
    DeviceType: u32
    DeviceExtension: PVOID
    io_driver: u32
    io_deleted: u8
    io_name: Bytes[Literal[128]]

    @property
    def DriverObject(self) -> DRIVER_OBJECT:
        """The driver object that the device was created for."""
        return current.context.machine.driver_objects[self.io_driver]  # type: ignore[no-any-return]


class CreatedDevice(NamedTuple):
    """What IoCreateDevice gives."""

    Status: NDIS_STATUS
    DeviceObject: DEVICE_OBJECT | None


@ddi(irql=AT_MOST_APC, acquires="device object", page="nf-wdm-iocreatedevice")
def IoCreateDevice(
    DriverObject: DRIVER_OBJECT,
    DeviceExtensionSize: int,
    DeviceName: str | None,
    DeviceType: int,
    DeviceCharacteristics: int,
    Exclusive: bool,
    /,
) -> CreatedDevice:
    """Create a device object, with DeviceExtensionSize zeroed bytes of the driver's own.

    INSUFFICIENT_RESOURCES without memory, OBJECT_NAME_COLLISION for a name that is taken.
    """
    context = current.context
    name = (DeviceName or "").encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
    if DeviceName and any(name == device.io_name for device in devices(context)):
        return CreatedDevice(STATUS_OBJECT_NAME_COLLISION, None)
    device = _allocate(context, DEVICE_OBJECT.size(), DEVICE_OBJECT)
    extension = _allocate(context, DeviceExtensionSize, None) if device is not None and DeviceExtensionSize else None
    if device is None or (DeviceExtensionSize and extension is None):
        if device is not None:
            free_block(context, device)
        return CreatedDevice(STATUS_INSUFFICIENT_RESOURCES, None)
    device.Type, device.Size = IO_TYPE_DEVICE, DEVICE_OBJECT.size()
    device.DeviceType, device.Characteristics = DeviceType, DeviceCharacteristics
    device.Flags = DO_EXCLUSIVE if Exclusive else 0
    device.DeviceExtension = extension
    device.io_driver = DriverObject.image
    device.io_name = name
    return CreatedDevice(NDIS_STATUS_SUCCESS, device)


@ddi(irql=AT_MOST_APC, rules=("DeleteDevice",), releases="device object", page="nf-wdm-iodeletedevice")
def IoDeleteDevice(DeviceObject: DEVICE_OBJECT, /) -> None:
    """Delete a device object, once; while a work item refers to it, as soon as the item's routine has returned."""
    context = current.context
    if find_device(context, DeviceObject) is None:
        free_block(context, DeviceObject)
        return
    reference(context, DeviceObject)
    DeviceObject.io_deleted = 1
    dereference(context, DeviceObject)


def find_device(context: Context, device: Any) -> DEVICE_OBJECT | None:
    """The argument where it is a live device object that is not being deleted; else None."""
    pointer = getattr(device, "_pointer", 0)
    if not isinstance(device, DEVICE_OBJECT) or context.machine.pool.find(pointer) is None or device.io_deleted:
        return None
    return device


def reference(context: Context, device: DEVICE_OBJECT) -> None:
    """Keep a device object while a work item of it is queued or runs."""
    context.platform.fetch_add(device.ReferenceCount, 1)


def dereference(context: Context, device: DEVICE_OBJECT) -> None:
    """Let go of it; the last one carries out a deletion that was asked for."""
    if context.platform.fetch_add(device.ReferenceCount, -1) == 1 and device.io_deleted:
        if device.DeviceExtension is not None:
            free_block(context, device.DeviceExtension)
        free_block(context, device)


def devices(context: Context) -> list[DEVICE_OBJECT]:
    """All device objects of the machine."""
    number = context.machine.images.type_numbers[DEVICE_OBJECT]
    return [load_block(context, pointer) for pointer, block in context.machine.pool.live() if block.type == number]


def _allocate(context: Context, length: int, structure: type | None) -> Any:
    machine = context.machine
    pointer = machine.pool.allocate(
        length,
        tag=DEVICE_TAG,
        type_number=machine.images.type_numbers[structure] if structure is not None else 0,
        site=context.site,
        driver=context.driver,
        owner=0,
    )
    if pointer is None:
        return None
    offset = pointer & OFFSET_MASK
    machine.arena.view[offset : offset + length] = bytes(length)
    return load_block(context, pointer)


__all__ = [
    "DEVICE_OBJECT",
    "FILE_DEVICE_NETWORK",
    "FILE_DEVICE_SECURE_OPEN",
    "FILE_DEVICE_UNKNOWN",
    "STATUS_INSUFFICIENT_RESOURCES",
    "STATUS_OBJECT_NAME_COLLISION",
    "IoCreateDevice",
    "IoDeleteDevice",
]
