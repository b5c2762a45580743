"""The system worker queues in shared memory: NDIS work items on the critical queue, taken by passive workers.

Law: an index moves last, after the data it covers, so that any reader of a dead machine finds every item that was put
and not taken, plus at most the one in a killed worker's hand, whose slot names it.  Producers and consumers hold
different locks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from emulator.kernel.stop import site_of, stop
from emulator.kernel.waits import IDLE, wake_one
from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, WORK_ENTRY_BYTES, WORK_QUEUES
from emulator.layout.cells import LONGLONG
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind
from emulator.layout.machine import MACHINE, WORK_ITEM, WORK_QUEUE, SystemLock
from emulator.rules.work_items import CRITICAL_QUEUE, QUEUED_TWICE, WORKER_PRIORITY, Parameter

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
unpack_entry = _ENTRY.unpack_from
"""The members of a TakenItem, from memory and an offset."""
_STATE: int = WORK_ITEM.state.offset  # type: ignore[attr-defined]
_STATE_MASK = 0xFF
_ITEM_WORDS = WORK_ITEM.size() // 8

Taken = tuple[int, int, int, int, int]
"""The members of TakenItem, where one is made for each callback."""
NEVER_SEEN = 0, -1, 0
Putter = Callable[[int, int, int, int], bool]


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


class TakersEnd(NamedTuple):
    """One queue for whoever takes from it: where its two indices lie among the arena's words, its entries, its lock."""

    put_at: int
    take_at: int
    base: int
    mask: int
    lock: int
    acquire: Callable[[], int | None]
    release: Callable[[], int | None]


class WorkQueue:
    """One worker queue's ring, as a process sees it."""

    __slots__ = (
        "_base",
        "_first_item",
        "_idle",
        "_items",
        "_mask",
        "_memory",
        "_put",
        "_put_lock",
        "_stirred",
        "_take",
        "_take_lock",
        "_words",
        "first_worker",
        "last_worker",
        "number",
        "states",
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
        self._items = machine.objects[HandleKind.WORK_ITEM]
        self._first_item = arena.offsets["table_work_items"] // 8
        # The states of all items, by the index in their handles.
        self.states = self._items.column("state")
        # The slots of all passive workers that there may ever be.
        self.first_worker = machine.geometry.first_passive_slot
        self.last_worker = self.first_worker + MAXIMUM_PASSIVE_WORKERS
        self._stirred = LONGLONG.from_buffer(arena.memory, arena.offsets["machine"] + MACHINE.stirred.offset)  # type: ignore[attr-defined]
        # Their sleeping flags as two words: what a put looks at first.
        self._idle = arena.sleeping[self.first_worker : self.last_worker].cast("Q")

    def put(self, context: Context, handle: int, routine: int, value: int, site: int) -> bool:
        """What ``putter`` of this context and the handle's kind does."""
        return self.putter(context, handle >> KIND_SHIFT)(handle, routine, value, site)

    def try_put(self, context: Context, handle: int, routine: int, value: int, site: int) -> bool:
        """As ``put`` for a live item; False, and nothing else, when it is in the queue already."""
        return self.putter(context, handle >> KIND_SHIFT, attempt=True)(handle, routine, value, site)

    def putter(self, context: Context, kind: int, *, attempt: bool = False) -> Putter:
        """A function that queues an item of a kind for this context and wakes one sleeping passive worker.

        ``put(handle, routine, value, site)``: False when that is no handle of a live item of the kind.  Bug check 0xE4
        (1, item, queue, 0) when it is in the queue already; with ``attempt`` False for that as well.
        """
        key = f"{'try' if attempt else 'put'} {self.number} {kind}"
        known: Putter | None = context.memory.get(key)
        if known is None:
            known = context.memory[key] = self._make_putter(context, kind, attempt)
        return known

    def _make_putter(self, context: Context, kind: int, attempt: bool) -> Putter:
        platform, words, memory, mask, base = context.platform, self._words, self._memory, self._mask, self._base
        now, fetch_add, lock, put_at, number = platform.now, platform.fetch_add, self._put_lock, self._put, self.number
        acquire, release = platform.bound(lock)
        pack, mark, idle, stirred = _ENTRY.pack_into, number << 8 | WorkItemState.QUEUED, self._idle, self._stirred
        stirs = number != CRITICAL_QUEUE
        first_worker, last_worker, table = self.first_worker, self.last_worker, self._items
        # By handle: the index of an item's first word, what it holds while the item lives, the index of its state.
        seen: dict[int, tuple[int, int, int]] = {}

        def look(handle: int) -> tuple[int, int, int] | None:
            if table.find(handle, kind) is None:
                return None
            if len(seen) >= 2 * table.capacity:
                seen.clear()
            first = self._first_item + (handle & INDEX_MASK) * _ITEM_WORDS
            seen[handle] = found = first, words[first], first + _STATE // 8
            return found

        def put(handle: int, routine: int, value: int, site: int) -> bool:
            first, alive, at = seen.get(handle) or NEVER_SEEN
            if words[first] != alive:
                found = look(handle)
                if found is None:
                    return False
                at = found[2]
            moment = now()
            failed = acquire()
            if failed:
                platform.lock_failed(lock, failed)
            if words[at] & _STATE_MASK:
                release()
                if attempt:
                    return False
                _queued_twice(context, handle, table.records[handle & INDEX_MASK], number)
            words[at] = site << 32 | routine << 16 | mark
            place = words[put_at]
            pack(memory, base + (place & mask) * WORK_ENTRY_BYTES, handle, value, routine, site, moment)
            words[put_at] = place + 1
            failed = release()
            if failed:
                platform.lock_failed(lock, failed)
            if stirs:
                fetch_add(stirred, 1)
            if idle[0] or idle[1]:
                wake_one(context, first_worker, last_worker)
            return True

        return put

    def end_of(self, context: Context) -> TakersEnd:
        """The queue as a context sees it that takes from it (see ``passive.server``)."""
        acquire, release = context.platform.bound(self._take_lock)
        return TakersEnd(self._put, self._take, self._base, self._mask, self._take_lock, acquire, release)

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
