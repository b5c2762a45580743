"""Measure work items: how many a second, and how long from queue to callback, each subject in turn in every round.

Law: subjects are interleaved round by round and compared within the round, because the computer's speed drifts; no
run is discarded.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.figures import Spread, middle, percentile, spread, spread_of
from tools.bench.part import PartReport, Table
from tools.bench.table import ABSENT, listed, number, ranged
from tools.bench.workitem_subjects import Saturation, WorkItemSubject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.bench.machine import Machine

ROUNDS: Final = 5
WARM_UP: Final = 0.2
SECONDS: Final = 0.4
LONE_ITEMS: Final = 300
ASLEEP_US: Final = 1000
AWAKE_US: Final = 50

EMULATOR: Final = "emulator, checked"
EMULATOR_FREE: Final = "emulator, free"
PROCESS_POOL: Final = "ProcessPoolExecutor.submit"
FASTER_FIFO: Final = "faster-fifo"

NOTES: Final = (
    "One process queues and one runs a callback for each item. Items are queued one by one, as a driver does.",
    "Per second: callbacks counted by the consumer, read from outside at the two ends of the time after the warm-up, "
    "while the producer queues without rest and the queue is bounded.",
    "Queue to callback: CLOCK_MONOTONIC just before the item is queued and first thing in its callback; single items. "
    f"Awake: the producer does not sleep and queues {AWAKE_US} us after the last has run, as a processor with traffic "
    f"does. Asleep: both sides sleep for {ASLEEP_US} us before each item; most of what that costs is the computer's "
    "own way out of sleep, and the longer it slept the longer that is. The first 20 of each run warm up. The "
    "percentiles of a round are taken over its items; the figure is the median of the rounds.",
    "ns an item is processor time of each process, user and kernel, in the saturated run.",
    "The peers do less: an item that their consumer has taken is forgotten, and a killed process can leave their "
    "queues stuck. What is compared is the cost of running a callback elsewhere. C, pytun and scapy move frames "
    "and have no such thing.",
    "ProcessPoolExecutor sends a result back for each item. Not measured: several producers or consumers.",
    "The emulator: a miniport's timer queues on the processor at DISPATCH_LEVEL, a passive worker runs the callbacks. "
    "A worker whose last item came within 50 us of its finding the queue empty looks for the next one for as long "
    "before it sleeps; that is what its awake figure shows, and it sleeps in the other.",
)


class RoundOf(msgspec.Struct, frozen=True):
    """One subject in one round."""

    subject: str
    round: int
    saturation: Saturation
    p50_us: float
    p99_us: float
    asleep_p50_us: float
    asleep_p99_us: float
    lone_items: int


class Row(msgspec.Struct, frozen=True):
    """One subject over all rounds; `times` is its rate as a multiple of each other subject's in the same round."""

    subject: str
    per_second: Spread
    p50_us: Spread
    p99_us: Spread
    asleep_p50_us: Spread
    asleep_p99_us: Spread
    ns: dict[str, float]
    unclean_runs: int
    foreign_cores: float
    times: dict[str, Spread]
    raw_per_second: list[float]
    raw_p50_us: list[float]
    raw_asleep_p50_us: list[float]


@dataclass
class Measured:
    """Every round in order, and what could not be measured."""

    rounds: list[RoundOf] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def measure(
    subjects: Sequence[WorkItemSubject],
    say: Callable[[str], None],
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    lone_items: int = LONE_ITEMS,
    until: float = math.inf,
) -> Measured:
    """Give every subject its turn in every round; one that fails is left out of the rounds that follow, and said.

    A round that would probably not end before `until` (time.monotonic) does not begin.
    """
    measured = Measured()
    longest = 0.0
    for number_of_round in range(1, rounds + 1):
        began = time.monotonic()
        if began + longest > until:
            say(f"the time is over: {number_of_round - 1} of {rounds} rounds")
            break
        say(f"round {number_of_round} of {rounds}")
        for subject in subjects:
            if subject.name in measured.absent:
                continue
            try:
                subject.start()
                saturation = subject.saturate(min(WARM_UP, seconds), seconds)
                waits = subject.lone(lone_items, AWAKE_US, awake=True)
                asleep = subject.lone(lone_items, ASLEEP_US)
            except (HostError, EmulatorError) as error:
                measured.absent[subject.name] = str(error)
                say(f"{subject.name}: {error}")
                continue
            finally:
                subject.stop()
            measured.rounds.append(
                RoundOf(
                    subject=subject.name,
                    round=number_of_round,
                    saturation=saturation,
                    p50_us=percentile(waits, 0.50) / 1000,
                    p99_us=percentile(waits, 0.99) / 1000,
                    asleep_p50_us=percentile(asleep, 0.50) / 1000,
                    asleep_p99_us=percentile(asleep, 0.99) / 1000,
                    lone_items=len(waits),
                )
            )
        longest = max(longest, time.monotonic() - began)
    return measured


def rows_of(measured: Measured) -> list[Row]:
    """Every subject over all rounds."""
    names = list(dict.fromkeys(one.subject for one in measured.rounds))
    rate = {(one.subject, one.round): one.saturation.per_second for one in measured.rounds}
    rows: list[Row] = []
    for name in names:
        own = [one for one in measured.rounds if one.subject == name]
        times = {
            other: spread([rate[name, one.round] / rate[other, one.round] for one in own if (other, one.round) in rate])
            for other in names
            if other != name
        }
        rows.append(
            Row(
                subject=name,
                per_second=spread_of([one.saturation.per_second for one in own]),
                p50_us=spread_of([one.p50_us for one in own]),
                p99_us=spread_of([one.p99_us for one in own]),
                asleep_p50_us=spread_of([one.asleep_p50_us for one in own]),
                asleep_p99_us=spread_of([one.asleep_p99_us for one in own]),
                ns={who: spread_of([one.saturation.ns[who] for one in own]).median for who in own[0].saturation.ns},
                unclean_runs=sum(not one.saturation.clean for one in own),
                foreign_cores=spread_of([one.saturation.foreign_cores for one in own]).median,
                times={other: value for other, value in times.items() if value is not None},
                raw_per_second=[round(one.saturation.per_second, 1) for one in own],
                raw_p50_us=[round(one.p50_us, 1) for one in own],
                raw_asleep_p50_us=[round(one.asleep_p50_us, 1) for one in own],
            )
        )
    return rows


def _times(row: Row, other: str) -> str:
    value = row.times.get(other)
    return ranged(value, 2) if value is not None else ("1" if row.subject == other else ABSENT)


def report(measured: Measured, machine: Machine) -> PartReport:
    """Summarise what was measured."""
    rows = rows_of(measured)
    ours = next((row for row in rows if row.subject == EMULATOR), None)
    free = next((row for row in rows if row.subject == EMULATOR_FREE), None)
    return PartReport(
        part="workitems",
        title="Work items",
        figures={
            "per_second": ours.per_second.median if ours else None,
            "per_second_free": free.per_second.median if free else None,
            "vs_processpool": middle(ours.times.get(PROCESS_POOL)) if ours else None,
            "vs_faster_fifo": middle(ours.times.get(FASTER_FIFO)) if ours else None,
            "p50_us": ours.p50_us.median if ours else None,
            "p99_us": ours.p99_us.median if ours else None,
            "asleep_p50_us": ours.asleep_p50_us.median if ours else None,
        },
        machine=machine,
        absent=measured.absent,
        tables=tables(rows),
        rows=msgspec.to_builtins(rows),
        runs=msgspec.to_builtins(measured.rounds),
        notes=list(NOTES),
    )


def tables(rows: Sequence[Row]) -> list[Table]:
    """The figures, and the raw columns behind them."""
    head = ["subject", "items/s", "of ProcessPool", "of faster-fifo", "awake p50 us", "awake p99", "asleep p50 us",
            "asleep p99", "producer ns", "consumer ns", "unclean runs", "foreign cores"]  # fmt: skip
    body = [
        [
            row.subject,
            ranged(row.per_second),
            _times(row, PROCESS_POOL),
            _times(row, FASTER_FIFO),
            ranged(row.p50_us, 1),
            ranged(row.p99_us, 1),
            ranged(row.asleep_p50_us, 1),
            ranged(row.asleep_p99_us, 1),
            number(row.ns.get("producer")),
            number(row.ns.get("consumer")),
            f"{row.unclean_runs}/{row.per_second.count}",
            number(row.foreign_cores, 2),
        ]
        for row in rows
    ]
    raw = [
        [row.subject, listed(row.raw_per_second), listed(row.raw_p50_us, 1), listed(row.raw_asleep_p50_us, 1)]
        for row in rows
    ]
    raw_head = ["raw, in order", "items/s", "awake p50 us", "asleep p50 us"]
    return [Table("", head, body), Table("", raw_head, raw, raw=True)]
