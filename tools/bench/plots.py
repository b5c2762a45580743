"""Draw what the parts have measured into SVG files that are small enough to be kept in docs/.

Law: matplotlib is optional and imported here alone; a value is drawn with its range, and a file holds nothing that
changes from run to run but the figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emulator.rules.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.part import Curve, Plot

SIZE_INCHES: Final = (7.0, 4.0)
SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, and it can be read and searched
    "svg.hashsalt": "ndis",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "path.simplify": True,
}
LEVEL_LETTERS: Final = 70  # more in sum do not stand beside each other under a plot
FEW_PLACES: Final = 6
MARGIN: Final = 0.03
SMALL: Final = 10
THOUSANDS: Final = 10_000
STYLES: Final = ("o-", "s--", "^-.", "d:", "v-", "x--", "*-.", "+:")


def look() -> None:
    """Raise HostError when matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise HostError("importing matplotlib", "pip install matplotlib", str(error)) from error


def draw(plots: Sequence[Plot], folder: str) -> list[Path]:
    """Write one file for each plot that has something in it; the files."""
    look()
    import matplotlib as library

    library.use("svg")
    from matplotlib import pyplot

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"making the folder {folder}", "--plots with another folder", error) from error
    drawn: list[Path] = []
    with library.rc_context(SETTINGS):
        for plot in plots:
            if not any(curve.values for curve in plot.curves):
                continue
            figure, axes = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")
            _fill(axes, plot)
            figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
            target = Path(folder, f"bench-{plot.name}.svg")
            try:
                figure.savefig(target, metadata={"Date": None})
            except OSError as error:
                raise HostError(f"writing {target}", "--plots with another folder", error) from error
            finally:
                pyplot.close(figure)
            drawn.append(target)
    return drawn


def _fill(axes: Any, plot: Plot) -> None:
    """Put a plot's curves, names and scales on empty axes."""
    there = [curve for curve in plot.curves if curve.values]
    for number, curve in enumerate(there):
        if not plot.labels:
            axes.errorbar(curve.at, _medians(curve), _ranges(curve), fmt=STYLES[number % len(STYLES)], capsize=2,
                          markersize=4, linewidth=1.2, label=curve.name)  # fmt: skip
        elif plot.log_up:
            _points(axes, curve, number, len(there))
        else:
            _bars(axes, curve, number, len(there))
    if plot.labels:
        turn = {"rotation": 25, "ha": "right"} if sum(map(len, plot.labels)) > LEVEL_LETTERS else {}
        axes.set_xticks(range(len(plot.labels)), plot.labels, **turn)
        axes.grid(visible=False, axis="x")
    else:
        _across(axes, sorted({at for curve in there for at in curve.at}), log=plot.log_across)
    if plot.log_up:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(_in_words)
    axes.set_title(plot.title)
    axes.set_xlabel(plot.across)
    axes.set_ylabel(plot.up)


def _across(axes: Any, places: list[float], *, log: bool) -> None:
    """Name the places that were measured, where they are few; from zero where there is a zero."""
    if log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(-MARGIN * places[-1], (1 + MARGIN) * places[-1])
    if len(places) <= FEW_PLACES:
        axes.set_xticks(places)
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(_in_words)


def _in_words(value: float, place: object = None) -> str:
    """A number with as many digits as it needs."""
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _short(value: float) -> str:
    """A number for which there is little room."""
    digits = 2 if value < SMALL else 1 if value < 10 * SMALL else 0
    return f"{value / 1000:,.0f}k" if value >= THOUSANDS else f"{value:,.{digits}f}"


def _bars(axes: Any, curve: Curve, number: int, of: int) -> None:
    """One subject's bars, beside those of the others, each with its value above it."""
    width, places = _beside(curve, number, of)
    bars = axes.bar(
        places, _medians(curve), width, yerr=_ranges(curve), capsize=2, error_kw={"linewidth": 0.8}, label=curve.name
    )
    axes.bar_label(bars, [_short(value) for value in _medians(curve)], fontsize=6, padding=1)


def _points(axes: Any, curve: Curve, number: int, of: int) -> None:
    """The same on a scale without a zero, where the height of a bar would say nothing."""
    _, places = _beside(curve, number, of)
    axes.errorbar(
        places, _medians(curve), _ranges(curve), fmt=STYLES[number % len(STYLES)][0], capsize=3, label=curve.name
    )


def _beside(curve: Curve, number: int, of: int) -> tuple[float, list[float]]:
    """How wide a subject's part of a group is, and where it is."""
    width = 0.8 / of
    return width, [at + (number - (of - 1) / 2) * width for at in curve.at]


def _medians(curve: Curve) -> list[float]:
    return [value.median for value in curve.values]


def _ranges(curve: Curve) -> list[list[float]]:
    """How far the lowest and the highest value lie from the median."""
    return [[value.median - value.low for value in curve.values], [value.high - value.median for value in curve.values]]
