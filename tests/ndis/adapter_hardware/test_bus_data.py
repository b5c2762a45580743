"""What the bus knows of an adapter: its configuration space, its device objects, its resources."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.ndis.adapter_hardware.bus_data import DEVICE, VENDOR
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer

if TYPE_CHECKING:
    from collections.abc import Callable


def life(act: Callable[[Any], None]) -> Computer:
    """A machine whose miniport does something inside MiniportInitializeEx."""

    def on_initialize(adapter: Any) -> int:
        act(adapter)
        return 0

    machine = Computer("base_miniport", "base_protocol", plant={"base_miniport": {"OnInitialize": on_initialize}})
    assert machine.life() == 0
    assert machine.left() == []
    return machine


def test_the_configuration_space_is_read_and_written() -> None:
    def act(adapter: Any) -> None:
        buffer = bytearray(64)
        assert surface.NdisMGetBusData(adapter.Handle, 0, 0, buffer, 64) == 64
        vendor, device, command, _, revision = struct.unpack_from("<HHHHB", buffer)
        assert (vendor, device, command, revision) == (VENDOR, DEVICE, 6, 1)
        assert buffer[0x0B] == 2  # a network controller
        assert surface.NdisMSetBusData(adapter.Handle, 0, 0, b"\0\0\0\0\xff\xff", 6) == 6
        assert surface.NdisMSetBusData(adapter.Handle, 0, 0x0C, b"\x10\x40", 2) == 2
        assert surface.NdisMGetBusData(adapter.Handle, 0, 0, buffer, 14) == 14
        assert bytes(buffer[:6]) == struct.pack("<HHH", VENDOR, DEVICE, 0x0407)
        assert bytes(buffer[12:14]) == b"\x10\x40"

    life(act)


@pytest.mark.parametrize(
    ("space", "offset", "length", "count"), [(0, 250, 64, 6), (0, 256, 4, 0), (0, -4, 4, 0), (1, 0, 4, 0), (0, 0, 0, 0)]
)
def test_no_more_than_there_is(space: int, offset: int, length: int, count: int) -> None:
    def act(adapter: Any) -> None:
        assert surface.NdisMGetBusData(adapter.Handle, space, offset, bytearray(length), length) == count
        assert surface.NdisMSetBusData(adapter.Handle, space, offset, bytes(length), length) == count

    life(act)


def test_the_device_objects_and_resources_of_an_adapter() -> None:
    found: list[Any] = []

    def act(adapter: Any) -> None:
        physical, functional, below, raw, translated = surface.NdisMGetDeviceProperty(adapter.Handle)
        assert physical is not None
        assert functional is not None
        assert below is physical is not functional
        assert surface.NdisMGetDeviceProperty(adapter.Handle).FunctionalDeviceObject is functional
        assert physical.DriverObject is None
        assert functional.DriverObject is not None
        assert functional.DriverObject.DriverName == "base_miniport"
        assert raw is not None
        assert raw == translated
        found.extend(raw.List[0].PartialResourceList.PartialDescriptors)

    life(act)
    assert len(found) >= 2


def test_a_work_item_of_the_kernel_for_the_adapters_device() -> None:
    def act(adapter: Any) -> None:
        device = surface.NdisMGetDeviceProperty(adapter.Handle).FunctionalDeviceObject
        assert device is not None
        item = surface.IoAllocateWorkItem(device)
        assert item is not None
        surface.IoFreeWorkItem(item)

    life(act)


def test_the_handle_of_something_else() -> None:
    def act(adapter: Any) -> None:
        surface.NdisMGetBusData(adapter.Timer, 0, 0, bytearray(4), 4)

    with pytest.raises(BugCheck) as caught:
        life(act)
    assert (caught.value.code, caught.value.parameters[0]) == (0x7C, 0x21)


@pytest.mark.parametrize("status", [0, 0xC000_0001])
def test_start_device_is_told_the_resources(status: int) -> None:
    seen: list[Any] = []

    def on_set_options(driver: Any) -> int:
        namespace = machine.fake.machine.images.images[0].module
        return surface.NdisSetOptionalHandlers(driver, namespace.PnpCharacteristics())

    def on_start_device(irp: Any) -> int:
        stack = surface.IoGetCurrentIrpStackLocation(irp)
        seen.append((stack.MajorFunction, stack.MinorFunction, stack.Parameters.StartDevice))
        return status

    plant = {"base_miniport": {"OnSetOptions": on_set_options, "OnStartDevice": on_start_device}}
    machine = Computer("base_miniport", "base_protocol", plant=plant)
    assert machine.life() == status
    assert machine.left() == []
    major, minor, told = seen[0]
    assert (major, minor) == (surface.IRP_MJ_PNP, surface.IRP_MN_START_DEVICE)
    assert told.AllocatedResources == told.AllocatedResourcesTranslated
    assert told.AllocatedResources.Count == 1
