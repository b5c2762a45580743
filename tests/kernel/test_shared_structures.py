"""What the kernel keeps in shared memory, as state machines: the nonpaged pool, the tables of handles, the work queues.

Law: the model is plain dictionaries and queues of what each call has given; after each step the shared memory is read
again by a second view of it, as another process would, and says the same.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emulator.kernel.machine import Machine
from emulator.kernel.pool import HEADER, OFFSET_MASK, size_class_of
from emulator.kernel.workqueue import SERVICE_ORDER
from emulator.layout.arena import Arena
from emulator.layout.handles import INDEX_MASK, HandleKind
from tests.fake_platform import FakeMachine, driver_module

POOL_BYTES = 1 << 14
QUEUES = (5, 0, 1)
ITEMS = 8


def as_another_process_sees_it(fake: FakeMachine) -> Machine:
    """The same shared memory with nothing that this view of the machine remembers."""
    return Machine(Arena(fake.memory, fake.geometry), fake.images, fake.services)


class NonpagedPool(RuleBasedStateMachine):
    """Blocks never overlap, keep what was written to them, and are recognised as stale once they are free."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeMachine(pool_bytes=POOL_BYTES)
        self.fake.processor()
        self.pool, self.other = self.fake.machine.pool, as_another_process_sees_it(self.fake)
        self.live: dict[int, tuple[int, int]] = {}  # length and the byte that fills it, by pointer
        self.stale: list[int] = []
        self.highest = 0

    def memory(self, pointer: int) -> memoryview:
        offset = pointer & OFFSET_MASK
        return self.fake.arena.view[offset : offset + self.live[pointer][0]]

    @rule(length=st.integers(0, 3000), fill=st.integers(0, 255))
    def allocate(self, length: int, fill: int) -> None:
        number, size = size_class_of(length)
        room = self.pool.end - self.pool.state.bump >= HEADER + size
        reused = bool(self.pool.state.free[number])
        pointer = self.pool.allocate(length, tag=1, type_number=0, site=7, driver=1, owner=0)
        assert (pointer is not None) == (room or reused)
        if pointer is None:
            return
        assert pointer not in self.live
        assert pointer not in self.stale
        self.live[pointer] = length, fill
        self.memory(pointer)[:] = bytes((fill,)) * length
        self.highest = max(self.highest, sum(each for each, _ in self.live.values()))

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0))
    def free(self, which: int) -> None:
        pointer = sorted(self.live)[which % len(self.live)]
        assert self.pool.free(pointer, site=8)
        del self.live[pointer]
        self.stale.append(pointer)

    @precondition(lambda self: self.stale)
    @rule(which=st.integers(0))
    def free_once_more(self, which: int) -> None:
        assert not self.pool.free(self.stale[which % len(self.stale)], site=9)

    @invariant()
    def another_view_finds_the_same(self) -> None:
        other = self.other.pool
        assert {pointer: block.length for pointer, block in other.live()} == {
            pointer: length for pointer, (length, _) in self.live.items()
        }
        state = other.state
        assert (state.blocks, state.bytes) == (len(self.live), sum(length for length, _ in self.live.values()))
        assert state.highest == self.highest
        end = self.pool.start
        for pointer in sorted(self.live, key=lambda each: each & OFFSET_MASK):
            length, fill = self.live[pointer]
            assert (pointer & OFFSET_MASK) - HEADER >= end
            end = (pointer & OFFSET_MASK) + length
            assert self.memory(pointer) == bytes((fill,)) * length
            assert other.lives(pointer)
        assert end <= self.pool.end
        assert [pointer for pointer in self.stale if other.lives(pointer) or other.find(pointer)] == []


class Handles(RuleBasedStateMachine):
    """A handle names its own object alone, and nothing once that is gone; entries are used again oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeMachine(timers=4)
        self.fake.processor()
        self.table = self.fake.machine.objects[HandleKind.TIMER]
        self.other = as_another_process_sees_it(self.fake)
        self.live: dict[int, int] = {}  # the owner, by handle
        self.stale: list[int] = []
        self.free_entries = deque(range(self.table.capacity))

    @rule(owner=st.integers(1, 1 << 40))
    def allocate(self, owner: int) -> None:
        made = self.table.allocate(HandleKind.TIMER, driver=1, parent=owner, site=0)
        assert (made is None) == (not self.free_entries)
        if made is None:
            return
        handle = made[0]
        assert handle not in self.live
        assert handle not in self.stale
        assert handle & INDEX_MASK == self.free_entries.popleft()
        self.live[handle] = owner

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0))
    def free(self, which: int) -> None:
        handle = sorted(self.live)[which % len(self.live)]
        self.table.free(handle, site=9)
        del self.live[handle]
        self.stale.append(handle)
        self.free_entries.append(handle & INDEX_MASK)
        assert self.table.freed(handle, HandleKind.TIMER).head.freed_site == 9

    @invariant()
    def each_finds_its_own(self) -> None:
        table = self.other.objects[HandleKind.TIMER]
        found = {handle: table.find(handle, HandleKind.TIMER).head.parent for handle in self.live}
        assert found == self.live
        assert dict(table.live()).keys() == self.live.keys()
        assert table.in_use == len(self.live)
        assert [handle for handle in self.stale if table.find(handle, HandleKind.TIMER) is not None] == []
        assert [handle for handle in self.live if table.find(handle, HandleKind.WORK_ITEM) is not None] == []


class WorkerQueues(RuleBasedStateMachine):
    """Items leave in the order of the queues and, in each, in that of the puts; none is lost, doubled or kept."""

    def __init__(self) -> None:
        super().__init__()
        self.driver: Any = driver_module("drv", "@callback\ndef Routine(value, handle):\n    run(value, handle)\n")
        self.driver.run = self.run_one
        self.fake = FakeMachine([self.driver], work_items=ITEMS, passive_workers=2)
        self.contexts = [self.fake.processor(), self.fake.passive_worker(0), self.fake.passive_worker(1)]
        self.queues, self.table = self.fake.machine.queues, self.fake.machine.objects[HandleKind.WORK_ITEM]
        self.other = as_another_process_sees_it(self.fake)
        self.waiting: dict[int, deque[tuple[int, int]]] = {queue: deque() for queue in QUEUES}
        self.idle: list[int] = []
        self.ran: list[tuple[int, int]] = []
        self.inside = "nothing"
        self.counts = dict.fromkeys(QUEUES, 0)

    @property
    def queued(self) -> list[int]:
        """Handles of the items that wait in some queue."""
        return [handle for waiting in self.waiting.values() for handle, _ in waiting]

    def put(self, where: int, queue: int, handle: int, value: int) -> bool:
        with self.fake.running(self.contexts[where]) as context:
            return self.queues[queue].try_put(context, handle, self.driver.Routine.__ndis_routine__, value, 0)

    def run_one(self, value: int, handle: int) -> None:
        """The routine: its item is out of the queue already, and may go into another one or away."""
        self.ran.append((handle, value))
        if self.inside == "queue":
            assert self.put(1, QUEUES[value % 3], handle, value + 1)
            self.waiting[QUEUES[value % 3]].append((handle, value + 1))
            self.counts[QUEUES[value % 3]] += 1
        elif self.inside == "free":
            self.table.free(handle, site=0)
        else:
            self.idle.append(handle)

    @rule()
    def allocate(self) -> None:
        with self.fake.running(self.contexts[0]):
            made = self.table.allocate(HandleKind.WORK_ITEM, driver=1, parent=0, site=0)
        assert (made is None) == (len(self.idle) + len(self.queued) == ITEMS)
        if made is not None:
            made[1].state = 0
            self.idle.append(made[0])

    @precondition(lambda self: self.idle)
    @rule(where=st.integers(0, 2), queue=st.sampled_from(QUEUES), value=st.integers(1, 99))
    def queue_one(self, where: int, queue: int, value: int) -> None:
        handle = self.idle.pop(0)
        assert self.put(where, queue, handle, value)
        self.waiting[queue].append((handle, value))
        self.counts[queue] += 1

    @precondition(lambda self: self.queued)
    @rule(where=st.integers(0, 2), queue=st.sampled_from(QUEUES), which=st.integers(0))
    def queue_one_that_waits(self, where: int, queue: int, which: int) -> None:
        assert not self.put(where, queue, self.queued[which % len(self.queued)], 5)

    @precondition(lambda self: self.idle)
    @rule(where=st.integers(0, 2), queue=st.sampled_from(QUEUES))
    def free_and_queue(self, where: int, queue: int) -> None:
        handle = self.idle.pop()
        with self.fake.running(self.contexts[0]):
            self.table.free(handle, site=0)
        assert not self.put(where, queue, handle, 6)

    @rule(worker=st.integers(0, 1), inside=st.sampled_from(["nothing", "queue", "free"]))
    def take(self, worker: int, inside: str) -> None:
        self.inside, self.ran = inside, []
        first = next((self.waiting[queue] for queue in SERVICE_ORDER if self.waiting.get(queue)), None)
        expected = [first.popleft()] if first else []
        assert self.fake.work(worker) == bool(expected)
        assert self.ran == expected

    @invariant()
    def another_view_finds_the_same(self) -> None:
        for queue, expected in self.waiting.items():
            other = self.other.queues[queue]
            assert [(item.handle, item.context) for item in other.waiting()] == list(expected)
            assert other.counts == (self.counts[queue], self.counts[queue] - len(expected))
            assert other.pending == bool(expected)
        assert self.fake.stop_report() is None


PATIENT = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
TestNonpagedPool = NonpagedPool.TestCase
TestNonpagedPool.settings = PATIENT
TestHandles = Handles.TestCase
TestHandles.settings = PATIENT
TestWorkerQueues = WorkerQueues.TestCase
TestWorkerQueues.settings = PATIENT
