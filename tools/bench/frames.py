"""Echo at every size and window: frames a second, round trips and processor time of each, beside the peers.

Law: as the echo, whose runs these are (echo_part.py), with shorter ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tools.bench import echo_report
from tools.bench.echo import REST_US, Contender
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
    from tools.bench.figures import Spread
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds

SIZES: Final = (64, 512, 1514)
WINDOWS: Final = (1, 64, 256)


def loads(quick: bool) -> list[Load]:
    """Every size at every window; a window of one is a ping-pong without rest."""
    seconds, warm_up = (0.04, 0.01) if quick else (0.08, 0.02)
    return [
        Load(size=size, window=window, seconds=seconds, warm_up=warm_up, rest_us=REST_US if window > 1 else 0)
        for window in WINDOWS
        for size in SIZES
    ]


def measure(bounds: Bounds) -> PartReport:
    """Run the part."""
    offered = loads(bounds.quick)
    subjects = (EmulatorEcho("checked"), EmulatorEcho("free"), PytunLoop(), ScapyAnsweringMachine())
    measured, machine = measure_together([Contender(one.name, one, offered) for one in subjects], bounds)
    return report(measured, machine)


def report(measured: Measured, machine: Machine) -> PartReport:
    """Summarise what was measured."""
    rows = echo_report.rows_of(measured)

    def ratio(build: str, size: int, window: int) -> float | None:
        row = echo_report.find(rows, build, Load(size=size, window=window, seconds=1.0).name)
        return middle(row.ratio) if row else None

    return PartReport(
        part="frames",
        title="Echo of frames at every size and window",
        figures={
            f"frames_{build}_{size}_{window}": ratio(f"emulator, {build}", size, window)
            for build in ("checked", "free")
            for size in SIZES
            for window in WINDOWS
        },
        machine=machine,
        faults=echo_report.faults(rows),
        absent=measured.absent,
        tables=echo_report.one_table(rows, machine),
        plots=plots(rows),
        rows=msgspec.to_builtins(rows),
        runs=msgspec.to_builtins(measured.runs),
        notes=[*echo_report.NOTES, f"The figures frames_BUILD_SIZE_WINDOW are ratios to the {echo_report.BASELINE}."],
    )


def plots(rows: Sequence[Row]) -> list[Plot]:
    """Rates at each size, round trips of lone frames, and where the processor time of a frame goes."""
    wide = [Load(size=size, window=WINDOWS[-1], seconds=1.0).name for size in SIZES]
    single = Load(size=SIZES[0], window=1, seconds=1.0).name
    names = list(dict.fromkeys(row.contender for row in rows))

    def curve(name: str, loads: Sequence[str], value: str) -> Curve:
        found = [(at, row) for at, load in enumerate(loads) if (row := echo_report.find(rows, name, load)) is not None]
        values: list[Spread] = [getattr(row, value) for _, row in found]
        return Curve(name, [float(at) for at, _ in found], values)

    percentiles = ("rtt_p50_us", "rtt_p90_us", "rtt_p99_us", "rtt_p999_us")
    alone = [row for row in rows if row.load == single]
    return [
        Plot(
            "echo-rate",
            f"Echo of frames, window {WINDOWS[-1]}",
            "size of the frames",
            "frames/s",
            [curve(name, wide, "pps") for name in names],
            labels=[f"{size} B" for size in SIZES],
        ),
        Plot(
            "echo-round-trip",
            f"Round trip of a lone frame of {SIZES[0]} B",
            "percentile",
            "microseconds",
            [Curve(row.contender, [0.0, 1.0, 2.0, 3.0], [getattr(row, one) for one in percentiles]) for row in alone],
            labels=["p50", "p90", "p99", "p99.9"],
            log_up=True,
        ),
    ]
