"""What a passive worker does from birth to end: work items, in the documented order of the worker queues.

Law: before each item it looks at the stop word, at the epoch and at every queue that comes first; after each that left
something at home, and before it sleeps, at who calls for that.  It sleeps only when all queues are empty.  Of the item
in its hand the slot tells before the queue forgets it, and it takes no second one.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final

from emulator.kernel.platform import looks_after
from emulator.kernel.stop import raise_if_stopped
from emulator.kernel.waits import IDLE, sleep_until, wake_one
from emulator.kernel.workqueue import SERVICE_ORDER, WorkItemState, unpack_entry
from emulator.layout.arena import WORK_ENTRY_BYTES
from emulator.layout.delays import BUCKETS, UNIT_SHIFT, bucket_of
from emulator.layout.handles import INDEX_MASK
from emulator.layout.machine import ITEM_CELL, MACHINE, SlotState
from emulator.rules.work_items import CRITICAL_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.workqueue import TakersEnd

IDLE_EXTRA_WORKER_NS = 1_000_000_000
IDLE_ITEM = int(WorkItemState.IDLE)
ALL: Final = 1 << 62
"""More items than there will ever be."""


def live_as_worker(context: Context) -> None:
    """Serve the worker queues until the machine shuts down, or, an extra worker, until there is nothing to do."""
    ending = context.machine.arena.shutting_down
    extra = context.index >= context.machine.geometry.passive_workers
    server, platform = Server(context), context.platform
    serve, waiting = server.serve, server.waiting

    def ready() -> bool:
        return ending[0] != 0 or waiting()

    woken, looks, idle_since = True, 0, 0
    while not ending[0]:
        queued = serve(woken, ALL)
        woken = False
        if queued:
            if idle_since:
                looks = looks_after(queued - idle_since)
                idle_since = 0
            continue
        idle_since = idle_since or platform.now()
        if any(platform.linger(ready) for _ in range(looks)):
            continue
        if not sleep_until(context, ready, platform.now() + IDLE_EXTRA_WORKER_NS if extra else None, IDLE):
            context.enter_state(SlotState.RETIRING)
            return
        woken = True


def serve_work_item(context: Context) -> bool:
    """Take one item in the documented order of the queues and run its routine; False when all queues are empty."""
    server: Server | None = context.memory.get("server")
    if server is None:
        server = context.memory["server"] = Server(context)
    return server.serve(False, 1) != 0


class Server:
    """What takes items and runs them in one context."""

    __slots__ = (
        "_context",
        "_critical",
        "_others",
        "_places",
        "_quiet",
        "_recalls",
        "_stirred_at",
        "_words",
        "serve",
    )

    serve: Callable[[bool, int], int]
    """Run items in the documented order of the queues until there are none, until so many have run, or to the end.

    Gives the moment at which the first of them was queued, 0 when there was none.  The first argument says whether the
    context has just been woken for it.  A function and no method: it has looked up already what it needs for each item.
    """

    def __init__(self, context: Context) -> None:
        queues, arena = context.machine.queues, context.machine.arena
        self._context = context
        self._words = arena.words
        self._recalls = arena.recalls(context.slot)
        self._stirred_at = _word_of(context, "stirred")
        self._places = [queues[number].end_of(context) for number in SERVICE_ORDER]
        self._critical = self._places[SERVICE_ORDER.index(CRITICAL_QUEUE)]
        self._others = [place for place in self._places if place is not self._critical]
        self._quiet = -1  # how often others had been put to when they were found empty
        self.serve = self._make()

    def waiting(self) -> bool:
        """Is there anything to do: an item in a queue, or a call for what this context has at home?"""
        words, critical, recalls = self._words, self._critical, self._recalls
        if words[critical.put_at] != words[critical.take_at] or words[self._stirred_at] != self._quiet:
            return True
        return bool(recalls[0] != recalls[1])

    def _search(self) -> TakersEnd:
        """The queue that is to be served now."""
        words = self._words
        stirred = words[self._stirred_at]
        if not _any_waits(words, self._others):
            self._quiet = stirred
            return self._critical
        return next((place for place in self._places if words[place.put_at] != words[place.take_at]), self._critical)

    def _first_taken(self) -> None:
        """Two who put at once may have woken the same sleeper; whoever takes makes up for the other ring."""
        if _any_waits(self._words, self._places):
            critical = self._context.machine.queues[CRITICAL_QUEUE]
            wake_one(self._context, critical.first_worker, critical.last_worker)

    def _make(self) -> Callable[[bool, int], int]:
        context, critical, search, recalls = self._context, self._critical, self._search, self._recalls
        arena, services, lock_failed = context.machine.arena, context.machine.services, context.platform.lock_failed
        stop_word, words, memory, cells, box = context.stop_word, arena.words, arena.memory, context.cells, context.box
        refresh, run, delays = services.round, services.runner(context), context.delays
        states = context.machine.queues[CRITICAL_QUEUE].states
        halt_at, epoch_at, stirred_at = _word_of(context, "stop_word"), _word_of(context, "epoch"), self._stirred_at
        compiled = quiet = -1  # the epoch of the stacks that this context knows; see _quiet

        def serve(woken: bool, most: int) -> int:
            nonlocal compiled, quiet
            if recalls[0] != recalls[1]:
                refresh(context)
            put_at, take_at, base, mask, lock, acquire, release = critical
            first = place = seen = 0
            for _ in repeat(None, most):
                if words[halt_at]:  # it holds shutting_down too
                    if stop_word[0]:
                        raise_if_stopped(context)
                    break
                if words[epoch_at] != compiled:
                    refresh(context)
                    compiled = box.epoch
                if words[stirred_at] != quiet:
                    put_at, take_at, base, mask, lock, acquire, release = search()
                    quiet, place, seen = self._quiet, 0, 0
                # An index only grows: up to the one that was seen last there were items, without another look.
                if place >= seen:
                    seen = words[put_at]
                    if words[take_at] == seen:
                        break
                if failed := acquire():
                    lock_failed(lock, failed)
                if (place := words[take_at]) >= seen:
                    seen = words[put_at]
                    if place == seen:
                        release()
                        break
                entry = unpack_entry(memory, base + (place & mask) * WORK_ENTRY_BYTES)
                handle = cells[ITEM_CELL] = entry[0]
                states[handle & INDEX_MASK] = IDLE_ITEM
                words[take_at] = place = place + 1
                if failed := release():
                    lock_failed(lock, failed)
                if not first:
                    first = entry[4]
                    if woken:
                        self._first_taken()
                delay = run(entry)
                cells[ITEM_CELL] = 0
                # Never below zero: the clock is one for all contexts, and the item was queued before.
                try:
                    delays[BUCKETS[delay >> UNIT_SHIFT]] += 1
                except IndexError:
                    delays[bucket_of(delay)] += 1
            return first

        return serve


def _any_waits(words: memoryview, places: list[TakersEnd]) -> bool:
    return any(words[place.put_at] != words[place.take_at] for place in places)


def _word_of(context: Context, field: str) -> int:
    """Which of the arena's words holds a field of its head."""
    offset: int = getattr(MACHINE, field).offset
    return (context.machine.arena.offsets["machine"] + offset) // 8
