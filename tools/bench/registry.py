"""The parts of the benchmark: what each is called, who measures it, and what it needs.

Law: a part's modules are imported when it is asked for; each runs in a confined process of its own, so that nothing of
one is left in the next.
"""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.bench.confinement import run_confined
from tools.bench.part import Bounds, PartReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

LIMIT_SECONDS: Final = 49.0
LAST_ROUND_SECONDS: Final = 41.0  # no round begins later, so that many machines can still be ended in order
LAST_ROUND_OF_FEW: Final = 46.0  # where there is one at a time
LAST_PROGRAM: Final = 36.0  # where a turn that goes wrong takes longest: until it is given up and its program ended


class Part(NamedTuple):
    """One command: `module.measure(bounds)` gives its report, inside the confined process."""

    name: str
    what: str
    module: str
    rounds: int
    last: float = LAST_ROUND_SECONDS
    network: bool = True


PARTS: Final = {
    part.name: part
    for part in (
        Part(
            "echo",
            "echo of frames, beside a C poll reflector, a pytun loop and scapy",
            "echo_part",
            5,
            LAST_ROUND_OF_FEW,
        ),
        Part(
            "workitems",
            "work items, beside ProcessPoolExecutor and the like",
            "workitems_part",
            5,
            LAST_ROUND_OF_FEW,
            network=False,
        ),
        Part("frames", "the echo at 64, 512 and 1514 B with 1, 64 and 256 frames under way", "frames", 3),
        Part("filters", "the echo through 0 to 4 pass-through filters", "filters", 3),
        Part("adapters", "the echo on a machine of 1 to 16 adapters", "adapters", 3),
        Part("tcp", "TCP through one miniport and through a bridge of two", "tcp", 3),
        Part("outstanding", "work items while 1 to 100,000 are outstanding", "outstanding", 3, network=False),
        Part("length", "memory and rate over the length of a run", "length", 1),
        Part("startup", "from the start of `ndisemu run` to the first answered frame", "startup", 3, LAST_PROGRAM),
    )
}


def module_of(part: Part) -> ModuleType:
    """Import what measures a part."""
    return importlib.import_module(f"tools.bench.{part.module}")


def run_part(
    part: Part,
    say: Callable[[str], None],
    rounds: int = 0,
    *,
    quick: bool = False,
    frames: int = 0,
    loose: bool = False,
) -> PartReport:
    """Measure a part in a confined process; `rounds` 0 means its own number, `frames` lengthens the run.

    Where processes are held on cores, `loose` leaves them to the scheduler.
    """
    module = module_of(part)
    longer: float = module.seconds(frames) if frames else 0.0
    last = part.last + longer

    def job() -> PartReport:
        bounds = Bounds(say, rounds or (1 if quick else part.rounds), quick, frames, time.monotonic() + last, loose)
        report: PartReport = module.measure(bounds)
        return report

    return run_confined(job, PartReport, LIMIT_SECONDS + longer, network=part.network)
