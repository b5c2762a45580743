"""A passive worker: the order of the queues, what it looks at before each item, when it waits and when it sleeps."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.passive import live_as_worker
from emulator.kernel.platform import LONGEST_PATIENCE_NS, PATIENCE_NS, current
from emulator.kernel.waits import IDLE
from emulator.kernel.workqueue import SERVICE_ORDER
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ITEM_CELL
from emulator.rules.errors import BugCheck, MachineStopped
from emulator.rules.work_items import CRITICAL_QUEUE
from tests.fake_platform import FakeMachine, driver_module

SOURCE = """
    ran = []
    during = {}

    @callback
    def Routine(context, handle):
        ran.append(context)
        act = during.get(context)
        if act is not None:
            act(handle)
"""
REAL_TIME, DELAYED = 5, 1


class Bench:
    """One driver, one worker, and items to queue by number."""

    def __init__(self) -> None:
        self.driver: Any = driver_module("drv", SOURCE)
        self.fake = FakeMachine([self.driver])
        self.worker = self.fake.passive_worker()
        self.queues = self.fake.machine.queues
        self.table = self.fake.machine.objects[HandleKind.WORK_ITEM]

    def item(self, kind: HandleKind = HandleKind.WORK_ITEM) -> int:
        made = self.table.allocate(kind, driver=1, parent=0, site=0)
        assert made is not None
        made[1].state = 0
        return made[0]

    def put(self, value: int, queue: int = CRITICAL_QUEUE, handle: int = 0) -> int:
        handle = handle or self.item()
        assert self.queues[queue].put(self.worker, handle, self.driver.Routine.__ndis_routine__, value, 0)
        return handle

    def work(self) -> list[int]:
        while self.fake.work():
            pass
        return list(self.driver.ran)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_every_queue_is_served_in_the_documented_order(bench: Bench) -> None:
    for queue in range(len(bench.queues)):
        bench.put(100 + queue, queue)
        bench.put(200 + queue, queue)
    assert bench.work() == [value + queue for queue in SERVICE_ORDER for value in (100, 200)]


def test_an_item_of_a_higher_queue_comes_before_what_waits_in_the_critical_one(bench: Bench) -> None:
    bench.driver.during[2] = lambda handle: (bench.put(7, REAL_TIME), bench.put(8, DELAYED))
    for value in (1, 2, 3, 4):
        bench.put(value)
    assert bench.work() == [1, 2, 7, 3, 4, 8]
    bench.put(9, DELAYED)
    bench.put(10)
    bench.put(11, REAL_TIME)
    assert bench.work()[6:] == [11, 10, 9]


def test_an_item_is_in_hand_while_its_routine_runs_and_may_be_queued_again(bench: Bench) -> None:
    seen = []

    def again(handle: int) -> None:
        seen.append((bench.worker.box.item, bench.worker.box.routine, bench.worker.box.entered > 0))
        bench.put(2, handle=handle)

    bench.driver.during[1] = again
    handle = bench.put(1)
    assert bench.work() == [1, 2]
    assert seen == [(handle, bench.driver.Routine.__ndis_routine__, True)]
    box = bench.worker.box
    assert (box.item, box.routine, box.driver, box.entered, box.callbacks) == (0, 0, 0, 0, 2)
    assert bench.worker.cells[ITEM_CELL] == 0


def test_a_worker_that_dies_in_a_routine_has_its_item_in_hand(bench: Bench) -> None:
    def die(handle: int) -> None:
        raise MachineStopped

    bench.driver.during[2] = die
    bench.put(1)
    second, third = bench.put(2), bench.put(3)
    with pytest.raises(MachineStopped):
        bench.work()
    assert bench.worker.box.item == second
    assert [taken.handle for taken in bench.queues[0].waiting()] == [third]


def test_queued_twice_is_found_in_any_queue_and_names_the_first(bench: Bench) -> None:
    handle = bench.put(1)
    with pytest.raises(BugCheck) as caught:
        bench.put(2, DELAYED, handle)
    assert (caught.value.code, *caught.value.parameters[:3]) == (0xE4, 1, handle, DELAYED)
    assert not bench.fake.platform.owners


def test_a_handle_that_is_stale_or_of_another_kind_is_refused_each_time(bench: Bench) -> None:
    put = bench.queues[0].putter(bench.worker, HandleKind.WORK_ITEM)
    routine = bench.driver.Routine.__ndis_routine__
    handle, foreign = bench.item(), bench.item(HandleKind.IO_WORK_ITEM)
    assert put(handle, routine, 1, 0)
    assert bench.work() == [1]
    bench.table.free(handle, site=0)
    assert not put(handle, routine, 2, 0)
    assert not put(foreign, routine, 2, 0)
    assert not put(handle | 0xFFFF, routine, 2, 0)
    for _ in range(bench.table.capacity):
        # The entry is used again: the same place, another generation.
        last = bench.item()
        assert put(last, routine, 3, 0)
        assert not put(handle, routine, 2, 0)
        bench.work()
        bench.table.free(last, site=0)
    assert 2 not in bench.work()


def test_only_an_idle_worker_is_rung(bench: Bench) -> None:
    sleeping = bench.fake.arena.sleeping
    bench.put(1)
    assert not bench.fake.platform.rings
    sleeping[bench.worker.slot] = IDLE
    bench.put(2)
    assert bench.fake.platform.rings == [bench.worker.slot]
    bench.put(3)
    assert len(bench.fake.platform.rings) == 1


def test_an_epoch_is_looked_at_before_each_item(bench: Bench) -> None:
    rounds: list[int] = []
    head = bench.fake.arena.machine

    def refresh(context: Any) -> None:
        rounds.append(len(bench.driver.ran))
        context.box.epoch = head.epoch

    bench.fake.services.on_round = refresh

    def change(handle: int) -> None:
        head.epoch += 1

    bench.driver.during[2] = change
    for value in (1, 2, 3, 4):
        bench.put(value)
    bench.work()
    assert rounds == [0, 2]


def live(bench: Bench, *gaps: int) -> list[str]:
    """What a worker did between items that come so long after each other: lingered (and met one or not), or slept."""
    platform, done = bench.fake.platform, []
    due = [platform.time + sum(gaps[: number + 1]) for number in range(len(gaps))]

    def look() -> None:
        while due and platform.time >= due[0]:
            due.pop(0)
            bench.put(len(gaps) - len(due))
        if not due and not bench.queues[0].pending:
            bench.fake.arena.machine.shutting_down = 1

    def linger(ready: Any) -> bool:
        end = platform.time + PATIENCE_NS
        while not ready():
            if platform.time >= end:
                done.append("gave up")
                return False
            platform.time += 10_000
            look()
        done.append("met")
        return True

    def sleep(context: Any, deadline: int | None) -> None:
        done.append("sleep")
        if due:
            platform.time = due[0]
        look()

    platform.linger, platform.on_sleep = linger, sleep  # type: ignore[method-assign]
    with bench.fake.running(bench.worker):
        live_as_worker(current.context)
    assert len(bench.driver.ran) == len(gaps)
    return done


def test_a_worker_waits_awake_only_for_items_that_come_soon(bench: Bench) -> None:
    soon, late = PATIENCE_NS // 2, PATIENCE_NS * 20
    done = live(bench, soon, soon, late, late, soon, soon)
    # It sleeps for the first, meets the second awake and gives up on the third; the fourth shows that it has learnt,
    # the fifth comes soon again, and it meets the sixth awake, and the end of the machine.
    assert done == ["sleep", "met", "gave up", "gave up", "sleep", "sleep", "sleep", "met", "met"]


@pytest.mark.parametrize("gap", [PATIENCE_NS, 2 * PATIENCE_NS, LONGEST_PATIENCE_NS // 2])
def test_a_worker_looks_for_at_least_twice_as_long_as_the_last_item_took(bench: Bench, gap: int) -> None:
    done = live(bench, gap, gap, 2 * gap - 10_000)
    assert done[0] == "sleep"
    assert "sleep" not in done[1:]


def test_a_worker_gives_up_on_an_item_that_comes_later_and_sleeps_for_the_next_one(bench: Bench) -> None:
    done = live(bench, PATIENCE_NS, 2 * LONGEST_PATIENCE_NS, PATIENCE_NS)
    assert done == ["sleep", *["gave up"] * 3, "sleep", "sleep", "met"]
