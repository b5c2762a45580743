"""What the bus knows of an adapter: its configuration space, its device objects, its resources."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.kernel.platform import current
from emulator.ndis.adapter_hardware.bus_data import DEVICE, VENDOR
from emulator.ndis.adapter_hardware.hardware import hardware_of
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer
from vnic.device.registers import WORD_MESSAGES

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


def filtered(
    change: Callable[[Any], int], status: int = 0, messages: int = 0, **numbers: Any
) -> tuple[Computer, list[Any]]:
    """A machine whose miniport changes its requirements; the descriptors that it finds in MiniportInitializeEx."""
    found: list[Any] = []

    def on_set_options(driver: Any) -> int:
        hardware_of(current.context, 0).words[WORD_MESSAGES] = messages
        namespace = machine.fake.machine.images.images[0].module
        return surface.NdisSetOptionalHandlers(driver, namespace.PnpCharacteristics())

    def on_filter(irp: Any) -> int:
        stack = surface.IoGetCurrentIrpStackLocation(irp)
        assert (stack.MajorFunction, stack.MinorFunction) == (
            surface.IRP_MJ_PNP,
            surface.IRP_MN_FILTER_RESOURCE_REQUIREMENTS,
        )
        assert stack.Parameters.StartDevice is None
        found_in = stack.Parameters.FilterResourceRequirements
        assert found_in is not None
        return change(found_in.IoResourceRequirementList)

    def on_start_device(irp: Any) -> int:
        assert surface.IoGetCurrentIrpStackLocation(irp).Parameters.FilterResourceRequirements is None
        return 0

    def on_initialize(adapter: Any) -> int:
        resources = surface.NdisMGetDeviceProperty(adapter.Handle).AllocatedResources
        assert resources is not None
        found.extend(resources.List[0].PartialResourceList.PartialDescriptors)
        return 0

    plant = {
        "OnSetOptions": on_set_options,
        "OnFilterResourceRequirements": on_filter,
        "OnStartDevice": on_start_device,
        "OnInitialize": on_initialize,
    }
    machine = Computer("base_miniport", "base_protocol", plant={"base_miniport": plant}, **numbers)
    assert machine.life() == status
    assert machine.left() == []
    return machine, found


def is_message(one: Any) -> bool:
    return one.Type == 2 and bool(one.Flags & surface.CM_RESOURCE_INTERRUPT_MESSAGE)


def test_the_requirements_name_what_the_adapter_gets() -> None:
    told: list[Any] = []

    def change(asked: Any) -> int:
        told.append(asked)
        return 0

    _, found = filtered(change, messages=3)
    assert told[0].AlternativeLists == len(told[0].List) == 1
    (together,) = told[0].List
    assert together.Count == len(together.Descriptors) == len(found) == 5
    memory, line, *messages = together.Descriptors
    assert (memory.u.Memory.MinimumAddress, memory.u.Memory.Length) == found[0][1:3]
    assert line.u.Interrupt.MinimumVector == line.u.Interrupt.MaximumVector == found[1].Start
    assert {one.u.Interrupt.MinimumVector for one in messages} == {surface.CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN}
    assert all(is_message(one) for one in messages)


def test_messages_that_the_driver_takes_away_are_not_granted() -> None:
    def change(asked: Any) -> int:
        together = asked.List[0]
        together.Descriptors = [one for one in together.Descriptors if not is_message(one)]
        together.Count = len(together.Descriptors)
        return 0

    machine, found = filtered(change, messages=3)
    assert len(found) == 2
    assert not any(is_message(one) for one in found)
    assert not [line for line in machine.logs if "Requirements" in line]


def test_the_log_tells_of_requirements_that_are_not_met() -> None:
    def change(asked: Any) -> int:
        together = asked.List[0]
        for one in together.Descriptors:
            if is_message(one):
                one.Flags |= surface.CM_RESOURCE_INTERRUPT_POLICY_INCLUDED
                one.u.Interrupt.AffinityPolicy = surface.IrqPolicySpecifiedProcessors
                one.u.Interrupt.TargetedProcessors = 1
        together.Count -= 1
        return 0

    machine, found = filtered(change, messages=3, processors=2)
    assert len(found) == 5
    said = [line for line in machine.logs if "Requirements" in line]
    assert len(said) == 2
    assert "asks for 2 messages of 3" in said[0]
    assert "message 1 at processors 0x1; it comes to processor 1" in said[1]


def test_an_adapter_does_not_start_without_its_requirements() -> None:
    _, found = filtered(lambda _asked: 0xC000_009A, 0xC000_009A)
    assert not found
