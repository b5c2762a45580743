"""Schedules as values, the numbers behind them, and the schedulers one by one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.simulated.numbers import Numbers, derived
from emulator.simulated.schedule import RANDOM, Schedule, ScheduleError
from emulator.simulated.schedulers import (
    PctScheduler,
    RandomScheduler,
    ReplayScheduler,
    RoundRobinScheduler,
    Scheduler,
    make_scheduler,
)


def test_the_numbers_are_those_of_splitmix64() -> None:
    numbers = Numbers(1234567)
    # Published check values of the algorithm for this seed.
    assert [numbers.next_u64() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_streams_for_two_purposes_differ() -> None:
    assert derived(7, "tasks").next_u64() != derived(7, "data").next_u64()


def test_small_numbers_stay_below_and_all_occur() -> None:
    numbers = Numbers(3)
    assert {numbers.below(5) for _ in range(500)} == set(range(5))
    assert all(numbers.below(100_000) < 100_000 for _ in range(50))


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(RANDOM, 60), max_size=400))
def test_a_schedule_survives_being_printed(seed: int, steps: list[int]) -> None:
    schedule = Schedule(seed, "pct:3:2000", tuple(steps))
    assert Schedule.from_text(schedule.to_text()) == schedule


def test_long_runs_stay_short() -> None:
    assert len(Schedule(1, "random", (4,) * 100_000).to_text()) < 60


@pytest.mark.parametrize("text", ["", "ndis1:", "ndis1:AAAA", "shuttle:9101", "ndis1:!!!!"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule.from_text(text)


def _run(scheduler: Scheduler, steps: int) -> list[int]:
    scheduler.new_execution()
    current, ran = 4, []
    for _ in range(steps):
        current = scheduler.next_task((4, 5, 6), current, False)
        ran.append(current)
    return ran


@pytest.mark.parametrize("name", ["random", "pct:4:50", "round_robin"])
def test_a_seed_gives_the_same_execution_again(name: str) -> None:
    scheduler = make_scheduler(name, 11)
    assert _run(scheduler, 100) == _run(scheduler, 100) == _run(make_scheduler(name, 11), 100)


def test_random_seeds_differ_and_reach_everybody() -> None:
    assert _run(RandomScheduler(1), 100) != _run(RandomScheduler(2), 100)
    assert set(_run(RandomScheduler(1), 100)) == {4, 5, 6}


def test_pct_changes_as_often_as_its_depth_says() -> None:
    for seed in range(30):
        ran = _run(PctScheduler(seed, depth=3, length=80), 100)
        assert sum(one != other for one, other in itertools.pairwise(ran)) <= 2


def test_pct_sends_who_yields_to_the_end() -> None:
    scheduler = PctScheduler(5)
    first = scheduler.next_task((4, 5), 4, False)
    assert scheduler.next_task((4, 5), first, True) != first


def test_pct_starves_nobody_for_ever() -> None:
    assert len(set(_run(PctScheduler(9, depth=1), 50_000))) > 1


def test_round_robin_takes_turns() -> None:
    assert _run(RoundRobinScheduler(), 5) == [5, 6, 4, 5, 6]


def test_replay_follows_and_says_where_it_does_not_fit() -> None:
    replay = ReplayScheduler(Schedule(3, "random", (5, RANDOM, 4)))
    replay.new_execution()
    assert replay.next_task((4, 5), 4, False) == 5
    assert replay.next_u64() == derived(3, "data").next_u64()
    with pytest.raises(ScheduleError, match="slot 4 went on"):
        replay.next_task((5, 6), 5, False)
    assert replay.next_task((5, 6), 5, False) == 5  # behind the end


@pytest.mark.parametrize("name", ["", "dfs", "pct:0", "pct:a", "random:1", "pct:1:2:3"])
def test_an_unknown_scheduler_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="scheduler"):
        make_scheduler(name, 0)
