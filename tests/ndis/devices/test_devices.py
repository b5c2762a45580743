"""Device objects and IRPs: what a user program asks, what the driver is given, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.layout.machine import ContextKind
from emulator.rules.errors import BugCheck
from emulator.rules.limits import VnicLimit
from tests.ndis.devices.user_programs import (
    IRP_MJ_CLEANUP,
    IRP_MJ_CLOSE,
    IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_READ,
    IRP_MJ_WRITE,
    DeviceMachine,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = r"""
    seen = []
    kept = []
    act = None

    class EXTENSION(NONPAGED):
        Opens: LONG

    @DRIVER_DISPATCH
    def Dispatch(DeviceObject, Irp):
        stack = IoGetCurrentIrpStackLocation(Irp)
        seen.append(stack.MajorFunction)
        if act is not None:
            return act(DeviceObject, Irp, stack)
        return Complete(Irp, 0, 0)

    def Complete(Irp, status, information):
        Irp.IoStatus.Status = status
        Irp.IoStatus.Information = information
        IoCompleteRequest(Irp, IO_NO_INCREMENT)
        return status

    @DRIVER_CANCEL
    def Cancelled(DeviceObject, Irp):
        IoReleaseCancelSpinLock(Irp.CancelIrql)
        seen.append((KeGetCurrentIrql(), Irp.Cancel))
        Irp.IoStatus.Status = STATUS_CANCELLED
        IoCompleteRequest(Irp, IO_NO_INCREMENT)

    def DriverEntry(DriverObject, RegistryPath):
        for major in (IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_DEVICE_CONTROL):
            DriverObject.MajorFunction[major] = Dispatch
        status, device = IoCreateDevice(
            DriverObject, sizeof(EXTENSION), r"\Device\Toy", FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False
        )
        device.Flags |= DO_BUFFERED_IO
        return IoCreateSymbolicLink(r"\DosDevices\Toy", r"\Device\Toy")
"""


@pytest.fixture
def machine() -> DeviceMachine:
    return DeviceMachine(SOURCE)


def stops(machine: DeviceMachine, code: int, first: int, act: Callable[[], object]) -> None:
    with pytest.raises(BugCheck) as caught:
        act()
    assert (caught.value.code, caught.value.parameters[0]) == (code, first)
    assert machine.fake.stop_report() is not None


def test_the_life_of_a_file(machine: DeviceMachine) -> None:
    assert machine.names == ["Toy"]
    assert machine.open() == 0
    machine.close()
    assert machine.driver.seen == [IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE]
    assert machine.irps == 0


def test_the_drivers_own_data_of_a_file(machine: DeviceMachine) -> None:
    def act(device: object, irp: object, stack: object) -> int:
        file = stack.FileObject  # type: ignore[attr-defined]
        if stack.MajorFunction == IRP_MJ_CREATE:  # type: ignore[attr-defined]
            file.FsContext = machine.driver.EXTENSION(Opens=machine.driver.LONG(5))
        else:
            machine.driver.seen.append(file.FsContext.Opens.value)
        return machine.driver.Complete(irp, 0, 0)  # type: ignore[no-any-return]

    machine.driver.act = act
    machine.open()
    machine.close()
    assert machine.driver.seen == [IRP_MJ_CREATE, IRP_MJ_CLEANUP, 5, IRP_MJ_CLOSE, 5]


def test_an_open_that_the_driver_refuses(machine: DeviceMachine) -> None:
    machine.driver.act = lambda device, irp, stack: machine.driver.Complete(irp, machine.driver.STATUS_ACCESS_DENIED, 0)
    assert machine.open() == 0xC000_0022
    assert machine.irps == 0
    assert machine.call(IRP_MJ_READ, output=8).status == 0xC000_0008  # there is no such file


def test_a_write_and_a_read(machine: DeviceMachine) -> None:
    machine.open()
    data = bytes(range(200))

    def act(device: object, irp: object, stack: object) -> int:
        parameters = stack.Parameters  # type: ignore[attr-defined]
        buffer = irp.AssociatedIrp.SystemBuffer  # type: ignore[attr-defined]
        if stack.MajorFunction == IRP_MJ_WRITE:  # type: ignore[attr-defined]
            machine.driver.seen.append((parameters.Write.Length, buffer[0 : parameters.Write.Length]))
            return machine.driver.Complete(irp, 0, parameters.Write.Length)  # type: ignore[no-any-return]
        buffer[0:3] = b"abc"
        machine.driver.seen.append(parameters.Read.Length)
        return machine.driver.Complete(irp, 0, 3)  # type: ignore[no-any-return]

    machine.driver.act = act
    written = machine.call(IRP_MJ_WRITE, data)
    assert (written.status, written.information, written.data) == (0, 200, b"")
    assert machine.call(IRP_MJ_READ, output=64).data == b"abc"
    assert machine.driver.seen == [IRP_MJ_CREATE, IRP_MJ_WRITE, (200, data), IRP_MJ_READ, 64]


@pytest.mark.parametrize(("method", "sent"), [(0, b"question"), (1, b"question"), (2, b"question")])
def test_control_codes_by_method(machine: DeviceMachine, method: int, sent: bytes) -> None:
    driver = machine.driver
    code = driver.CTL_CODE(driver.FILE_DEVICE_NETWORK, 0x801, method, driver.FILE_ANY_ACCESS)
    machine.open()

    def act(device: object, irp: object, stack: object) -> int:
        asked = stack.Parameters.DeviceIoControl  # type: ignore[attr-defined]
        system = irp.AssociatedIrp.SystemBuffer  # type: ignore[attr-defined]
        driver.seen.append((asked.IoControlCode, asked.InputBufferLength, asked.OutputBufferLength, system[0:8]))
        out = system
        if method:
            out = driver.MmGetSystemAddressForMdlSafe(irp.MdlAddress, 0)  # type: ignore[attr-defined]
        out[0:6] = b"answer"
        return driver.Complete(irp, 0, 6)  # type: ignore[no-any-return]

    driver.act = act
    answer = machine.call(IRP_MJ_DEVICE_CONTROL, sent, 100, code)
    assert (answer.status, answer.information, answer.data) == (0, 6, b"answer")
    assert driver.seen[-1] == (code, 8, 100, sent)
    driver.act = None
    machine.close()
    assert machine.irps == 0


def test_direct_reads_and_writes(machine: DeviceMachine) -> None:
    machine.open()

    def act(device: object, irp: object, stack: object) -> int:
        memory = machine.driver.MmGetSystemAddressForMdlSafe(irp.MdlAddress, 0)  # type: ignore[attr-defined]
        machine.driver.seen.append(bytes(memory[0:4]))
        memory[0:4] = b"read"
        return machine.driver.Complete(irp, 0, 4)  # type: ignore[no-any-return]

    machine.driver.act = act
    from emulator.kernel.pointers import decode

    with machine.fake.running(machine.io) as context:
        file = decode(context, machine.fake.machine.arena.device_files[1])
        file.DeviceObject.Flags = machine.driver.DO_DIRECT_IO
    assert machine.call(IRP_MJ_WRITE, b"data").information == 4
    assert machine.call(IRP_MJ_READ, output=4).data == b"read"
    assert machine.driver.seen[2] == b"data"
    machine.driver.act = None
    machine.close()


def test_a_function_that_the_driver_does_not_serve(machine: DeviceMachine) -> None:
    machine.open()
    assert machine.call(0x0A).status == 0xC000_0010


def keeps(machine: DeviceMachine) -> Callable[[object, object, object], int]:
    def act(device: object, irp: object, stack: object) -> int:
        driver = machine.driver
        if stack.MajorFunction != IRP_MJ_READ:  # type: ignore[attr-defined]
            return driver.Complete(irp, 0, 0)  # type: ignore[no-any-return]
        driver.IoMarkIrpPending(irp)
        driver.IoSetCancelRoutine(irp, driver.Cancelled)
        driver.kept.append(irp)
        return driver.STATUS_PENDING  # type: ignore[no-any-return]

    return act


def test_what_pends_is_completed_later(machine: DeviceMachine) -> None:
    driver = machine.driver
    driver.act = keeps(machine)
    machine.open()
    first, second = (machine.submit(IRP_MJ_READ, output=16) for _ in range(2))
    assert first.pends()
    assert second.pends()
    with machine.fake.dispatch(driver=1):
        irp = driver.kept.pop()
        assert driver.IoSetCancelRoutine(irp, None) is driver.Cancelled
        irp.AssociatedIrp.SystemBuffer[0:5] = b"later"
        driver.Complete(irp, 0, 5)
    assert second.answered().data == b"later"
    assert first.pends()


def test_what_pends_is_cancelled(machine: DeviceMachine) -> None:
    driver = machine.driver
    driver.act = keeps(machine)
    machine.open()
    read = machine.submit(IRP_MJ_READ, output=16)
    assert read.pends()
    read.cancel()
    assert read.answered().status == 0xC000_0120
    assert driver.seen[-1] == (0, 1)


def test_a_cancel_that_comes_too_late_does_nothing(machine: DeviceMachine) -> None:
    driver = machine.driver
    driver.act = keeps(machine)
    machine.open()
    read = machine.submit(IRP_MJ_READ, output=16)
    assert read.pends()
    with machine.fake.running(machine.io, driver=1):
        driver.IoSetCancelRoutine(driver.kept[0], None)
    read.cancel()
    assert not read.answers
    with machine.fake.running(machine.io, driver=1):
        assert driver.kept[0].Cancel == 1
        driver.Complete(driver.kept[0], driver.STATUS_CANCELLED, 0)
    assert read.answered().status == 0xC000_0120


def test_the_cancel_spin_lock(machine: DeviceMachine) -> None:
    with machine.fake.running(machine.io, driver=1) as context:
        before = machine.driver.IoAcquireCancelSpinLock()
        assert (before, context.irql) == (0, 2)
        machine.driver.IoReleaseCancelSpinLock(before)
        assert context.irql == 0


def test_the_device_stays_while_it_is_open(machine: DeviceMachine) -> None:
    driver, pool = machine.driver, machine.fake.machine.pool
    machine.open()
    before = pool.state.blocks
    with machine.fake.running(machine.io, driver=1) as context:
        from emulator.ndis.devices.device_objects import devices

        device = devices(context)[0]
        assert driver.IoDeleteSymbolicLink(r"\DosDevices\Toy") == 0
        assert driver.IoDeleteSymbolicLink(r"\DosDevices\Toy") == driver.STATUS_OBJECT_NAME_NOT_FOUND
        driver.IoDeleteDevice(device)
    assert machine.names == []
    assert pool.state.blocks == before
    machine.close()
    assert pool.state.blocks == before - 3  # device, extension, file


def test_one_who_opens_an_exclusive_device(machine: DeviceMachine) -> None:
    from emulator.ndis.devices.device_objects import devices

    with machine.fake.running(machine.io) as context:
        devices(context)[0].Flags = machine.driver.DO_EXCLUSIVE
    assert machine.open(1) == 0
    assert machine.open(2) == 0xC000_0022
    machine.close(1)
    assert machine.open(2) == 0


def test_links_are_taken_once_and_lead_somewhere(machine: DeviceMachine) -> None:
    driver = machine.driver
    with machine.fake.running(machine.io, driver=1):
        assert driver.IoCreateSymbolicLink(r"\DosDevices\TOY", r"\Device\Toy") == driver.STATUS_OBJECT_NAME_COLLISION
        assert driver.IoCreateSymbolicLink(r"\??\Other", r"\Device\None") == driver.STATUS_OBJECT_NAME_NOT_FOUND
        assert driver.IoCreateSymbolicLink("Toy2", r"\Device\Toy") == driver.STATUS_INVALID_PARAMETER
        assert driver.IoCreateSymbolicLink(r"\??\Other", r"\Device\Toy") == 0
    assert machine.names == ["Toy", "Other"]


def test_completed_twice(machine: DeviceMachine) -> None:
    def act(device: object, irp: object, stack: object) -> int:
        machine.driver.Complete(irp, 0, 0)
        return machine.driver.Complete(irp, 0, 0)  # type: ignore[no-any-return]

    machine.driver.act = act
    with pytest.raises(BugCheck) as caught:
        machine.open()
    assert caught.value.code == 0x44
    assert [site.what for site in machine.fake.stop_report().sites] == ["completed"]


def test_completed_as_pending(machine: DeviceMachine) -> None:
    machine.driver.act = lambda device, irp, stack: machine.driver.Complete(irp, machine.driver.STATUS_PENDING, 0)
    stops(machine, 0xC9, 0x06, machine.open)


def test_completed_with_a_cancel_routine(machine: DeviceMachine) -> None:
    driver = machine.driver

    def act(device: object, irp: object, stack: object) -> int:
        driver.IoSetCancelRoutine(irp, driver.Cancelled)
        return driver.Complete(irp, 0, 0)  # type: ignore[no-any-return]

    driver.act = act
    stops(machine, 0xC9, 0x07, machine.open)


@pytest.mark.parametrize(
    ("completes", "marks", "returns", "number"),
    [(True, False, 0xC0000001, 0x224), (False, False, 0, 0x226), (False, False, 0x103, 0x224), (True, True, 0, 0x224)],
)
def test_what_the_routine_returns_must_agree(
    machine: DeviceMachine, completes: bool, marks: bool, returns: int, number: int
) -> None:
    driver = machine.driver

    def act(device: object, irp: object, stack: object) -> int:
        if marks:
            driver.IoMarkIrpPending(irp)
        if completes:
            driver.Complete(irp, 0, 0)
        return returns

    driver.act = act
    stops(machine, 0xC9, number, machine.open)


def test_more_information_than_there_is_room(machine: DeviceMachine) -> None:
    machine.open()
    machine.driver.act = lambda device, irp, stack: machine.driver.Complete(irp, 0, 17)
    with pytest.raises(BugCheck) as caught:
        machine.call(IRP_MJ_READ, output=16)
    assert caught.value.code == 0xD6


@pytest.mark.parametrize("what", ["read", "control"])
def test_addresses_of_user_programs_are_not_implemented(machine: DeviceMachine, what: str) -> None:
    from emulator.rules.errors import NotImplementedByEmulator

    machine.open()
    if what == "control":
        with pytest.raises(NotImplementedByEmulator, match="METHOD_NEITHER"):
            machine.call(IRP_MJ_DEVICE_CONTROL, b"x", 1, code=3)
        return
    from emulator.ndis.devices.device_objects import devices

    with machine.fake.running(machine.io) as context:
        devices(context)[0].Flags = 0
    with pytest.raises(NotImplementedByEmulator, match="DO_BUFFERED_IO"):
        machine.call(IRP_MJ_READ, output=1)


def test_dispatch_routines_are_set_in_driver_entry(machine: DeviceMachine) -> None:
    def act() -> None:
        with machine.fake.running(machine.io, driver=1):
            machine.object.MajorFunction[IRP_MJ_READ] = machine.driver.Dispatch

    stops(machine, VnicLimit.VNIC_PRIVATE_DATA, 0, act)


def test_a_dispatch_routine_carries_its_role(machine: DeviceMachine) -> None:
    def act() -> None:
        with machine.fake.running(machine.fake.context(ContextKind.ZYGOTE), driver=1):
            machine.object.MajorFunction[IRP_MJ_READ] = machine.driver.Cancelled

    stops(machine, VnicLimit.VNIC_UNKNOWN_ROUTINE, 0, act)
