"""What a work item costs, counted in byte codes, and what its queue holds after each of them.

Law: byte codes show no noise. A SIGKILL may come between any two of them, so what must be readable after one is looked
at after each.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.passive import live_as_worker
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ITEM_CELL
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.executive import Executive
from tests.fake_platform import FakeMachine, driver_module, surface

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SOURCE = """
    class ADAPTER(NONPAGED):
        Ran: u64

    @NDIS_IO_WORKITEM_FUNCTION
    def Count(Adapter, handle):
        Adapter.Ran += 1
        note(handle)

    def queue(items, Adapter):
        for item in items:
            NdisQueueIoWorkItem(item, Count, Adapter)
"""
FAKE = ("fake_platform.py", "functools.py")
"""The fake's locks and clock are Python, the live ones are not."""
ALLOWED = {True: (180, 235), False: (135, 235)}
"""Byte codes of who queues and of who runs an item, by whether the build is the checked one; CPython 3.11."""


class Bench:
    """A driver that queues items on a processor, and a worker that runs them until there are none."""

    def __init__(self, *, checked: bool = True) -> None:
        self.begun: list[int] = []
        self.driver: Any = driver_module("drv", SOURCE, note=self.begun.append, **surface(checked=checked))
        self.fake = FakeMachine([self.driver], services=Executive(), builtin_types=BUILT_IN_TYPES, checked=checked)
        self.worker = self.fake.passive_worker()
        self.queue = self.fake.machine.queues[0]
        self.table = self.fake.machine.objects[HandleKind.WORK_ITEM]
        self.items = [self.item() for _ in range(48)]
        with self.fake.running(self.fake.processor(), driver=1):
            self.adapter = self.driver.ADAPTER()

    def item(self) -> int:
        made = self.table.allocate(HandleKind.WORK_ITEM, driver=1, parent=0, site=0)
        assert made is not None
        made[1].state = 0
        return made[0]

    def put(self, count: int) -> None:
        with self.fake.dispatch(driver=1):
            self.driver.queue(self.items[:count], self.adapter)

    def work(self) -> None:
        def on_sleep(context: Any, deadline: int | None) -> None:
            del context, deadline
            self.fake.arena.machine.shutting_down = 1

        self.fake.platform.on_sleep = on_sleep
        with self.fake.running(self.worker):
            live_as_worker(self.worker)
        self.fake.arena.machine.shutting_down = 0


class Codes:
    """Calls a function before each byte code of the emulator's and the driver's."""

    def __init__(self, before: Callable[[FrameType], None]) -> None:
        self.before = before

    def __enter__(self) -> None:
        self.outer = sys.gettrace()
        sys.settrace(self.trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.outer)

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename.rpartition("/")[2] in FAKE:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.before(frame)
        return self.trace


def counted(act: Callable[[], None]) -> int:
    seen: Counter[str] = Counter()
    gc.disable()  # what the collector finds of earlier tests may have finalizers
    try:
        with Codes(lambda frame: seen.update((frame.f_code.co_name,))):
            act()
    finally:
        gc.enable()
    return sum(seen.values())


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="each Python has byte codes of its own")
@pytest.mark.parametrize("checked", [True, False])
def test_an_item_costs_no_more_than_it_did(checked: bool) -> None:
    bench = Bench(checked=checked)
    bench.put(48)
    bench.work()
    found = [(counted(partial(bench.put, count)), counted(bench.work)) for count in (16, 48)]
    per_item = tuple((more - fewer) / 32 for fewer, more in zip(*found, strict=True))
    allowed = ALLOWED[checked]
    assert per_item[0] <= allowed[0], f"{per_item[0]} byte codes to queue an item"
    assert per_item[1] <= allowed[1], f"{per_item[1]} byte codes to run an item"


def test_after_each_byte_code_every_item_is_in_the_queue_or_in_hand() -> None:
    bench = Bench()
    bench.put(3)
    bench.work()
    begun = bench.begun
    begun.clear()
    looks = 0

    def look(_: FrameType) -> None:
        nonlocal looks
        looks += 1
        waiting = [item.handle for item in bench.queue.waiting()]
        in_hand = bench.worker.cells[ITEM_CELL]
        put = bench.queue.counts[0] - 3
        assert waiting == bench.items[put - len(waiting) : put]
        lost = [item for item in bench.items[:put] if item not in waiting and item not in begun]
        assert lost in ([], [in_hand]), "an item is neither in the queue nor in hand"
        assert in_hand in (0, *bench.items[max(0, len(begun) - 1) : len(begun) + 1]), "the wrong item is in hand"

    with Codes(look):
        bench.put(3)
        bench.work()
    assert begun == bench.items[:3]
    assert looks > 1000


@pytest.mark.parametrize("more", [0, 1])
def test_a_worker_that_comes_late_to_what_it_has_seen_takes_what_is_left(more: int) -> None:
    """It has seen three items; while it runs the first, another worker takes the others, and perhaps more are put."""
    bench = Bench()
    other = bench.fake.passive_worker(1)
    seen: list[list[int]] = []
    count = bench.driver.Count

    def meanwhile(adapter: Any, handle: int) -> None:
        count(adapter, handle)
        if handle == bench.items[0] and not seen:
            seen.append([item.handle for item in bench.queue.waiting()])
            worker, bench.worker.routines[number] = bench.worker, count
            bench.fake.work(other.index)
            bench.fake.work(other.index)
            bench.put(more)
            worker.routines[number] = meanwhile

    number = count.__ndis_routine__
    bench.worker.routines[number] = meanwhile
    bench.put(3)
    bench.work()
    assert seen == [bench.items[1:3]]
    assert bench.begun == bench.items[:3] + bench.items[:more]
    assert bench.adapter.Ran == 3 + more
    assert bench.queue.counts == (3 + more, 3 + more)
