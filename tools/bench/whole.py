"""`python -m tools.bench all`: every part's tables, and one table of all figures beside what is to be reached.

Law: a goal is printed beside its figure and never tested; a part that failed is named with its reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tools.bench import part
from tools.bench.table import number, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.bench.part import PartReport

GOALS: Final = {
    "ratio_checked": "at least 0.58",
    "filters2_ratio": "at least 0.53",
    "rtt_ratio": "at most 1.7",
    "tcp_ratio": "at least 0.75",
    "per_second": "at least 200,000",
    "per_second_free": "at least 300,000",
    "p50_us": "under 25",
    "first_frame_s": "under 0.6",
}


def text(reports: Sequence[PartReport], failed: Mapping[str, str]) -> str:
    """Every part without its raw columns, then all figures."""
    out = [f"# {part.text(report, short=True)}\n" for report in reports]
    rows = [
        (name, number(value, 3), GOALS.get(name, ""), report.part)
        for report in reports
        for name, value in report.figures.items()
    ]
    out += ["# All figures", "", table(("figure", "value", "goal", "part"), rows)]
    out += [f"failed: {name}: {why}" for name, why in failed.items()]
    return "\n".join(out)


def as_json(reports: Sequence[PartReport], failed: Mapping[str, str]) -> bytes:
    """One object: every figure by its name, the parts by theirs, and what failed."""
    figures = {name: value for report in reports for name, value in report.figures.items()}
    return msgspec.json.encode({**figures, "parts": {one.part: one for one in reports}, "failed": dict(failed)})
