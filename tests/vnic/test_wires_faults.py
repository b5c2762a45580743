"""What a seed decides: predicted with the seed's own numbers, the same everywhere, one kind apart from the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from emulator.rules.errors import ConfigurationError
from vnic.wires.faults import (
    HOLD_NS,
    NEVER,
    ROOM,
    DirectionFaults,
    Fates,
    FaultSpecification,
    FaultyLine,
    faults_of,
    parse_faults,
    with_bit_turned,
)

ROOT = Path(__file__).parents[2]
MS = 1_000_000


def frame(number: int) -> bytes:
    return number.to_bytes(60, "big")


def taken(line: FaultyLine, now: int) -> list[bytes]:
    found = []
    while (one := line.take(now)) is not None:
        found.append(one)
    return found


def through(faults: DirectionFaults, count: int, seed: int = 7) -> list[bytes]:
    line = FaultyLine(faults, seed, "in")
    found = []
    for number in range(count):
        line.put(frame(number), number)
        found += taken(line, number)
    return found + taken(line, NEVER - 1)


def test_exactly_the_predicted_frames_are_lost() -> None:
    chance = Random("7/in/loss").random
    kept = [frame(number) for number in range(5000) if chance() >= 0.05]
    assert through(DirectionFaults(loss=0.05), 5000) == kept
    assert 4600 < len(kept) < 4850


def test_one_kind_of_fault_does_not_shift_another_s() -> None:
    alone = Fates(DirectionFaults(loss=0.1), 7, "in")
    together = Fates(DirectionFaults(loss=0.1, corrupt=0.5, duplicate=0.5, reorder=0.5, delay=9, jitter=9), 7, "in")
    assert [next(alone).lost for _ in range(1000)] == [next(together).lost for _ in range(1000)]


def test_directions_and_seeds_differ() -> None:
    faults = DirectionFaults(loss=0.5)
    seen = {
        tuple(next(fates).lost for _ in range(100))
        for fates in (Fates(faults, 7, "in"), Fates(faults, 7, "out"), Fates(faults, 8, "in"))
    }
    assert len(seen) == 3


def test_the_same_over_hash_seeds() -> None:
    code = (
        "from vnic.wires.faults import *\n"
        "fates = Fates(DirectionFaults(0.1, 0.1, 0.1, 0.1, 100, 50), 42, 'out')\n"
        "print([next(fates) for _ in range(200)])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(told) == 1


def test_a_corrupted_frame_differs_by_one_bit() -> None:
    line = FaultyLine(DirectionFaults(corrupt=1.0), 1, "in")
    places = set()
    for number in range(500):
        line.put(frame(number), 0)
        (found,) = taken(line, 0)
        changed = int.from_bytes(found, "big") ^ int.from_bytes(frame(number), "big")
        assert changed.bit_count() == 1
        places.add(changed)
    assert len(places) > 200
    assert line.counts["corrupted"] == 500
    assert with_bit_turned(b"\0\0", 0.0) == b"\1\0"
    assert with_bit_turned(b"\0\0", 0.999) == b"\0\x80"


def test_duplicates_come_right_behind() -> None:
    assert through(DirectionFaults(duplicate=1.0), 3) == [frame(0), frame(0), frame(1), frame(1), frame(2), frame(2)]


def test_a_reordered_frame_goes_behind_the_next_or_after_a_while() -> None:
    line = FaultyLine(DirectionFaults(reorder=0.3), 7, "in")
    chance = Random("7/in/reorder").random
    expected: list[bytes] = []
    held: list[bytes] = []
    for number in range(200):
        line.put(frame(number), 0)
        if chance() < 0.3:
            held.append(frame(number))
        else:
            expected += [frame(number), *held]
            held = []
    assert taken(line, 0) == expected
    assert taken(line, HOLD_NS - 1) == []
    assert taken(line, HOLD_NS) == held
    chance = Random("7/in/reorder").random
    assert line.counts["reordered"] == sum(chance() < 0.3 for _ in range(200))
    assert line.due == NEVER


def test_delay_and_jitter() -> None:
    line = FaultyLine(DirectionFaults(delay=2 * MS), 7, "in")
    for number in range(10):
        line.put(frame(number), number * MS)
    assert line.due == 2 * MS
    assert taken(line, 2 * MS - 1) == []
    assert taken(line, 2 * MS) == [frame(0)]
    assert taken(line, 5 * MS) == [frame(number) for number in range(1, 4)]
    fates = Fates(DirectionFaults(delay=2 * MS, jitter=MS), 7, "in")
    delays = [next(fates).delay for _ in range(1000)]
    assert MS <= min(delays) < 1.1 * MS
    assert 2.9 * MS < max(delays) <= 3 * MS
    jittered = FaultyLine(DirectionFaults(delay=2 * MS, jitter=MS), 7, "in")
    for number in range(1000):
        jittered.put(frame(number), 0)
    assert taken(jittered, 3 * MS) == [frame(n) for n in sorted(range(1000), key=delays.__getitem__)]


def test_a_line_has_a_limit_and_loses_what_is_under_way_with_the_link() -> None:
    line = FaultyLine(DirectionFaults(delay=MS), 7, "out")
    for number in range(ROOM + 5):
        line.put(frame(number), 0)
    assert line.counters() == {"out_delayed": ROOM, "out_dropped": 5}
    line.clear()
    assert line.counters() == {"out_delayed": ROOM, "out_dropped": ROOM + 5}
    assert line.take(NEVER) is None


def test_what_the_outside_does_not_take_is_the_next_again() -> None:
    line = FaultyLine(DirectionFaults(delay=MS), 7, "out")
    for number in range(3):
        line.put(frame(number), 0)
    first = line.take(MS)
    assert first is not None
    line.put_back(first)
    assert taken(line, MS) == [frame(0), frame(1), frame(2)]


# -- what the user writes ----------------------------------------------------------------------------------------------


def test_what_is_written_is_read() -> None:
    both = DirectionFaults(loss=0.01)
    assert parse_faults("loss=0.01,seed=7") == FaultSpecification(both, both, 7)
    assert parse_faults("loss=1%") == FaultSpecification(both, both)
    assert parse_faults("") == FaultSpecification()
    assert not parse_faults("seed=3").any
    found = parse_faults("in.loss=1, out.corrupt=0.5 ,delay=2ms~1ms,out.delay=10us,duplicate=0,reorder=0.25")
    assert found.incoming == DirectionFaults(1.0, 0.0, 0.0, 0.25, 2 * MS, MS)
    assert found.outgoing == DirectionFaults(0.0, 0.5, 0.0, 0.25, 10_000, 0)
    assert found.any


def test_a_table_says_the_same_as_text() -> None:
    table: dict[str, Any] = {"loss": 0.01, "in": {"delay": "2ms~1ms"}, "out.corrupt": "1%", "seed": 7}
    assert faults_of(table) == parse_faults("loss=0.01,in.delay=2ms~1ms,out.corrupt=0.01,seed=7")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("loss", "'loss' is not KEY=VALUE; write for example"),
        ("=1", "'=1' is not KEY=VALUE"),
        ("loss=2", "loss=2: expected a part of all frames, 0 to 1"),
        ("loss=-0.1", "loss=-0.1: expected a part of all frames"),
        ("loss=nan", "loss=nan: expected a part"),
        ("loss=many", "loss=many: expected a part"),
        ("loss=0.1,loss=0.2", "loss is given twice"),
        ("lost=0.1", "unknown fault 'lost'; there are loss, corrupt, duplicate, reorder, delay"),
        ("up.loss=0.1", "unknown fault 'up.loss'"),
        (".loss=0.1", "unknown fault '.loss'"),
        ("in.seed=1", "unknown fault 'in.seed'"),
        ("delay=2", "delay=2: expected a time like 500us or 2ms~1ms"),
        ("delay=1ms~2ms", "at most as much to either side"),
        ("delay=1ms~1ms~1ms", "at most as much to either side"),
        ("delay=61s", "a minute is the longest delay"),
        ("seed=x", "the seed 'x' is no whole number"),
        ("seed=1.5", "the seed '1.5' is no whole number"),
    ],
)
def test_faults_that_make_no_sense(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        parse_faults(text)
    assert "\n" not in str(caught.value)
