"""What the echo benchmark prints: the table, the raw columns behind it, and one JSON object.

Law: every row says how many of its runs were not clean; a ratio without a baseline is the reason, not a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tools.bench.echo import LOADS, REST_US, Measured, Pair, Run
from tools.bench.figures import Spread, middle, spread, spread_of
from tools.bench.machine import Machine, heading
from tools.bench.table import listed, number, ranged, table

if TYPE_CHECKING:
    from collections.abc import Sequence

BASELINE: Final = "C poll reflector"
CHECKED: Final = "emulator, checked"
FREE: Final = "emulator, free"
HEADLINE: Final = LOADS[0].name
LONE: Final = LOADS[2].name

NOTES: Final = (
    f"Under the wide window the generator looks for answers after a rest of {REST_US} us, as a network card moderates "
    "its interrupts: else a slower subject would be charged with waking it for each frame. The baseline has it too.",
    "The generator is the only clock: AF_PACKET on the kernel's side of the TAP, one process, closed loop, ethertype "
    "0x88b5, every answer compared byte by byte. Frame sizes are without the check sequence.",
    "A ratio is a run's rate over the mean of the baseline's runs directly before and after it; the figure is the "
    "median of the rounds, with its range. No run is discarded.",
    "ns a frame is processor time of the role's processes, user and kernel, over all frames returned. The kernel's "
    "work for a frame is charged to whoever makes the system call, so the generator carries a part of each path.",
    "The generator, the subject and everything else share the cores named above: with two cores a subject of two "
    "processes competes with the generator. Rates of a computer with more cores cannot be derived from these.",
    "The round trip of a window above 1 is the queue that the window builds, not a latency. Window 1 is a ping-pong "
    "without rest; 'lone' rests before each frame, so that it meets sleeping processes.",
    "The baseline is a poll loop with one system call a frame each way. io_uring in C is faster; it is not measured.",
    "Not measured: several queues, several flows, loss under an open load, super-frames (GSO), power saving.",
)

HEAD: Final = (
    "subject", "kpps", "of C", "RTT p50 us", "RTT p99 us", "RTT of C", "host ns", "worker ns", "generator ns", "lost",
    "corrupt", "unclean runs", "foreign cores",
)  # fmt: skip


class Row(msgspec.Struct, frozen=True):
    """One contender under one load."""

    contender: str
    load: str
    pps: Spread
    ratio: Spread | None
    rtt_p50_us: Spread
    rtt_p99_us: Spread
    rtt_ratio: Spread | None
    ns: dict[str, float]
    generator_ns: float
    sent: int
    lost: int
    corrupt: int
    unclean_runs: int
    foreign_cores: float
    raw_pps: list[float]
    raw_baseline_pps: list[float]
    raw_rtt_p50_us: list[float]
    raw_baseline_rtt_p50_us: list[float]


class EchoReport(msgspec.Struct, frozen=True):
    """The one JSON object: the three figures first, then everything that they come from."""

    ratio_checked: float | None
    ratio_free: float | None
    rtt_ratio: float | None
    machine: Machine
    absent: dict[str, str]
    rows: list[Row]
    runs: list[Run]
    notes: list[str]


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
        rtt_p99_us=spread_of([run.clocked.rtt_p99_us for run in runs]),
        rtt_ratio=spread(round_trips),
        ns={role: spread_of([run.ns[role] for run in runs]).median for role in runs[0].ns},
        generator_ns=spread_of([run.generator_ns for run in runs]).median,
        sent=sum(run.clocked.sent for run in runs),
        lost=sum(run.clocked.lost for run in runs),
        corrupt=sum(run.clocked.corrupt for run in runs),
        unclean_runs=sum(not run.clocked.clean for run in runs),
        foreign_cores=spread_of([run.foreign_cores for run in runs]).median,
        raw_pps=[round(rate, 1) for rate in rates],
        raw_baseline_pps=[round(run.clocked.pps, 1) for run in beside],
        raw_rtt_p50_us=[run.clocked.rtt_p50_us for run in runs],
        raw_baseline_rtt_p50_us=[run.clocked.rtt_p50_us for run in beside],
    )


def report(measured: Measured, machine: Machine) -> EchoReport:
    """Summarise what was measured."""
    rows: list[Row] = []
    for load in dict.fromkeys(run.load for run in measured.runs):
        base = [run for run in measured.runs if run.baseline and run.load == load]
        if base:
            rows.append(_row(BASELINE, load, base, ()))
        pairs = [pair for pair in measured.pairs if pair.run.load == load]
        for name in dict.fromkeys(pair.run.contender for pair in pairs):
            own = [pair for pair in pairs if pair.run.contender == name]
            rows.append(_row(name, load, [pair.run for pair in own], own))

    def figure(contender: str, load: str) -> Row | None:
        return next((row for row in rows if (row.contender, row.load) == (contender, load)), None)

    checked, free, lone = figure(CHECKED, HEADLINE), figure(FREE, HEADLINE), figure(CHECKED, LONE)
    return EchoReport(
        ratio_checked=middle(checked.ratio) if checked else None,
        ratio_free=middle(free.ratio) if free else None,
        rtt_ratio=middle(lone.rtt_ratio) if lone else None,
        machine=machine,
        absent=measured.absent,
        rows=rows,
        runs=measured.runs,
        notes=list(NOTES),
    )


def _ratio(row: Row, why_not: str) -> str:
    if row.contender == BASELINE:
        return "1"
    return ranged(row.ratio, 2) if row.ratio is not None else why_not


def text(result: EchoReport) -> str:
    """Render the report for people."""
    why_not = "" if result.machine.compiler else "no compiler"
    out = ["Echo of frames, " + heading(result.machine)]
    for load in dict.fromkeys(row.load for row in result.rows):
        rows = [row for row in result.rows if row.load == load]
        out += ["", f"## {load}", ""]
        body = [
            (
                row.contender,
                ranged(row.pps, 1, 1e-3),
                _ratio(row, why_not),
                number(row.rtt_p50_us.median, 1),
                number(row.rtt_p99_us.median, 1),
                number(middle(row.rtt_ratio), 2),
                number(row.ns.get("host")),
                number(row.ns.get("worker")),
                number(row.generator_ns),
                str(row.lost),
                str(row.corrupt),
                f"{row.unclean_runs}/{row.pps.count}",
                number(row.foreign_cores, 2),
            )
            for row in rows
        ]
        out.append(table(HEAD, body))
        raw = [
            (row.contender, listed(row.raw_pps, 0, 1e-3), listed(row.raw_baseline_pps, 0, 1e-3),
             listed(row.raw_rtt_p50_us, 1), listed(row.raw_baseline_rtt_p50_us, 1))
            for row in rows if row.contender != BASELINE
        ]  # fmt: skip
        if raw:
            head = ("raw, in order", "kpps", "C before and after", "RTT p50 us", "C before and after, us")
            out += ["", table(head, raw)]
    out += ["", *(f"absent: {name}: {why}" for name, why in result.absent.items())]
    out += ["", *(f"- {note}" for note in result.notes), ""]
    out.append(
        f"ratio_checked {number(result.ratio_checked, 3)}   ratio_free {number(result.ratio_free, 3)}   "
        f"rtt_ratio {number(result.rtt_ratio, 2)}"
    )
    return "\n".join(out)
