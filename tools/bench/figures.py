"""The few statistics that the tables show.

Law: nothing here drops a value; a median of nothing is None and is printed as such.
"""

from __future__ import annotations

from statistics import median as _median
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

RAW_DIGITS: Final = 3


class Spread(msgspec.Struct, frozen=True):
    """A median with the smallest and the largest value it was taken from."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread | None:
    """Summarise values; None when there is none."""
    return spread_of(values) if values else None


def spread_of(values: Sequence[float]) -> Spread:
    """Summarise values of which there is at least one."""
    low, middle_value, high = (round(value, RAW_DIGITS) for value in (min(values), _median(values), max(values)))
    return Spread(middle_value, low, high, len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: an observed value, never an interpolated one."""
    if not values:
        raise ValueError("no values")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share must be 0 to 1, not {share}")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(value: Spread | None) -> float | None:
    """Return the median of a spread that may be absent."""
    return None if value is None else value.median
