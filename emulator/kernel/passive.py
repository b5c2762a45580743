"""What a passive worker does from birth to end: work items, in the documented order of the worker queues.

Law: before each item it looks at the stop word, at the epoch, at who calls for what it has at home, and at every queue
that comes first.  It sleeps only when all queues are empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.platform import PATIENCE_NS
from emulator.kernel.stop import raise_if_stopped
from emulator.kernel.waits import IDLE, sleep_until, wake_one
from emulator.kernel.workqueue import SERVICE_ORDER
from emulator.layout.delays import COARSE, COARSE_SHIFT, LINEAR_BUCKETS, UNIT_SHIFT, bucket_of
from emulator.layout.machine import ITEM_CELL, MACHINE, SlotState
from emulator.rules.work_items import CRITICAL_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.workqueue import Taken

IDLE_EXTRA_WORKER_NS = 1_000_000_000


def live_as_worker(context: Context) -> None:
    """Serve the worker queues until the machine shuts down, or, an extra worker, until there is nothing to do."""
    queues = context.machine.queues
    ending = context.machine.arena.shutting_down
    extra = context.index >= context.machine.geometry.passive_workers
    serve, platform = server(context), context.platform

    def ready() -> bool:
        return ending[0] != 0 or any(queue.pending for queue in queues)

    woken, patient, idle_since = True, False, 0
    while not ending[0]:
        queued = serve(woken)
        woken = False
        if queued:
            if idle_since:
                # To linger is worth its time while items come so soon that it would have met the last one.
                patient = queued - idle_since < PATIENCE_NS
                idle_since = 0
            continue
        idle_since = idle_since or platform.now()
        if patient and platform.linger(ready):
            continue
        if not sleep_until(context, ready, platform.now() + IDLE_EXTRA_WORKER_NS if extra else None, IDLE):
            context.enter_state(SlotState.RETIRING)
            return
        woken = True


def serve_work_item(context: Context, woken: bool = False) -> bool:
    """Take one item in the documented order of the queues and run its routine; False when all queues are empty.

    ``woken``: the context has just been woken for it.
    """
    serve: Callable[[bool], int] | None = context.memory.get("serve")
    if serve is None:
        serve = context.memory["serve"] = server(context)
    return serve(woken) != 0


def server(context: Context) -> Callable[[bool], int]:
    """``serve_work_item`` of one context, with all that it looks at for each item already looked up.

    It gives the moment at which the item was queued; 0 when all queues are empty.
    """
    machine = context.machine
    arena, services = machine.arena, machine.services
    stop_word, words, cells, box = context.stop_word, arena.words, context.cells, context.box
    epoch_at = (arena.offsets["machine"] + MACHINE.epoch.offset) // 8  # type: ignore[attr-defined]
    stirred_at = (arena.offsets["machine"] + MACHINE.stirred.offset) // 8  # type: ignore[attr-defined]
    recalls, first_delay = arena.recalls(context.slot), context.delays
    refresh, run = services.round, services.runner(context)
    places = [(*machine.queues[number].place, machine.queues[number].taker(context)) for number in SERVICE_ORDER]
    critical = SERVICE_ORDER.index(CRITICAL_QUEUE)
    put_at, take_at, take_critical = places[critical]
    others = places[:critical] + places[critical + 1 :]
    workers = machine.queues[CRITICAL_QUEUE].first_worker, machine.queues[CRITICAL_QUEUE].last_worker
    epoch = quiet = -1  # the epoch that was compiled; how often others had been put to when they were found empty

    def search() -> Taken | None:
        nonlocal quiet
        stirred = words[stirred_at]
        if all(words[put] == words[take] for put, take, _ in others):
            quiet = stirred
        for put, take, taker in places:
            taken = taker() if words[put] != words[take] else None
            if taken is not None:
                return taken
        return None

    def serve(woken: bool) -> int:
        nonlocal epoch
        if stop_word[0]:
            raise_if_stopped(context)
        if words[epoch_at] != epoch or recalls[0] != recalls[1]:
            refresh(context)
            epoch = box.epoch
        if words[stirred_at] != quiet:
            taken = search()
        else:
            taken = take_critical() if words[put_at] != words[take_at] else None
        if taken is None:
            return 0
        if woken and any(words[put] != words[take] for put, take, _ in places):
            # Two who put at once may have woken the same sleeper; whoever takes makes up for the other ring.
            wake_one(context, *workers)
        queued = taken[4]
        delay = run(taken) - queued
        cells[ITEM_CELL] = 0
        # From its queuing to the first act of its routine; costs no look at a clock.
        bucket = delay >> UNIT_SHIFT
        if not 0 <= bucket < LINEAR_BUCKETS:
            bucket = delay >> COARSE_SHIFT
            bucket = COARSE[bucket] if 0 <= bucket < len(COARSE) else bucket_of(delay)
        words[first_delay + bucket] += 1
        return queued

    return serve
