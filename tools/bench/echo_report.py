"""What the echo benchmark prints: the table, the raw columns behind it, and one JSON object.

Law: every row says how many of its runs were not clean; a ratio without a baseline is the reason, not a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tools.bench.echo import LOADS, REST_US, Measured, Pair, Run
from tools.bench.figures import Spread, middle, spread, spread_of
from tools.bench.generator import FAULTS, faults_of
from tools.bench.part import EMULATOR, PartReport, Table
from tools.bench.table import listed, number, of_peer, ranged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.machine import Machine

BASELINE: Final = "C poll reflector"
CHECKED: Final = "emulator, checked"
FREE: Final = "emulator, free"
HEADLINE: Final = LOADS[0].name
LONE: Final = LOADS[2].name

NOTES: Final = (
    f"Under the wide window the generator looks for answers after a rest of {REST_US} us, as a network card moderates "
    "its interrupts: else a slower subject would be charged with waking it for each frame. The baseline has it too.",
    "The generator is the only clock: AF_PACKET on the kernel's side of the TAP, one process, closed loop, ethertype "
    "0x88b5, every answer compared byte by byte, and its number with those before it: one that came behind a "
    "later one is reordered, one that came twice, or after it had been given up, is unexpected. Frame sizes are "
    "without the check sequence.",
    "A ratio is a run's rate over the mean of the baseline's runs directly before and after it; the figure is the "
    "median of the rounds, with its range. No run is discarded.",
    "ns a frame is processor time of the role's processes, user and kernel, over all frames returned. The kernel's "
    "work for a frame is charged to whoever makes the system call, so the generator carries a part of each path.",
    "The generator, the subject and everything else share the cores named above: with two cores a subject of two "
    "processes competes with the generator. Rates of a computer with more cores cannot be derived from these.",
    "Held, each process stays on its core, the same for every subject: who reads the interface (reflector, loop, the "
    "emulator's host) on one, workers and generator on the other. --loose leaves all of them to the scheduler.",
    "The round trip of a window above 1 is the queue that the window builds, not a latency. Window 1 is a ping-pong "
    "without rest; 'lone' rests before each frame, so that it meets sleeping processes.",
    "The baseline is a poll loop with one system call a frame each way. io_uring in C is faster; it is not measured.",
    "Not measured: several queues, several flows, loss under an open load, super-frames (GSO), power saving.",
)

HEAD: Final = (
    "subject", "kpps", "of C", "RTT p50 us", "p90", "p99", "p99.9", "p50 of C", "host ns", "worker ns", "generator ns",
    *FAULTS, "unclean runs", "foreign cores",
)  # fmt: skip
RAW_HEAD: Final = ("raw, in order", "kpps", "C before and after", "RTT p50 us", "C before and after, us")


class Row(msgspec.Struct, frozen=True):
    """One contender under one load."""

    contender: str
    load: str
    pps: Spread
    ratio: Spread | None
    rtt_p50_us: Spread
    rtt_p90_us: Spread
    rtt_p99_us: Spread
    rtt_p999_us: Spread
    rtt_ratio: Spread | None
    ns: dict[str, float]
    generator_ns: float
    sent: int
    lost: int
    reordered: int
    corrupt: int
    unexpected: int
    unclean_runs: int
    foreign_cores: float
    raw_pps: list[float]
    raw_baseline_pps: list[float]
    raw_rtt_p50_us: list[float]
    raw_baseline_rtt_p50_us: list[float]


def _row(name: str, load: str, runs: Sequence[Run], pairs: Sequence[Pair]) -> Row:
    rates = [run.clocked.pps for run in runs]
    ratios = [pair.ratio for pair in pairs if pair.ratio is not None]
    round_trips = [pair.rtt_ratio for pair in pairs if pair.rtt_ratio is not None]
    beside = [run for run in (*(pair.before for pair in pairs[:1]), *(pair.after for pair in pairs)) if run is not None]
    return Row(
        contender=name,
        load=load,
        pps=spread_of(rates),
        ratio=spread(ratios),
        rtt_p50_us=spread_of([run.clocked.rtt_p50_us for run in runs]),
        rtt_p90_us=spread_of([run.clocked.rtt_p90_us for run in runs]),
        rtt_p99_us=spread_of([run.clocked.rtt_p99_us for run in runs]),
        rtt_p999_us=spread_of([run.clocked.rtt_p999_us for run in runs]),
        rtt_ratio=spread(round_trips),
        ns={role: spread_of([run.ns[role] for run in runs]).median for role in runs[0].ns},
        generator_ns=spread_of([run.generator_ns for run in runs]).median,
        sent=sum(run.clocked.sent for run in runs),
        **faults_of(run.clocked for run in runs),
        unclean_runs=sum(not run.clocked.clean for run in runs),
        foreign_cores=spread_of([run.foreign_cores for run in runs]).median,
        raw_pps=[round(rate, 1) for rate in rates],
        raw_baseline_pps=[round(run.clocked.pps, 1) for run in beside],
        raw_rtt_p50_us=[run.clocked.rtt_p50_us for run in runs],
        raw_baseline_rtt_p50_us=[run.clocked.rtt_p50_us for run in beside],
    )


def rows_of(measured: Measured) -> list[Row]:
    """Every contender under every load, and the baseline, which has all of its runs."""
    rows: list[Row] = []
    for load in dict.fromkeys(run.load for run in measured.runs):
        base = [run for run in measured.runs if run.baseline and run.load == load]
        if base:
            rows.append(_row(BASELINE, load, base, ()))
        pairs = [pair for pair in measured.pairs if pair.run.load == load]
        for name in dict.fromkeys(pair.run.contender for pair in pairs):
            own = [pair for pair in pairs if pair.run.contender == name]
            rows.append(_row(name, load, [pair.run for pair in own], own))
    return rows


def faults(rows: Sequence[Row]) -> dict[str, int]:
    """What became of the emulator's frames under every load."""
    ours = [row for row in rows if row.contender.startswith(EMULATOR)]
    return {fault: sum(getattr(row, fault) for row in ours) for fault in FAULTS}


def find(rows: Sequence[Row], contender: str, load: str) -> Row | None:
    """The row of a contender under a load, if it was measured."""
    return next((row for row in rows if (row.contender, row.load) == (contender, load)), None)


def _ratio(row: Row, why_not: str) -> str:
    if row.contender == BASELINE:
        return "1"
    return of_peer(row.ratio) if row.ratio is not None else why_not


def _cells(row: Row, why_not: str) -> list[str]:
    return [
        row.contender,
        ranged(row.pps, 1, 1e-3),
        _ratio(row, why_not),
        number(row.rtt_p50_us.median, 1),
        number(row.rtt_p90_us.median, 1),
        number(row.rtt_p99_us.median, 1),
        number(row.rtt_p999_us.median, 1),
        number(middle(row.rtt_ratio), 2),
        number(row.ns.get("host")),
        number(row.ns.get("worker")),
        number(row.generator_ns),
        *(str(getattr(row, fault)) for fault in FAULTS),
        f"{row.unclean_runs}/{row.pps.count}",
        number(row.foreign_cores, 2),
    ]


def tables(rows: Sequence[Row], machine: Machine) -> list[Table]:
    """Two tables for each load: the figures, and the raw columns behind them."""
    why_not = "" if machine.compiler else "no compiler"
    made: list[Table] = []
    for load in dict.fromkeys(row.load for row in rows):
        own = [row for row in rows if row.load == load]
        made.append(Table(f"## {load}", list(HEAD), [_cells(row, why_not) for row in own]))
        raw = [
            [row.contender, listed(row.raw_pps, 0, 1e-3), listed(row.raw_baseline_pps, 0, 1e-3),
             listed(row.raw_rtt_p50_us, 1), listed(row.raw_baseline_rtt_p50_us, 1)]
            for row in own if row.contender != BASELINE
        ]  # fmt: skip
        if raw:
            made.append(Table("", list(RAW_HEAD), raw, raw=True))
    return made


def one_table(rows: Sequence[Row], machine: Machine) -> list[Table]:
    """All loads in one table, and the raw columns in another."""
    made = tables(rows, machine)
    loads = list(dict.fromkeys(row.load for row in rows))
    figures = [one for one in made if not one.raw]
    raws = [one for one in made if one.raw]
    named = zip(loads, figures, strict=True)
    whole = Table("", ["load", *HEAD], [[load, *cells] for load, one in named for cells in one.rows])
    beside = [[load, *cells] for load, one in zip(loads, raws, strict=False) for cells in one.rows]
    return [whole, Table("", ["load", *RAW_HEAD], beside, raw=True)]


def report(measured: Measured, machine: Machine) -> PartReport:
    """Summarise what was measured: the three figures, and everything that they come from."""
    rows = rows_of(measured)
    checked, free, lone = find(rows, CHECKED, HEADLINE), find(rows, FREE, HEADLINE), find(rows, CHECKED, LONE)
    return PartReport(
        part="echo",
        title="Echo of frames",
        figures={
            "ratio_checked": middle(checked.ratio) if checked else None,
            "ratio_free": middle(free.ratio) if free else None,
            "rtt_ratio": middle(lone.rtt_ratio) if lone else None,
        },
        machine=machine,
        faults=faults(rows),
        absent=measured.absent,
        tables=tables(rows, machine),
        rows=msgspec.to_builtins(rows),
        runs=msgspec.to_builtins(measured.runs),
        notes=list(NOTES),
    )
