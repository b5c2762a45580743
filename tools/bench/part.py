"""What every part of the benchmark answers: its figures, its tables, what can be drawn of it, and the raw runs.

Law: a part is measured beside its peer in one run, and its report carries everything that its figures come from; a
figure that could not be taken is null, and `absent` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from tools.bench.figures import Spread
from tools.bench.machine import Machine, heading
from tools.bench.table import number, table

EMULATOR: Final = "emulator, "
"""What is in the names of our own subjects, whichever their build."""


class Bounds(NamedTuple):
    """How much may be measured, and how it is told to a person who waits."""

    say: Callable[[str], None]
    rounds: int
    quick: bool = False
    frames: int = 0
    until: float = math.inf
    """The moment of CLOCK_MONOTONIC after which no round begins."""
    loose: bool = False
    """Leave it to the scheduler where processes run."""


class Table(msgspec.Struct, frozen=True):
    """Rows under a head; `raw` columns are left out where only the figures are wanted."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    raw: bool = False


class Curve(msgspec.Struct, frozen=True):
    """One subject's figures: where along the axis, and what with which range."""

    name: str
    at: list[float]
    values: list[Spread]


class Plot(msgspec.Struct, frozen=True):
    """What is drawn: curves over a number or, with `labels`, groups of bars; `name` is the file's."""

    name: str
    title: str
    across: str
    up: str
    curves: list[Curve]
    labels: list[str] = []
    log_across: bool = False
    log_up: bool = False


class PartReport(msgspec.Struct, frozen=True, kw_only=True):
    """A part, for people and for programs."""

    part: str
    title: str
    figures: dict[str, float | None]
    machine: Machine
    faults: dict[str, int] = {}
    """What went wrong with the emulator's frames, over all runs; empty where a part moves none."""
    absent: dict[str, str] = {}
    tables: list[Table] = []
    plots: list[Plot] = []
    rows: list[dict[str, Any]] = []
    """The figures of each row as numbers."""
    runs: list[dict[str, Any]] = []
    """Every single run, in order."""
    notes: list[str] = []


def figures_line(figures: dict[str, float | None]) -> str:
    """The figures with the names that they have in the JSON object."""
    return "   ".join(f"{name} {number(value, 3)}" for name, value in figures.items())


def text(report: PartReport, *, short: bool = False) -> str:
    """Render a part for people; a short one is without the raw columns and the notes."""
    out = [f"{report.title}, {heading(report.machine)}"]
    for one in report.tables:
        if not (short and one.raw):
            out += ["", *([one.caption, ""] if one.caption else []), table(one.head, one.rows)]
    if report.faults:
        told = ", ".join(f"{fault} {count:,}" for fault, count in report.faults.items())
        out += ["", f"the emulator's frames, all runs: {told}"]
    out += ["", *(f"absent: {name}: {why}" for name, why in report.absent.items())]
    if not short:
        out += ["", *(f"- {note}" for note in report.notes), ""]
    out.append(figures_line(report.figures))
    return "\n".join(out)


def as_json(report: PartReport) -> bytes:
    """One object: the figures first, by their names, then the rest."""
    return msgspec.json.encode({**report.figures, **msgspec.structs.asdict(report)})
