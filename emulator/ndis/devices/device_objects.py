"""DEVICE_OBJECT: what the kernel's work items are for, and what user programs open.

Law: a device object lives in nonpaged pool; while a work item of it is queued or runs, or somebody has it open, a
deletion waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED, PointerField, load_block
from emulator.kernel.pool import OFFSET_MASK
from emulator.layout.cells import LONG
from emulator.layout.records import Array, Bytes, u8, u16, u32
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.services.memory import free_block
from emulator.rules.irql import AT_MOST_APC

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT

    PVOID = Any
else:

    class PVOID:
        """Any reference."""

        __field_type__ = PointerField


DEVICE_TAG: Final = int.from_bytes(b"Devi", "little")
IO_TYPE_DEVICE: Final = 3
FILE_DEVICE_NETWORK: Final = 0x12
FILE_DEVICE_PHYSICAL_NETCARD: Final = 0x17
FILE_DEVICE_UNKNOWN: Final = 0x22
FILE_DEVICE_SECURE_OPEN: Final = 0x100
DO_EXCLUSIVE: Final = 0x8
STATUS_INSUFFICIENT_RESOURCES: Final = NDIS_STATUS_RESOURCES
STATUS_OBJECT_NAME_COLLISION: Final = NDIS_STATUS(0xC000_0035)
NAME_BYTES: Final = 128


class DEVICE_OBJECT(NONPAGED):
    """A device object.  ReferenceCount counts work items queued or running and open files; DeviceExtension is the
    driver's.  With ``io_own`` its dispatch routines are ``io_majors``, else those of its driver.
    """

    Type: u16
    Size: u16
    ReferenceCount: LONG
    Flags: u32
    Characteristics: u32
    DeviceType: u32
    DeviceExtension: PVOID
    io_driver: u32
    io_deleted: u8
    io_own: u8
    io_name: Bytes[Literal[128]]
    io_majors: Array[u32, Literal[28]]

    @property
    def DriverObject(self) -> DRIVER_OBJECT | None:
        """The driver object that the device was created for; None for a device of the bus."""
        return current.context.machine.driver_objects.get(self.io_driver)


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
    made = create(
        current.context, DriverObject.image, DeviceExtensionSize, DeviceName, (DeviceType, DeviceCharacteristics)
    )
    if made.DeviceObject is not None and Exclusive:
        made.DeviceObject.Flags = DO_EXCLUSIVE
    return made


@ddi(irql=AT_MOST_APC, rules=("DeleteDevice",), releases="device object", page="nf-wdm-iodeletedevice")
def IoDeleteDevice(DeviceObject: DEVICE_OBJECT, /) -> None:
    """Delete a device object, once; while a work item refers to it, as soon as the item's routine has returned."""
    delete(current.context, DeviceObject)


def create(
    context: Context, image: int, extension_size: int, given_name: str | None, characteristics: tuple[int, int]
) -> CreatedDevice:
    """A device object of a driver, with its extension: of the structure whose size is asked for with sizeof."""
    name = name_of(given_name)
    if given_name and any(name == device.io_name for device in devices(context)):
        return CreatedDevice(STATUS_OBJECT_NAME_COLLISION, None)
    structure = getattr(extension_size, "structure", None)
    device = _allocate(context, DEVICE_OBJECT.size(), DEVICE_OBJECT)
    extension = _allocate(context, extension_size, structure) if device is not None and extension_size else None
    if device is None or (extension_size and extension is None):
        if device is not None:
            free_block(context, device)
        return CreatedDevice(STATUS_INSUFFICIENT_RESOURCES, None)
    device.Type, device.Size = IO_TYPE_DEVICE, DEVICE_OBJECT.size()
    device.DeviceType, device.Characteristics = characteristics
    device.DeviceExtension = extension
    device.io_driver = image
    device.io_name = name
    return CreatedDevice(NDIS_STATUS_SUCCESS, device)


def create_for_adapter(context: Context, image: int) -> DEVICE_OBJECT | None:
    """A device object that NDIS has for an adapter: it is no driver's to delete."""
    device: DEVICE_OBJECT | None = _allocate(context, DEVICE_OBJECT.size(), DEVICE_OBJECT, ours=True)
    if device is not None:
        device.Type, device.Size, device.DeviceType = IO_TYPE_DEVICE, DEVICE_OBJECT.size(), FILE_DEVICE_PHYSICAL_NETCARD
        device.io_driver = image
    return device


def delete(context: Context, device: DEVICE_OBJECT) -> None:
    """Delete a device object, or leave that to who lets go of it last."""
    if find_device(context, device) is None:
        free_block(context, device)
        return
    reference(context, device)
    device.io_deleted = 1
    dereference(context, device)


def name_of(given: str | None) -> bytes:
    """A device's name as its object keeps it."""
    return (given or "").encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")


def find_device(context: Context, device: Any) -> DEVICE_OBJECT | None:
    """The argument where it is a live device object that is not being deleted; else None."""
    pointer = getattr(device, "_pointer", 0)
    if not isinstance(device, DEVICE_OBJECT) or context.machine.pool.find(pointer) is None or device.io_deleted:
        return None
    return device


def pointer_of(structure: Any) -> int:
    """Where a structure lies in the pool."""
    return structure._pointer  # type: ignore[no-any-return]


def reference(context: Context, device: DEVICE_OBJECT) -> None:
    """Keep a device object while a work item of it is queued or runs, or a program has it open."""
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


def _allocate(context: Context, length: int, structure: type | None, *, ours: bool = False) -> Any:
    machine = context.machine
    pointer = machine.pool.allocate(
        length,
        tag=DEVICE_TAG,
        type_number=machine.images.type_numbers[structure] if structure is not None else 0,
        site=context.site,
        driver=0 if ours else context.driver,
        owner=0,
    )
    if pointer is None:
        return None
    offset = pointer & OFFSET_MASK
    machine.arena.view[offset : offset + length] = bytes(length)
    return load_block(context, pointer)


__all__ = [
    "DEVICE_OBJECT",
    "DO_EXCLUSIVE",
    "FILE_DEVICE_NETWORK",
    "FILE_DEVICE_PHYSICAL_NETCARD",
    "FILE_DEVICE_SECURE_OPEN",
    "FILE_DEVICE_UNKNOWN",
    "STATUS_INSUFFICIENT_RESOURCES",
    "STATUS_OBJECT_NAME_COLLISION",
    "IoCreateDevice",
    "IoDeleteDevice",
]
