"""The kernel's work items and device objects: what a protocol driver defers with, and the stops of misusing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.ndis.io_work_items import queue_of
from emulator.ndis.oid_structures import BUILT_IN_TYPES
from emulator.rules.errors import BugCheck
from tests.fake_platform import FakeMachine, driver_module, surface

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = """
    ran = []
    during = None

    class CONTEXT(NONPAGED):
        Number: u32

    @IO_WORKITEM_ROUTINE
    def Routine(device, context):
        ran.append((device, context, KeGetCurrentIrql()))
        if during is not None:
            during(device, context)

    @IO_WORKITEM_ROUTINE
    def Returns_at_dispatch(device, context):
        NDIS_RAISE_IRQL_TO_DISPATCH()

    @NDIS_IO_WORKITEM_FUNCTION
    def NdisRoutine(context, handle):
        pass
"""


class Machine:
    """A fake machine with one driver, seen from its passive worker."""

    def __init__(self) -> None:
        self.driver: Any = driver_module("proto", SOURCE, **surface(checked=True))
        self.fake = FakeMachine([self.driver], builtin_types=BUILT_IN_TYPES)
        self.worker = self.fake.passive_worker()
        self.worker.driver = 1

        class Object:
            image = 1

        self.object = Object()

    def device(self, extension: int = 0, name: str | None = None) -> Any:
        status, device = self.driver.IoCreateDevice(self.object, extension, name, 0x12, 0, False)
        assert status == 0
        return device

    @property
    def blocks(self) -> int:
        return self.fake.machine.pool.state.blocks


@pytest.fixture
def machine() -> Machine:
    return Machine()


def stops(code: int, first: int, act: Callable[[], object]) -> BugCheck:
    with pytest.raises(BugCheck) as caught:
        act()
    assert (caught.value.code, caught.value.parameters[0]) == (code, first)
    return caught.value


def test_the_routine_gets_device_and_context_at_passive_level(machine: Machine) -> None:
    driver, device = machine.driver, machine.device()
    item = driver.IoAllocateWorkItem(device)
    context = driver.CONTEXT(Number=7)
    with machine.fake.dispatch(driver=1):
        driver.IoQueueWorkItem(item, driver.Routine, driver.WORK_QUEUE_TYPE.DelayedWorkQueue, context)
    assert machine.fake.machine.queues[1].pending
    assert device.ReferenceCount.value == 1
    assert machine.fake.work()
    assert driver.ran == [(device, context, 0)]
    assert device.ReferenceCount.value == 0
    driver.IoFreeWorkItem(item)


def test_it_may_queue_and_free_itself_in_its_routine(machine: Machine) -> None:
    driver, device = machine.driver, machine.device()
    item = driver.IoAllocateWorkItem(device)

    def again(device: Any, context: Any) -> None:
        del device, context
        if len(driver.ran) == 1:
            driver.IoQueueWorkItem(item, driver.Routine, 1, None)
        else:
            driver.IoFreeWorkItem(item)

    driver.during = again
    driver.IoQueueWorkItem(item, driver.Routine, 1, None)
    assert machine.fake.work()
    assert machine.fake.work()
    assert not machine.fake.work()
    assert len(driver.ran) == 2


@pytest.mark.parametrize("queue", range(7))
def test_every_queue_is_served(machine: Machine, queue: int) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    driver.IoQueueWorkItem(item, driver.Routine, queue, 5)
    assert machine.fake.machine.queues[queue].pending
    assert machine.fake.work()
    assert driver.ran[0][1] == 5


@pytest.mark.parametrize(
    ("given", "queue"), [(32 + 13, 0), (32 + 14, 6), (32 + 31, 5), (32 + 12, 1), (32, 4), (7, None), (64, None)]
)
def test_custom_priorities_go_to_the_next_queue_that_is_not_above(given: int, queue: int | None) -> None:
    assert queue_of(given) == queue


def test_a_deletion_waits_for_the_routine(machine: Machine) -> None:
    driver, before = machine.driver, machine.blocks
    device = machine.device(extension=64)
    item = driver.IoAllocateWorkItem(device)
    driver.IoQueueWorkItem(item, driver.Routine, 1, None)
    driver.IoDeleteDevice(device)
    assert machine.blocks == before + 2
    assert machine.fake.work()
    assert machine.blocks == before
    driver.IoFreeWorkItem(item)


def test_names_are_taken_once(machine: Machine) -> None:
    device = machine.device(name="\\Device\\One")
    assert machine.driver.IoCreateDevice(machine.object, 0, "\\Device\\One", 0x12, 0, False)[1] is None
    machine.driver.IoDeleteDevice(device)
    machine.device(name="\\Device\\One")


def test_the_extension_is_zeroed_memory(machine: Machine) -> None:
    device = machine.device(extension=32)
    assert bytes(device.DeviceExtension)[:32] == bytes(32)


def test_queued_twice(machine: Machine) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    driver.IoQueueWorkItem(item, driver.Routine, 1, None)
    report: Any = stops(0xE4, 1, lambda: driver.IoQueueWorkItem(item, driver.Routine, 1, None))
    assert report.parameters[1:3] == (item, 1)


def test_freed_while_queued(machine: Machine) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    driver.IoQueueWorkItem(item, driver.Routine, 0, None)
    stops(0xE4, 2, lambda: driver.IoFreeWorkItem(item))


@pytest.mark.parametrize("name", ["IoFreeWorkItem", "IoQueueWorkItem"])
def test_used_after_it_was_freed(machine: Machine, name: str) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    driver.IoFreeWorkItem(item)
    more = (driver.Routine, 1, None) if name == "IoQueueWorkItem" else ()
    stops(0xE4, 0, lambda: getattr(driver, name)(item, *more))


def test_queue_types_that_do_not_exist(machine: Machine) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    stops(0xE4, 6, lambda: driver.IoQueueWorkItem(item, driver.Routine, 7, None))


def test_the_two_kinds_of_items_are_not_mixed(machine: Machine) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    stops(0xE4, 3, lambda: driver.NdisQueueIoWorkItem(item, driver.NdisRoutine, None))


def test_a_device_object_is_needed(machine: Machine) -> None:
    stops(0xE4, 3, lambda: machine.driver.IoAllocateWorkItem(machine.driver.CONTEXT()))


def test_a_deleted_device_is_none(machine: Machine) -> None:
    device = machine.device()
    machine.driver.IoDeleteDevice(device)
    stops(0xC2, 7, lambda: machine.driver.IoDeleteDevice(device))


def test_the_routine_must_return_at_passive_level(machine: Machine) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    driver.IoQueueWorkItem(item, driver.Returns_at_dispatch, 1, None)
    with pytest.raises(BugCheck) as caught:
        machine.fake.work()
    assert caught.value.code == 0xE1


def test_no_more_items_than_the_machine_has() -> None:
    machine = Machine()
    device = machine.device()
    items = [machine.driver.IoAllocateWorkItem(device) for _ in range(65)]
    assert items[-1] is None
    assert None not in items[:-1]
