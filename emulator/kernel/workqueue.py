"""The system worker queues in shared memory: NDIS work items on the critical queue, taken by passive workers.

Law: an index moves last, after the data it covers, so that any reader of a dead machine finds every item that was put
and not taken, plus at most the one in a killed worker's hand, whose slot names it.  Producers and consumers hold
different locks.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from emulator.kernel.stop import site_of, stop
from emulator.kernel.waits import IDLE, wake_one
from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, WORK_ENTRY_BYTES, WORK_QUEUES
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import WORK_QUEUE, SystemLock
from emulator.rules.work_items import QUEUED_TWICE, WORKER_PRIORITY, Parameter

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine
    from emulator.kernel.stop import CallSite
    from emulator.layout.arena import Arena
    from emulator.rules.work_items import Stop

STARVED_AFTER = 50_000_000
SERVICE_ORDER = tuple(sorted(WORKER_PRIORITY, key=WORKER_PRIORITY.__getitem__, reverse=True))
"""Worker queues in the order in which a free worker serves them: by the priority of their threads on Windows."""

_ENTRY = struct.Struct("<QQIIQ")
_TAKEN = tuple.__new__  # what a NamedTuple's _make does, without its two calls: an item is taken for each callback


class WorkItemState(IntEnum):
    """The queued bit of a work item; it leaves QUEUED when a worker removes it, before its routine is called."""

    IDLE = 0
    QUEUED = 1


class TakenItem(NamedTuple):
    """A work item in a worker's hand."""

    handle: int
    context: int
    routine: int
    queued_site: int
    queued_time: int


class WorkQueue:
    """One worker queue's ring, as a process sees it."""

    __slots__ = (
        "_base",
        "_items",
        "_mask",
        "_memory",
        "_put",
        "_put_lock",
        "_take",
        "_take_lock",
        "_words",
        "first_worker",
        "last_worker",
        "number",
    )

    def __init__(self, machine: Machine, number: int) -> None:
        arena = machine.arena
        self.number = number
        self._base, capacity = arena.queue_entries(number)
        self._mask = capacity - 1
        self._memory = arena.memory
        self._words = arena.words
        start = (arena.offsets["queues"] + number * WORK_QUEUE.size()) // 8
        self._put, self._take = start, start + 8
        self._put_lock = SystemLock.QUEUE_PUT + number
        self._take_lock = SystemLock.QUEUE_TAKE + number
        self._items = machine.objects[HandleKind.WORK_ITEM].records
        # The slots of all passive workers that there may ever be.
        self.first_worker = machine.geometry.first_passive_slot
        self.last_worker = self.first_worker + MAXIMUM_PASSIVE_WORKERS

    def put(self, context: Context, handle: int, item: Any, routine: int, value: int, site: int) -> None:
        """Queue an item that is not queued; wakes one sleeping passive worker.

        Bug check 0xE4 (1, item, queue, 0) when it is in the queue already.
        """
        platform = context.platform
        now = platform.now()
        platform.acquire(self._put_lock)
        if item.state:
            platform.release(self._put_lock)
            _queued_twice(context, handle, item, self.number)
        item.state = 1
        item.routine = routine
        item.queued_site = site
        item.queue = self.number
        put = self._words[self._put]
        _ENTRY.pack_into(
            self._memory, self._base + (put & self._mask) * WORK_ENTRY_BYTES, handle, value, routine, site, now
        )
        self._words[self._put] = put + 1
        platform.release(self._put_lock)
        wake_one(context, self.first_worker, self.last_worker)

    def take(self, context: Context) -> TakenItem | None:
        """Remove the oldest item; it is in this context's hand until ``context.box.item`` is cleared."""
        words, platform = self._words, context.platform
        platform.acquire(self._take_lock)
        take = words[self._take]
        if words[self._put] == take:
            platform.release(self._take_lock)
            return None
        entry = _ENTRY.unpack_from(self._memory, self._base + (take & self._mask) * WORK_ENTRY_BYTES)
        handle = entry[0]
        context.box.item = handle
        self._items[handle & INDEX_MASK].state = 0
        words[self._take] = take + 1
        platform.release(self._take_lock)
        return _TAKEN(TakenItem, entry)

    @property
    def place(self) -> tuple[memoryview, int, int, WorkQueue]:
        """The words of the arena, the indices of put and take in them, and the queue: for a loop over all queues."""
        return self._words, self._put, self._take, self

    @property
    def pending(self) -> bool:
        """Is an item waiting?"""
        return self._words[self._put] != self._words[self._take]

    @property
    def counts(self) -> tuple[int, int]:
        """(items ever put, items ever taken)."""
        return self._words[self._put], self._words[self._take]

    def waiting(self) -> list[TakenItem]:
        """Every item put and not taken, oldest first: the post-mortem, and who waits in a live queue."""
        put, take = self.counts
        return [
            TakenItem._make(_ENTRY.unpack_from(self._memory, self._base + (place & self._mask) * WORK_ENTRY_BYTES))
            for place in range(take, min(put, take + self._mask + 1))
        ]


def stop_for(
    row: Stop, *, text: str, values: dict[Parameter, int], rule: str = "", sites: list[CallSite] | None = None
) -> NoReturn:
    """The stop that a row of the work items' table names, with what its parameters stand for."""
    parameters = [
        values.get(place, 0) if isinstance(place, Parameter) else place for place in (row.p1, row.p2, row.p3, row.p4)
    ]
    stop(row.code, *parameters, rule=rule, text=text, sites=sites)


def _queued_twice(context: Context, handle: int, item: Any, queue: int) -> NoReturn:
    stop_for(
        QUEUED_TWICE,
        values={Parameter.ITEM: handle, Parameter.QUEUE_NUMBER: queue},
        text="A work item was queued again while it is in the queue; it may be once its routine has begun.",
        sites=[
            site_of(context, "allocated", item.head.allocated_site),
            site_of(context, "queued the first time", item.queued_site),
        ],
    )


def worker_queues(machine: Machine) -> list[WorkQueue]:
    """All worker queues, by WORK_QUEUE_TYPE."""
    return [WorkQueue(machine, number) for number in range(WORK_QUEUES)]


def starved(arena: Arena, now: int) -> bool:
    """Has the head of the critical queue waited too long with every passive worker busy?  Reads only; takes no lock."""
    head = arena.queues[0]
    put, take = head.put, head.take
    if put == take:
        return False
    base, capacity = arena.queue_entries(0)
    queued = _ENTRY.unpack_from(arena.memory, base + (take & capacity - 1) * WORK_ENTRY_BYTES)[4]
    if now - queued < STARVED_AFTER:
        return False
    first = arena.geometry.first_passive_slot
    # A worker that sleeps inside a routine is as busy as one that runs.
    return IDLE not in bytes(arena.sleeping[first : first + MAXIMUM_PASSIVE_WORKERS])


def waiting_entries(arena: Arena, queue: int, limit: int) -> list[TakenItem]:
    """Items that were put and not taken, oldest first, at most ``limit``; for a reader that trusts nothing."""
    head = arena.queues[queue]
    base, capacity = arena.queue_entries(queue)
    put, take = head.put, head.take
    count = min(put - take if put > take else 0, capacity, limit)
    return [
        TakenItem._make(_ENTRY.unpack_from(arena.memory, base + (place & capacity - 1) * WORK_ENTRY_BYTES))
        for place in range(take, take + count)
    ]
