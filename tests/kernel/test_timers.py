"""Timers with a tolerance: they wait for others, never longer than they may, and come along when not too early."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel import timers
from emulator.kernel.waits import ASLEEP, IDLE
from tests.fake_platform import FakeMachine, driver_module
from tests.kernel.test_waits import MILLISECOND, timer_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context

ROUTINE = """
    ran = []

    @callback
    def OnTimer(first, context, second, third):
        ran.append((context, now()))
"""


class Clock:
    """A processor that wakes when its earliest timer says so."""

    def __init__(self) -> None:
        self.driver = driver_module("timed", ROUTINE)
        self.fake = FakeMachine([self.driver])
        self.begun = self.fake.platform.time
        self.driver.now = lambda: (self.fake.platform.time - self.begun) // MILLISECOND
        self.processor = self.fake.processor()

    def set(self, number: int, due: int, period: int = 0, tolerance: int = 0) -> Any:
        timer = timer_of(self.fake, self.driver)
        with self.fake.running(self.processor) as context:
            at = self.begun + due * MILLISECOND
            timers.set_timer(context, timer, at, period * MILLISECOND, number, 0, tolerance * MILLISECOND)
        return timer

    def run(self, until: int) -> list[tuple[int, int]]:
        platform, arena = self.fake.platform, self.fake.arena
        while 0 < (earliest := arena.earliest[0]) <= self.begun + until * MILLISECOND:
            platform.time = max(platform.time, earliest)
            with self.fake.running(self.processor) as context:
                timers.serve_timers(context)
        found: list[tuple[int, int]] = self.driver.ran
        return found


@pytest.mark.parametrize(
    ("due", "tolerance", "expires"),
    [(100, 0, 100), (100, 30, 130), (150, 49, 199), (150, 50, 200), (200, 80, 200), (250, 50, 200), (251, 50, 301)],
    ids=["at once", "alone", "too late for the other", "just in time", "with it", "just early enough", "too early"],
)
def test_a_timer_comes_along_with_another_within_its_tolerance(due: int, tolerance: int, expires: int) -> None:
    clock = Clock()
    clock.set(1, due, tolerance=tolerance)
    clock.set(2, 200)
    assert dict(clock.run(1000)) == {1: expires, 2: 200}


def test_a_periodic_timer_stays_within_its_tolerance_from_one_expiry_to_the_next() -> None:
    clock = Clock()
    clock.set(1, 100, period=100, tolerance=20)
    clock.set(2, 90, period=110)
    times = [time for number, time in clock.run(2000) if number == 1]
    assert times[0] == 90
    assert len(times) > 15
    assert all(80 <= b - a <= 120 for a, b in itertools.pairwise(times))


def test_a_periodic_timer_without_tolerance_keeps_its_beat() -> None:
    clock = Clock()
    clock.set(1, 100, period=100)
    assert clock.run(500) == [(1, 100), (1, 200), (1, 300), (1, 400), (1, 500)]


@pytest.mark.parametrize("waits", [True, False], ids=["who waits for its routine", "nobody"])
def test_an_expired_timer_wakes(waits: bool) -> None:
    """Its processor was once every other sleeper's alarm clock: the host, idle workers and both lanes."""
    clock = Clock()
    fake, pnp, worker = clock.fake, clock.fake.pnp(), clock.fake.passive_worker()
    timer = clock.set(1, 100)
    fake.arena.sleeping[worker.slot] = IDLE

    def expire(context: Context, deadline: int | None) -> None:
        """While the PnP thread sleeps until the routine has returned it does, and at once another time begins."""
        assert context is pnp
        assert not clock.driver.ran, "it waits for what ran when it came, and for no more"
        timer.running -= 1
        fake.platform.rings.clear()
        clock.run(100)
        timer.running += 1

    fake.platform.on_sleep = expire
    if waits:
        timer.running = 1
        with fake.running(pnp):
            timers.flush_timer(pnp, timer)
        assert not timer.waiters
    else:
        fake.arena.sleeping[pnp.slot] = ASLEEP
        clock.run(100)
    assert clock.driver.ran == [(1, 100)]
    assert fake.platform.rings == ([pnp.slot] if waits else [])
