"""The kernel's work items and device objects: what a protocol driver defers with, and the stops of misusing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.blackbox import waiting_items
from emulator.host.messages import Names
from emulator.layout.handles import HandleKind
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.deferred_work.kernel_items import queue_of
from emulator.rules.errors import BugCheck
from emulator.rules.limits import VnicLimit
from tests.fake_platform import FakeMachine, driver_module, surface

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = """
    ran = []
    during = None

    class CONTEXT(NONPAGED):
        Number: u32
        Lock: NDIS_SPIN_LOCK

    @IO_WORKITEM_ROUTINE
    def Routine(device, context):
        ran.append((device, context, KeGetCurrentIrql()))
        if during is not None:
            during(device, context)

    @IO_WORKITEM_ROUTINE
    def Returns_at_dispatch(device, context):
        NDIS_RAISE_IRQL_TO_DISPATCH()

    @IO_WORKITEM_ROUTINE
    def Returns_with_a_lock(device, context):
        NdisAcquireSpinLock(context.Lock)

    @IO_WORKITEM_ROUTINE_EX
    def RoutineEx(object, context, item):
        ran.append((object, context, item))
        if during is not None:
            during(object, item)

    @WORKER_THREAD_ROUTINE
    def Deferred(parameter):
        ran.append(parameter)
        if during is not None:
            during(parameter, None)

    class OWN(NONPAGED):
        Padding: u64
        Item: WORK_QUEUE_ITEM

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

        self.object = self.driver.DRIVER_OBJECT("proto", 1)
        self.fake.machine.driver_objects[1] = self.object

    def device(self, extension: int = 0, name: str | None = None) -> Any:
        status, device = self.driver.IoCreateDevice(self.object, extension, name, 0x12, 0, False)
        assert status == 0
        return device

    def storage(self) -> Any:
        memory = self.driver.NdisAllocateMemoryWithTagPriority(None, self.driver.IoSizeofWorkItem(), 0x31323334, 0)
        assert memory is not None
        return memory

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


def test_a_lock_that_keeps_a_routine_at_dispatch_level_is_told(machine: Machine) -> None:
    driver = machine.driver
    item, context = driver.IoAllocateWorkItem(machine.device()), driver.CONTEXT()
    driver.NdisAllocateSpinLock(context.Lock)
    driver.IoQueueWorkItem(item, driver.Returns_with_a_lock, 1, context)
    with pytest.raises(BugCheck) as caught:
        machine.fake.work()
    assert caught.value.code == 0xE1
    report = machine.fake.stop_report()
    assert report is not None
    assert (report.driver, report.callback) == ("proto", "proto!Returns_with_a_lock")
    assert [site.what for site in report.sites] == ["queued", "lock acquired"]


def test_no_more_items_than_the_machine_has() -> None:
    machine = Machine()
    device = machine.device()
    items = [machine.driver.IoAllocateWorkItem(device) for _ in range(65)]
    assert items[-1] is None
    assert None not in items[:-1]


def test_the_ex_form_gets_its_object_and_its_item(machine: Machine) -> None:
    driver, device = machine.driver, machine.device()
    item = driver.IoAllocateWorkItem(device)
    driver.IoQueueWorkItemEx(item, driver.RoutineEx, 1, 7)
    assert machine.fake.work()
    assert driver.ran == [(device, 7, item)]
    assert device.ReferenceCount.value == 0


def test_an_item_in_the_drivers_own_memory(machine: Machine) -> None:
    driver, before = machine.driver, machine.fake.machine.objects[HandleKind.IO_WORK_ITEM].in_use
    storage, device = machine.storage(), machine.device()
    for given in (machine.object, device):
        driver.IoInitializeWorkItem(given, storage)
        driver.IoQueueWorkItemEx(storage, driver.RoutineEx, 1, None)
        assert machine.fake.work()
        assert driver.ran.pop() == (given, None, storage)
        driver.IoUninitializeWorkItem(storage)
    assert machine.fake.machine.objects[HandleKind.IO_WORK_ITEM].in_use == before
    driver.NdisFreeMemory(storage, 0, 0)


def test_two_items_in_one_block(machine: Machine) -> None:
    driver = machine.driver
    whole = driver.NdisAllocateMemoryWithTagPriority(None, 2 * driver.IoSizeofWorkItem(), 0x31323334, 0)
    second = whole + driver.IoSizeofWorkItem()
    driver.IoInitializeWorkItem(machine.object, whole)
    driver.IoInitializeWorkItem(machine.object, second)
    driver.IoUninitializeWorkItem(whole)
    driver.IoQueueWorkItemEx(second, driver.RoutineEx, 1, None)
    assert machine.fake.work()
    assert driver.ran[0][2].offset == second.offset
    stops(0xE4, 0, lambda: driver.NdisFreeMemory(whole, 0, 0))


def test_it_may_uninitialize_itself_in_its_routine(machine: Machine) -> None:
    driver, storage = machine.driver, machine.storage()
    driver.IoInitializeWorkItem(machine.object, storage)
    driver.during = lambda _, item: driver.IoUninitializeWorkItem(item)
    driver.IoQueueWorkItemEx(storage, driver.RoutineEx, 1, None)
    assert machine.fake.work()
    driver.NdisFreeMemory(storage, 0, 0)


@pytest.mark.parametrize("name", ["IoFreeWorkItem", "IoUninitializeWorkItem"])
def test_each_form_is_given_back_its_own_way(machine: Machine, name: str) -> None:
    driver, storage = machine.driver, machine.storage()
    driver.IoInitializeWorkItem(machine.object, storage)
    wrong = storage if name == "IoFreeWorkItem" else driver.IoAllocateWorkItem(machine.device())
    stops(0xE4, 3, lambda: getattr(driver, name)(wrong))


def test_memory_that_was_never_initialized(machine: Machine) -> None:
    driver = machine.driver
    stops(0xE4, 3, lambda: driver.IoQueueWorkItemEx(machine.storage(), driver.RoutineEx, 1, None))


def test_to_try_is_no_mistake(machine: Machine) -> None:
    driver, device = machine.driver, machine.device()
    item = driver.IoAllocateWorkItem(device)
    assert driver.IoTryQueueWorkItem(item, driver.RoutineEx, 1, 1) is True
    assert driver.IoTryQueueWorkItem(item, driver.RoutineEx, 0, 2) is False
    assert machine.fake.work()
    assert not machine.fake.work()
    assert [context for _, context, _ in driver.ran] == [1]
    assert device.ReferenceCount.value == 0


def test_a_routine_of_the_other_form_is_refused(machine: Machine) -> None:
    driver = machine.driver
    item = driver.IoAllocateWorkItem(machine.device())
    stops(VnicLimit.VNIC_UNKNOWN_ROUTINE, 0, lambda: driver.IoQueueWorkItem(item, driver.RoutineEx, 1, None))


def test_an_item_of_the_executive(machine: Machine) -> None:
    driver, own = machine.driver, machine.driver.OWN()
    driver.ExInitializeWorkItem(own.Item, driver.Deferred, own)
    driver.during = lambda *_: driver.ExQueueWorkItem(own.Item, 1) if len(driver.ran) == 1 else None
    driver.ExQueueWorkItem(own.Item, 0)
    assert machine.fake.work()
    assert machine.fake.work()
    assert not machine.fake.work()
    assert driver.ran == [own, own]
    assert machine.fake.machine.objects[HandleKind.EX_WORK_ITEM].in_use == 0


def test_what_is_no_nonpaged_memory_is_private(machine: Machine) -> None:
    driver, private = machine.driver, VnicLimit.VNIC_PRIVATE_DATA
    stops(private, 0, lambda: driver.IoInitializeWorkItem(machine.object, bytearray(64)))
    stops(private, 0, lambda: Machine().driver.ExInitializeWorkItem(object(), driver.Deferred, None))


def test_the_queues_are_served_in_the_order_of_their_priorities(machine: Machine) -> None:
    driver, device = machine.driver, machine.device()
    for queue_type in (4, 0, 3, 32 + 12, 1, 6, 32 + 16, 2, 5):
        driver.IoQueueWorkItem(driver.IoAllocateWorkItem(device), driver.Routine, queue_type, queue_type + 100)
    while machine.fake.work():
        pass
    assert [context - 100 for _, context, _ in driver.ran] == [5, 48, 2, 6, 0, 44, 1, 3, 4]


def test_a_report_shows_that_order(machine: Machine) -> None:
    driver, device = machine.driver, machine.device()
    for queue_type in (1, 0, 5):
        driver.IoQueueWorkItem(driver.IoAllocateWorkItem(device), driver.Routine, queue_type, None)
    images = machine.fake.machine.images
    lines = waiting_items(
        machine.fake.machine.arena, Names(routines=[images.routine_name(n) for n in range(len(images.routines))])
    )
    assert [line.partition(":")[0] for line in lines] == [
        "real-time work queue",
        "critical work queue",
        "delayed work queue",
    ]
    assert all("proto!Routine" in line for line in lines)
