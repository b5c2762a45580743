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
STYLES: Final = ("o-", "s--", "^-.", "d:", "v-", "x--")


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
        if plot.labels:
            _bars(axes, curve, number, len(there))
        else:
            axes.errorbar(curve.at, _medians(curve), _ranges(curve), fmt=STYLES[number % len(STYLES)], capsize=2,
                          markersize=4, linewidth=1.2, label=curve.name)  # fmt: skip
    if plot.labels:
        turn = {"rotation": 25, "ha": "right"} if sum(map(len, plot.labels)) > LEVEL_LETTERS else {}
        axes.set_xticks(range(len(plot.labels)), plot.labels, **turn)
    if plot.log_across:
        axes.set_xscale("log")
    if plot.log_up:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(plot.title)
    axes.set_xlabel(plot.across)
    axes.set_ylabel(plot.up)


def _bars(axes: Any, curve: Curve, number: int, of: int) -> None:
    """One subject's bars, beside those of the others."""
    width = 0.8 / of
    places = [at + (number - (of - 1) / 2) * width for at in curve.at]
    thin = {"linewidth": 0.8}
    axes.bar(places, _medians(curve), width, yerr=_ranges(curve), capsize=2, error_kw=thin, label=curve.name)


def _medians(curve: Curve) -> list[float]:
    return [value.median for value in curve.values]


def _ranges(curve: Curve) -> list[list[float]]:
    """How far the lowest and the highest value lie from the median."""
    return [[value.median - value.low for value in curve.values], [value.high - value.median for value in curve.values]]
