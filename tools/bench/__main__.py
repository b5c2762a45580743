"""`python -m tools.bench PART` or `all`: print the tables, or with --json one object.

Law: each part ends in under 50 seconds by itself, and the command exits with the code of the fault if it could not
measure.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.rules.errors import EXIT_INTERRUPTED, EmulatorError, HostError
from tools.bench import plots, whole
from tools.bench.part import as_json, text
from tools.bench.registry import PARTS, run_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.part import PartReport

DOCS = str(Path(__file__).parents[2] / "docs")
MOST_ROUNDS = 5
MOST_FRAMES = 100_000_000


def say(line: str) -> None:
    """Tell a person that waits what is under way; figures go to standard output, this does not."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    listing = "\n".join(f"  {part.name:<12} {part.what}" for part in PARTS.values())
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Benchmarks, each part in under 50 seconds.",
        epilog=f"parts:\n{listing}\n  {'all':<12} every part, one after another, and one table of all figures",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=(*PARTS, "all"), metavar="PART")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="interleaved rounds (each part has its own)")
    parser.add_argument("--quick", action="store_true", help="a glance: one round, short runs, fewer steps of a sweep")
    parser.add_argument(
        "--frames", type=int, default=0, metavar="N", help="length: so many frames, as long as it takes"
    )
    parser.add_argument(
        "--loose",
        action="store_true",
        help="echo, frames and filters: leave it to the scheduler where processes run",
    )
    parser.add_argument(
        "--plots", metavar="DIR", help="draw what was measured into SVG files there (all: into docs, unless --quick)"
    )
    given = parser.parse_args(arguments)
    if not 0 <= given.rounds <= MOST_ROUNDS:
        parser.error(f"rounds must be 1 to {MOST_ROUNDS}: more do not fit into the time")
    if not 0 <= given.frames <= MOST_FRAMES:
        parser.error(f"frames must be 1 to {MOST_FRAMES}")
    if given.frames and given.what not in ("length", "all"):
        parser.error("--frames is for length")
    return given


def where_to_draw(given: argparse.Namespace) -> str | None:
    """The folder for plots: what was asked for, docs for all parts; None where there are to be none, or can be none."""
    if given.plots is None and (given.what != "all" or given.quick):
        return None
    try:
        plots.look()
    except HostError as error:
        if given.plots is not None:
            raise
        say(f"no plots: {error}")
        return None
    return given.plots or DOCS


def measure(given: argparse.Namespace) -> tuple[list[PartReport], dict[str, str]]:
    """The reports of the asked-for parts, and why others of all have none; the fault of a part that is alone leaves."""
    names = list(PARTS) if given.what == "all" else [given.what]
    reports: list[PartReport] = []
    failed: dict[str, str] = {}
    for name in names:
        if len(names) > 1:
            say(f"{name} ...")
        frames = given.frames if name == "length" else 0
        try:
            reports.append(
                run_part(PARTS[name], say, given.rounds, quick=given.quick, frames=frames, loose=given.loose)
            )
        except (HostError, EmulatorError) as error:
            if len(names) == 1:
                raise
            failed[name] = str(error)
            say(f"{name}: {error}")
    return reports, failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one part, or all, and print it."""
    given = options(arguments)
    try:
        folder = where_to_draw(given)
        reports, failed = measure(given)
        if folder is not None:
            for path in plots.draw([one for report in reports for one in report.plots], folder):
                say(f"drawn: {path}")
    except (HostError, EmulatorError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    if given.what == "all":
        print(whole.as_json(reports, failed).decode() if given.json else whole.text(reports, failed))
        return EmulatorError.exit_code if failed else 0
    print(as_json(reports[0]).decode() if given.json else text(reports[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
