"""Print rows as a Markdown table that is also readable on a terminal.

Law: what is absent is shown as a dash or as the reason, never as zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.figures import Spread

ABSENT = "-"
LARGE_SHARE = 0.1


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows under their head; the first column is left-aligned, figures are right-aligned."""
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row has {len(row)} cells under {len(head)} heads: {row!r}")
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]

    def lay(cells: Sequence[str]) -> str:
        first, *rest = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join([first, *rest]) + " |"

    rules = ["-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths)]
    return "\n".join([lay(head), f"|{'|'.join(rules)}|", *(lay(row) for row in rows)])


def number(value: float | None, digits: int = 0) -> str:
    """Format a figure that may be absent."""
    return ABSENT if value is None else f"{value:,.{digits}f}"


def ranged(value: Spread | None, digits: int = 0, scale: float = 1.0) -> str:
    """Format a median with its range, as `median [low-high]`."""
    if value is None:
        return ABSENT
    low, high = value.low * scale, value.high * scale
    return f"{value.median * scale:,.{digits}f} [{low:,.{digits}f}-{high:,.{digits}f}]"


def of_peer(value: Spread | None) -> str:
    """Format a rate as a multiple of a peer's; a small one has a digit more."""
    return ranged(value, 2 if value is None or value.median >= LARGE_SHARE else 3)


def listed(values: Sequence[float], digits: int = 0, scale: float = 1.0) -> str:
    """Format raw values in the order in which they were measured."""
    return " ".join(f"{value * scale:.{digits}f}" for value in values) if values else ABSENT
