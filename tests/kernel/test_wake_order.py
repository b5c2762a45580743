"""Nobody sleeps through what was published for him: stores that a processor keeps back a moment, and who looks when.

Law: a store counts as seen by the others only when a fence has come after it, or a lock, which is one. So the tests see
a missing fence each time, and not once in a million times as a computer shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel import events
from emulator.kernel.events import KEVENT
from emulator.kernel.irql import lower_irql, raise_irql, wanted
from emulator.kernel.loops import processor_round
from emulator.kernel.passive import IDLE_EXTRA_WORKER_NS, live_as_worker
from emulator.kernel.platform import current
from emulator.kernel.waits import ASLEEP, IDLE, sleep_until
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SlotState
from emulator.rules.irql import DISPATCH_LEVEL, PASSIVE_LEVEL
from tests.fake_platform import FakeMachine, driver_module

if TYPE_CHECKING:
    from emulator.kernel.context import Context

WORDS = ("sleeping", "raising", "withheld", "summoned")


class Unseen(AssertionError):
    """A context looks at what another one stored, and its own last store may not be seen yet."""


class Stores:
    """What each context has stored into the words by which contexts wake each other, and no fence has followed."""

    def __init__(self, fake: FakeMachine) -> None:
        self.kept: dict[int, list[tuple[str, int]]] = {}
        self.looks: list[tuple[int, str]] = []
        platform: Any = fake.platform
        for name in WORDS:
            setattr(fake.arena, name, Word(name, getattr(fake.arena, name), self))
        for name in ("fence", "acquire", "release"):
            setattr(platform, name, self.passing(getattr(platform, name)))

    def passing(self, act: Any) -> Any:
        """The act, which is a fence too."""

        def fence(*arguments: Any) -> Any:
            result = act(*arguments)
            self.kept.pop(current.context.slot, None)
            return result

        return fence

    def stored(self, name: str, index: int) -> None:
        """To clear another's flag publishes nothing: the ring that follows does."""
        slot = current.context.slot
        if name != "sleeping" or index == slot:
            self.kept.setdefault(slot, []).append((name, index))

    def looked(self, name: str, index: int | None) -> None:
        """At one's own words there is nothing to see, unless others write them."""
        slot = current.context.slot
        if name == "sleeping" and index == slot:
            return
        self.looks.append((slot, name))
        hidden = [word for word in self.kept.get(slot, []) if word != (name, index)]
        if hidden:
            raise Unseen(f"{current.context.name} looks at {name} behind its stores {hidden}, with no fence between")


class Word:
    """One of the arena's rows of flags."""

    def __init__(self, name: str, row: Any, stores: Stores) -> None:
        self.name, self.row, self.stores = name, row, stores

    def __len__(self) -> int:
        return len(self.row)

    def __bytes__(self) -> bytes:
        self.stores.looked(self.name, None)
        return bytes(self.row)

    def __getitem__(self, index: Any) -> Any:
        self.stores.looked(self.name, index if isinstance(index, int) else None)
        return self.row[index]

    def __setitem__(self, index: int, value: int) -> None:
        self.row[index] = value
        if not (self.name == "summoned" and value and index == current.context.slot):  # nobody else looks at that
            self.stores.stored(self.name, index)


def test_who_has_raised_says_so_before_he_looks_whether_the_processor_sleeps() -> None:
    fake = FakeMachine()
    worker, processor = fake.passive_worker(), fake.processor()
    withheld = fake.arena.withheld
    withheld[processor.slot] = 1
    stores = Stores(fake)

    def published(context: Context, deadline: int | None) -> None:
        withheld[processor.slot] = 0

    fake.platform.on_sleep = published
    with fake.running(worker):
        raise_irql(worker, DISPATCH_LEVEL)
        lower_irql(worker, PASSIVE_LEVEL)
    assert stores.looks[-1] == (worker.slot, "sleeping")


def test_who_finds_the_processor_free_wakes_nobody() -> None:
    fake = FakeMachine()
    worker, processor = fake.passive_worker(), fake.processor()
    fake.arena.sleeping[processor.slot] = ASLEEP
    with fake.running(worker):
        raise_irql(worker, DISPATCH_LEVEL)
        assert not any(fake.arena.raising)
        lower_irql(worker, PASSIVE_LEVEL)
    assert fake.platform.rings == []


@pytest.mark.parametrize("withheld", [0, 1])
def test_a_processor_publishes_before_it_looks_who_waits_for_it(withheld: int) -> None:
    fake = FakeMachine()
    processor, worker = fake.processor(), fake.passive_worker()
    fake.arena.withheld[processor.slot] = withheld
    fake.arena.sleeping[worker.slot] = ASLEEP
    fake.arena.raising[worker.slot] = fake.arena.summoned[processor.slot] = 1
    stores = Stores(fake)

    def lowered(context: Context, deadline: int | None) -> None:
        assert deadline is not None
        assert wanted(context)
        fake.arena.raising[worker.slot] = 0

    fake.platform.on_sleep = lowered
    with fake.running(processor):
        processor_round(processor)
    assert fake.platform.rings == [worker.slot] * withheld
    assert ((processor.slot, "sleeping") in stores.looks) is bool(withheld)


def test_who_still_waits_when_a_processor_has_stepped_aside_is_looked_for_again() -> None:
    fake, asleep = FakeMachine(), list[int]()
    processor, worker = fake.processor(), fake.passive_worker()
    fake.round()
    fake.arena.raising[worker.slot] = fake.arena.summoned[processor.slot] = 1

    def time_passes(context: Context, deadline: int | None) -> None:
        assert deadline is not None
        fake.platform.time = deadline
        asleep.append(context.slot)

    fake.platform.on_sleep = time_passes
    for rounds in range(1, 4):
        fake.round()
        assert asleep == [processor.slot] * rounds
    fake.arena.raising[worker.slot] = 0
    fake.round()
    assert asleep == [processor.slot] * rounds
    assert not fake.arena.summoned[processor.slot]


def test_every_processor_meets_a_new_epoch_in_its_next_round_and_no_other() -> None:
    fake, met = FakeMachine(processors=3), list[int]()
    fake.services.on_round = lambda context: met.append(context.slot)
    processors = [fake.processor(number) for number in range(3)]
    for _ in processors * 2:
        fake.run_until_idle()
    met.clear()
    assert fake.machine.new_epoch() == fake.arena.machine.epoch
    for _ in range(2):
        for number in range(3):
            fake.round(number)
    assert met == [processor.slot for processor in processors]


@pytest.mark.parametrize("late", [False, True], ids=["ready", "too late"])
def test_who_gets_up_is_seen_awake_before_he_looks_at_anything(late: bool) -> None:
    """Whoever publishes a change takes a sleeper for one that looks at it when it gets up."""
    fake = FakeMachine()
    worker = fake.passive_worker()
    stores = Stores(fake)
    with fake.running(worker):
        assert sleep_until(worker, lambda: not late, fake.platform.time) is not late
    assert not stores.kept


def test_what_comes_while_an_extra_worker_gives_up_is_not_left_behind() -> None:
    driver: Any = driver_module(
        "drv",
        """
        ran = []

        @callback
        def Routine(context, handle):
            ran.append(context)
        """,
    )
    fake = FakeMachine([driver])
    fake.passive_worker()
    extra = fake.passive_worker(1)
    queue, table = fake.machine.queues[0], fake.machine.objects[HandleKind.WORK_ITEM]
    made = table.allocate(HandleKind.WORK_ITEM, driver=1, parent=0, site=0)
    assert made is not None
    made[1].state = 0
    platform: Any = fake.platform
    look_at_the_clock, due, came = platform.now, platform.time + IDLE_EXTRA_WORKER_NS, list[int]()

    def now() -> int:
        time: int = look_at_the_clock()
        if time >= due and fake.arena.sleeping[extra.slot] == IDLE and not came:
            # It has looked and found nothing, and now it sees that its time is over.
            came.append(time)
            queue.put(extra, made[0], driver.Routine.__ndis_routine__, 7, 0)
            assert platform.rings == [extra.slot]
        return time

    platform.now = now
    with fake.running(extra):
        live_as_worker(extra)
    assert driver.ran == [7]
    assert extra.box.state == SlotState.RETIRING


def test_an_event_that_is_set_and_reset_at_once_releases_who_waited() -> None:
    fake = FakeMachine()
    worker, pnp = fake.passive_worker(), fake.pnp()
    event = KEVENT.at(bytearray(KEVENT.size()), 0)
    events.initialize(event)

    def pulse(context: Context, deadline: int | None) -> None:
        assert context is worker
        assert not fake.platform.rings, "it has been released, and sleeps again"
        with fake.running(pnp):
            events.set_event(pnp, event)
            events.reset_event(pnp, event)

    fake.platform.on_sleep = pulse
    with fake.running(worker):
        assert events.wait_event(worker, event, None)
    assert fake.platform.rings == [worker.slot]
    assert not event.waiters

    fake.platform.on_sleep = None
    with fake.running(worker):
        assert not events.wait_event(worker, event, fake.platform.time + 1000)
    assert not event.waiters
