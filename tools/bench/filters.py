"""What each further filter in the stack costs: the echo with no to four copies of ndislwf, beside those who have none.

Law: the filter is the sample driver as it is, under as many names, with no rule set: every list passes its handlers in
both directions, and its completion too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tools.bench import echo_report
from tools.bench.echo import REST_US, WIDE, Contender
from tools.bench.echo_part import measure_together
from tools.bench.echo_subjects import PytunLoop, ScapyAnsweringMachine
from tools.bench.emulator_subjects import EmulatorEcho
from tools.bench.figures import middle
from tools.bench.generator import Load
from tools.bench.part import Curve, PartReport, Plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.echo import Measured
    from tools.bench.echo_report import Row
    from tools.bench.echo_subjects import Build
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds

COUNTS: Final[dict[Build, tuple[int, ...]]] = {"checked": (0, 1, 2, 3, 4), "free": (0, 2, 4)}


def named(build: str, filters: int) -> str:
    """What a contender is called in the tables."""
    return f"emulator, {build}, {filters} filters"


def loads(quick: bool) -> list[Load]:
    """A flood and a ping-pong."""
    seconds, warm_up = (0.05, 0.01) if quick else (0.2, 0.05)
    return [
        Load(size=64, window=WIDE, seconds=seconds, warm_up=warm_up, rest_us=REST_US),
        Load(size=64, window=1, seconds=seconds / 2, warm_up=warm_up / 2),
    ]


def measure(bounds: Bounds) -> PartReport:
    """Run the part."""
    offered = loads(bounds.quick)
    counts: dict[Build, tuple[int, ...]] = {"checked": (0, 2)} if bounds.quick else COUNTS
    contenders = [
        Contender(named(build, filters), EmulatorEcho(build, filters=filters), offered)
        for build, wanted in counts.items()
        for filters in wanted
    ]
    contenders += [Contender(peer.name, peer, offered) for peer in (PytunLoop(), ScapyAnsweringMachine())]
    measured, machine = measure_together(contenders, bounds)
    return report(measured, machine)


def report(measured: Measured, machine: Machine) -> PartReport:
    """Summarise what was measured: the ratio with two filters, and what one more costs in the worker."""
    rows = echo_report.rows_of(measured)
    flood = loads(False)[0].name

    def row(build: str, filters: int) -> Row | None:
        return echo_report.find(rows, named(build, filters), flood)

    def ratio(build: str, filters: int) -> float | None:
        found = row(build, filters)
        return middle(found.ratio) if found else None

    return PartReport(
        part="filters",
        title="Pass-through filters in the stack",
        figures={
            "filters2_ratio": ratio("checked", 2),
            "filters2_ratio_free": ratio("free", 2),
            "filter_ns_checked": each([row("checked", filters) for filters in COUNTS["checked"]]),
            "filter_ns_free": each([row("free", filters) for filters in COUNTS["free"]], COUNTS["free"]),
        },
        machine=machine,
        faults=echo_report.faults(rows),
        absent=measured.absent,
        tables=echo_report.one_table(rows, machine),
        plots=[plot(rows, flood)],
        rows=msgspec.to_builtins(rows),
        runs=msgspec.to_builtins(measured.runs),
        notes=[
            "The filters are copies of ndislwf without a rule; every frame passes each of them four times: receive, "
            "return, send and completion, as lists. The peers have no such thing: they are what the emulator's rate "
            "with so many filters is compared with.",
            "filters2_ratio is the checked build's rate at 64 B and the wide window over the C reflector's runs "
            "before and after; filter_ns_BUILD is the slope of the worker's nanoseconds a frame over the filters.",
            *echo_report.NOTES,
        ],
    )


def each(found: Sequence[Row | None], counts: Sequence[int] = COUNTS["checked"]) -> float | None:
    """What one filter more costs in the worker: the slope of the least squares; None for fewer than two figures."""
    points = [(count, row.ns["worker"]) for count, row in zip(counts, found, strict=True) if row is not None]
    if len(points) < 2:
        return None
    across = sum(at for at, _ in points) / len(points)
    up = sum(value for _, value in points) / len(points)
    return sum((at - across) * (value - up) for at, value in points) / sum((at - across) ** 2 for at, _ in points)


def plot(rows: Sequence[Row], load: str) -> Plot:
    """The rate over the filters, its peers' as levels."""
    curves = []
    for build, counts in COUNTS.items():
        found = [(filters, echo_report.find(rows, named(build, filters), load)) for filters in counts]
        there = [(float(filters), row) for filters, row in found if row is not None]
        curves.append(Curve(f"emulator, {build}", [at for at, _ in there], [row.pps for _, row in there]))
    for peer in (
        echo_report.BASELINE,
        PytunLoop.name,
        ScapyAnsweringMachine.name,
    ):  # levels: nothing passes a filter there
        level = echo_report.find(rows, peer, load)
        if level is not None:
            curves.append(Curve(peer, [0.0, 4.0], [level.pps, level.pps]))
    return Plot("filters", f"Echo through filters, {load}", "filters in the stack", "frames/s", curves)
