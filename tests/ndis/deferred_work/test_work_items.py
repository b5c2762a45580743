"""NDIS work items by their documented rules: whose handles are taken, what is bound when, and what is legal inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.executive import Executive
from emulator.rules.irql import PASSIVE_LEVEL
from tests.fake_platform import FakeMachine, driver_module, surface
from tests.ndis.deferred_work.test_io_work_items import stops

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = """
    class CONTEXT(NONPAGED):
        Number: u32

    @NDIS_IO_WORKITEM_FUNCTION
    def First(context, item):
        note("First", context, item, KeGetCurrentIrql())

    @NDIS_IO_WORKITEM_FUNCTION
    def Second(context, item):
        note("Second", context, item, KeGetCurrentIrql())
"""
ITEMS = 16
TAKEN = ("ADAPTER", "MINIPORT_DRIVER", "FILTER_DRIVER", "FILTER_MODULE", "DEVICE")
REFUSED = ("PROTOCOL_DRIVER", "BINDING", "TIMER", "WORK_ITEM")


class Machine:
    """One driver, a processor on which it queues, and passive workers."""

    def __init__(self) -> None:
        self.ran: list[tuple[Any, ...]] = []
        self.inside: Callable[[Any], None] | None = None
        self.driver: Any = driver_module("mini", SOURCE, note=self.note, **surface(checked=True))
        self.fake = FakeMachine(
            [self.driver], services=Executive(), builtin_types=BUILT_IN_TYPES, passive_workers=2, work_items=ITEMS
        )
        self.worker = self.fake.passive_worker()
        self.worker.driver = 1
        self.adapter = self.handle("ADAPTER")

    def note(self, *what: Any) -> None:
        self.ran.append(what)
        if self.inside is not None:
            self.inside(what[2])

    def handle(self, kind: str) -> int:
        made = self.fake.machine.objects[HandleKind[kind]].allocate(HandleKind[kind], driver=1, parent=0, site=0)
        assert made is not None
        return made[0]

    def at_dispatch(self, name: str, *arguments: Any) -> Any:
        with self.fake.dispatch(driver=1):
            return getattr(self.driver, name)(*arguments)

    def item(self) -> Any:
        return self.at_dispatch("NdisAllocateIoWorkItem", self.adapter)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("kind", TAKEN)
def test_a_handle_that_is_taken(machine: Machine, kind: str) -> None:
    item = machine.at_dispatch("NdisAllocateIoWorkItem", machine.handle(kind))
    assert item is not None
    machine.at_dispatch("NdisFreeIoWorkItem", item)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_handle_that_is_refused(machine: Machine, kind: str) -> None:
    handle = machine.handle(kind)
    stops(0xE4, 3, lambda: machine.driver.NdisAllocateIoWorkItem(handle))


def test_null_when_there_are_none_left_and_one_more_when_one_is_freed(machine: Machine) -> None:
    items = [machine.item() for _ in range(ITEMS)]
    assert None not in items
    assert machine.item() is None
    machine.at_dispatch("NdisFreeIoWorkItem", items[3])
    assert machine.item() is not None
    assert machine.fake.stop_report() is None


def test_routine_and_context_are_those_of_the_queue_call(machine: Machine) -> None:
    driver, item = machine.driver, machine.item()
    context = driver.CONTEXT(Number=7)
    for routine, given in ((driver.First, context), (driver.Second, None), (driver.First, 5)):
        machine.at_dispatch("NdisQueueIoWorkItem", item, routine, given)
        assert machine.fake.work()
    assert machine.ran == [
        ("First", context, item, PASSIVE_LEVEL),
        ("Second", None, item, PASSIVE_LEVEL),
        ("First", 5, item, PASSIVE_LEVEL),
    ]
    machine.at_dispatch("NdisFreeIoWorkItem", item)


def test_items_start_in_the_order_in_which_they_were_queued(machine: Machine) -> None:
    items = [machine.item() for _ in range(ITEMS)]
    for number, item in enumerate(items, 1):
        machine.at_dispatch("NdisQueueIoWorkItem", item, machine.driver.First, number)
    while machine.fake.work():
        pass
    assert [(given, item) for _, given, item, _ in machine.ran] == list(enumerate(items, 1))


def test_it_may_be_queued_again_and_freed_in_its_routine(machine: Machine) -> None:
    driver, item = machine.driver, machine.item()

    def again(given: Any) -> None:
        if len(machine.ran) < 3:
            driver.NdisQueueIoWorkItem(given, driver.Second, len(machine.ran))
        else:
            driver.NdisFreeIoWorkItem(given)

    machine.inside = again
    machine.at_dispatch("NdisQueueIoWorkItem", item, driver.First, 9)
    while machine.fake.work():
        pass
    assert [(name, given) for name, given, _, _ in machine.ran] == [("First", 9), ("Second", 1), ("Second", 2)]
    stops(0xE4, 0, lambda: driver.NdisFreeIoWorkItem(item))


def test_queued_again_it_runs_on_a_second_worker_while_its_first_run_is_unfinished(machine: Machine) -> None:
    driver, item, fake = machine.driver, machine.item(), machine.fake
    fake.passive_worker(1).driver = 1
    running: list[int] = []

    def overtaken(given: Any) -> None:
        running.append(len(machine.ran))
        if len(machine.ran) == 1:
            driver.NdisQueueIoWorkItem(given, driver.Second, None)
            assert fake.work(1)
            running.append(0)  # the first run ends behind the second

    machine.inside = overtaken
    machine.at_dispatch("NdisQueueIoWorkItem", item, driver.First, None)
    assert fake.work(0)
    assert running == [1, 2, 0]
    assert fake.stop_report() is None
    driver.NdisFreeIoWorkItem(item)


def test_it_may_be_freed_elsewhere_while_its_routine_runs(machine: Machine) -> None:
    driver, item = machine.driver, machine.item()
    machine.inside = lambda given: machine.at_dispatch("NdisFreeIoWorkItem", given)
    driver.NdisQueueIoWorkItem(item, driver.First, None)
    assert machine.fake.work()
    assert machine.fake.stop_report() is None
    stops(0xE4, 0, lambda: driver.NdisQueueIoWorkItem(item, driver.First, None))


def test_queued_again_in_its_routine_it_is_in_the_queue(machine: Machine) -> None:
    driver, item = machine.driver, machine.item()
    driver.NdisQueueIoWorkItem(item, driver.First, None)

    def twice(given: Any) -> None:
        driver.NdisQueueIoWorkItem(given, driver.First, None)
        stops(0xE4, 1, lambda: driver.NdisQueueIoWorkItem(given, driver.First, None))

    machine.inside = twice
    machine.fake.work()
    report = machine.fake.stop_report()
    assert [site.what for site in report.sites] == ["allocated", "queued the first time"]
