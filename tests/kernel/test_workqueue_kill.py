"""SIGKILL of a producer or consumer of the critical work queue, under load: nobody sticks, and no item is lost.

Two producers and two consumers share one queue. One of the four is killed at a random moment; then the stop word is
set, as the host does. What each producer had put and each consumer had taken is kept in their own words of the arena.
"""

from __future__ import annotations

import mmap
import os
import random
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.platform import LivePlatform, lock_table
from emulator.kernel.context import Context
from emulator.kernel.images import Images
from emulator.kernel.machine import Machine
from emulator.kernel.passive import Server
from emulator.kernel.platform import current
from emulator.layout.arena import Arena, Geometry, offsets_of
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SlotState, SystemLock
from emulator.rules.errors import MachineStopped
from emulator.sync import memory, processes
from emulator.sync.doorbell import Doorbell
from tests.patience import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.kernel.workqueue import Taken

GEOMETRY = Geometry(work_items=256, frame_slots=16, pool_bytes=1 << 16, driver_locks=16, bindings=1, filters=1)
ITEMS_EACH = 100
TRIALS = 24
MORE_TRIALS = 76
SOAK_TRIALS = 200
HIT_AT_LEAST = 30
LOG_BYTES = 1 << 16


class Shared:
    """A machine's arena and doorbells, and a page for each of the four where it keeps what it has done."""

    def __init__(self) -> None:
        fd = memory.create("queue-kill", offsets_of(GEOMETRY)["size"])
        self.fd = fd
        self.mapping = memory.map(fd)
        self.arena = Arena(self.mapping.view, GEOMETRY)
        self.locks = lock_table(self.mapping, self.arena)
        self.locks.initialize()
        self.bells = [Doorbell.create() for _ in range(GEOMETRY.slots)]
        self.log, self.other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.services = Idle()
        self.machine = Machine(self.arena, Images(), self.services)
        self.machine.format(1)
        self.pages = [mmap.mmap(-1, LOG_BYTES) for _ in range(4)]

    def context(self, slot: int, kind: ContextKind, index: int) -> Context:
        platform = LivePlatform(slot, self.locks, [bell.fd for bell in self.bells], self.log)
        context = Context(self.machine, platform, slot, kind, index)
        current.context = context
        context.enter_state(SlotState.RUNNING)
        return context

    def close(self) -> None:
        for bell in self.bells:
            bell.close()
        self.log.close()
        self.other.close()
        os.close(self.fd)


class Idle:
    """Services of which only the rounds are called, and what runs an item: it notes that the item has been taken."""

    page: mmap.mmap
    count = 0

    def round(self, context: Context) -> None:
        context.box.epoch = context.machine.arena.machine.epoch

    def runner(self, context: Context) -> Callable[[Taken], int]:
        del context

        def run(taken: Taken) -> int:
            self.count = note(self.page, self.count, taken[1])
            return 0

        return run

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: False


def note(page: mmap.mmap, count: int, value: int) -> int:
    """Append a value; the count moves last, as in the queue itself."""
    struct.pack_into("<Q", page, 8 + count % (LOG_BYTES // 8 - 1) * 8, value)
    struct.pack_into("<Q", page, 0, count + 1)
    return count + 1


def noted(page: mmap.mmap) -> list[int]:
    """The last values of a page, oldest first: of a long run a page keeps the end."""
    (count,) = struct.unpack_from("<Q", page, 0)
    kept = LOG_BYTES // 8 - 1
    return [struct.unpack_from("<Q", page, 8 + place % kept * 8)[0] for place in range(max(0, count - kept + 8), count)]


def produce(shared: Shared, number: int, handles: list[int]) -> int:
    context = shared.context(4 + number, ContextKind.PROCESSOR, 0)
    queue, table = shared.machine.queues[0], shared.machine.objects[HandleKind.WORK_ITEM]
    page, count, value = shared.pages[number], 0, 0
    try:
        while True:
            for handle in handles:
                item = table.find(handle, HandleKind.WORK_ITEM)
                if context.stop_word[0]:
                    return 0
                if item.state == 0:
                    value += 1
                    queue.put(context, handle, 1, number << 48 | value, 0)
                    count = note(page, count, number << 48 | value)
    except MachineStopped:
        return 0


def consume(shared: Shared, number: int) -> int:
    context = shared.context(GEOMETRY.first_passive_slot + number, ContextKind.PASSIVE_WORKER, number)
    shared.services.page = shared.pages[2 + number]
    server = Server(context)
    try:
        while True:
            server.serve(False, 1000)
    except MachineStopped:
        return 0


def gone(pidfd: int) -> bool:
    """Has the process ended within a second?"""
    return within(1.0, lambda: processes.wait_exit(pidfd, 0))


def trial(seed: int) -> int:
    """Run, kill, look; how many survivors met the dead owner's lock."""
    chance = random.Random(seed)
    shared = Shared()
    mine = shared.context(1, ContextKind.ZYGOTE, 0)
    table = shared.machine.objects[HandleKind.WORK_ITEM]
    handles: list[int] = []
    for _ in range(2 * ITEMS_EACH):
        made = table.allocate(HandleKind.WORK_ITEM, driver=0, parent=0, site=0)
        assert made is not None
        made[1].state = 0
        handles.append(made[0])
    keep = [bell.fd for bell in shared.bells] + [shared.log.fileno()]
    children = [
        processes.fork_child(lambda: produce(shared, 0, handles[:ITEMS_EACH]), keep=keep, name="producer0"),
        processes.fork_child(lambda: produce(shared, 1, handles[ITEMS_EACH:]), keep=keep, name="producer1"),
        processes.fork_child(lambda: consume(shared, 0), keep=keep, name="consumer0"),
        processes.fork_child(lambda: consume(shared, 1), keep=keep, name="consumer1"),
    ]
    queue = shared.machine.queues[0]
    wanted = chance.randrange(200, 3000)
    while queue.counts[1] < wanted:
        pass
    for _ in range(chance.randrange(400)):
        pass
    victim = chance.randrange(4)
    if seed % 8:
        # Seven of eight trials aim: they kill at a glance that sees the victim hold its lock, if it still does.
        lock = SystemLock.QUEUE_PUT if victim < 2 else SystemLock.QUEUE_TAKE
        for _ in range(20_000):
            if shared.locks.holder(lock) == children[victim].pid:
                break
    processes.kill(children[victim].pidfd)
    assert gone(children[victim].pidfd)
    # Survivors of the same kind meet the dead owner before the stop word tells them; give them the chance to.
    before = queue.counts
    for _ in range(20_000):
        if queue.counts != before and shared.arena.machine.owner_deaths:
            break
    shared.arena.machine.stop_word = 1
    for child in children:
        assert gone(child.pidfd), "a survivor is stuck"
        processes.reap(child.pid)
        os.close(child.pidfd)
    _holds_every_item(shared, victim)
    deaths = shared.arena.machine.owner_deaths
    del mine
    shared.close()
    return deaths


def _holds_every_item(shared: Shared, victim: int) -> None:
    waiting = [item.context for item in shared.machine.queues[0].waiting()]
    takers = [noted(page) for page in shared.pages[2:]]
    taken = [value for values in takers for value in values]
    assert len(waiting) == len(set(waiting))
    seen = set(waiting) | set(taken)
    in_hand = {
        shared.arena.slots[GEOMETRY.first_passive_slot + number].item for number in range(2) if victim == 2 + number
    } - {0}
    for number in range(2):
        put = noted(shared.pages[number])
        # A survivor goes on long after the kill, and its page forgets what the victim's still holds: only what each
        # page would still name if it had been taken there is judged.
        firsts = [min((value for value in values if value >> 48 == number), default=0) for values in takers]
        known = max(firsts)
        lost = [value for value in put if value >= known and value not in seen]
        # At most the one in the killed consumer's hand, which its slot names.
        assert len(lost) <= len(in_hand), f"{len(lost)} items of producer {number} are gone, {len(in_hand)} in hand"
    doubled = set(waiting) & set(taken)
    assert len(doubled) <= len(in_hand)


@pytest.fixture(autouse=True)
def _leave_no_context() -> Iterator[None]:
    before = getattr(current, "context", None)
    yield
    if before is not None:
        current.context = before


def test_a_killed_party_leaves_nobody_stuck_and_no_item_lost() -> None:
    hits = sum(1 for seed in range(TRIALS) if trial(seed))
    # On a busy computer no kill of a sample may hit a holder: go on until one has.
    seed = TRIALS
    while not hits and seed < TRIALS + MORE_TRIALS:
        hits += bool(trial(seed))
        seed += 1
    assert hits >= 1, "no trial killed the holder of a lock: the test proves nothing"


@pytest.mark.soak
def test_two_hundred_kills_of_which_thirty_hit_the_lock() -> None:
    trials = hits = 0
    # On a busy computer fewer kills hit a holder: go on until enough of them have.
    while trials < SOAK_TRIALS or (hits < HIT_AT_LEAST and trials < 2 * SOAK_TRIALS):
        hits += bool(trial(1000 + trials))
        trials += 1
    print(f"{trials} kills, {hits} of them held a lock that a survivor then met")
    assert hits >= HIT_AT_LEAST
