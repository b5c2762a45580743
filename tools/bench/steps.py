"""`python -m tools.bench.steps [free|checked] [poll|processors] [1|2]`: what a frame costs in one process, and where.

Law: netvmini and hello run as they are, or the tests' netvmini in poll mode does, with no, one or two copies of ndislwf
between them, over the tests' rig, which plays host and platform; byte codes are counted by a trace function and calls
by a profile function, times are the fastest of many and beside them that of an empty call. `path_steps` says how they
are shared among the steps of the path, and with what error.

The machines are as they are without an option: the checked one cuts the frames of some chains into several MDLs.  The
figures are those of chains that it leaves alone, the least of several; beside them stands what a frame that comes alone
costs on average, and how many of those counted were cut on the one way or the other.

With `processors`: what a frame costs on machines of several, in `processor_steps`.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sample_drivers
from emulator.kernel.loops import processor_round
from emulator.layout.arena import Geometry
from emulator.layout.machine import CUT_COUNTER
from tests.drivers.polled import netvmini
from tests.drivers.rig import Rig, frame
from tests.fake_platform import fresh_module
from tools.bench import processor_steps
from tools.bench.path_steps import FILTER_FILE, STEPS, CodeCounter, Looks, chance
from tools.bench.table import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

BUILDS: Final = ("checked", "free")
BATCH: Final = 128
WARM: Final = 1200
"""Frames before the first count: more than there are buffers, so that each has been round once."""
LOOKS, LOOKS_AT_MANY = 100, 4
"""Counts of a frame that comes alone, and of a batch."""
LOOKING_SECONDS: Final = 2.0
"""How long the rounds of one kind are looked at."""
MOST_FILTERS: Final = 2


def a_filter(number: int) -> Callable[[], ModuleType]:
    """ndislwf under a name of its own."""
    name = f"ndislwf{number}"

    def load() -> ModuleType:
        return fresh_module(name, Path(sample_drivers.__file__).with_name(FILTER_FILE))

    load.__name__ = name
    return load


class Steps:
    """A started machine of one processor, and what happens in its rounds."""

    def __init__(self, *, checked: bool, polled: bool = False, filters: int = 0) -> None:
        drivers = [netvmini if polled else "netvmini", *map(a_filter, range(filters)), "hello"]
        self.rig = Rig(*drivers, checked=checked, split_frames=Geometry().split_frames)
        self.rig.start()
        self.codes = self.calls = 0
        self._where = CodeCounter()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.codes += event == "opcode"
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        del frame, argument
        self.calls += event == "call"

    def echo(self, frames: int, look: str = "") -> int:
        """Bring so many frames, and run rounds until all is quiet; the nanoseconds of the rounds."""
        rig, spent = self.rig, 0
        rig.nic.waiting.extend([frame(payload=bytes(40))] * frames)
        busy = True
        while busy:
            rig.nic.pump()
            with rig.fake.running(rig.processors[0]) as context:
                if look == "codes":
                    sys.settrace(self._trace)
                elif look == "steps":
                    sys.settrace(self._where.trace)
                elif look == "calls":
                    sys.setprofile(self._profile)
                began = time.perf_counter_ns()
                busy = processor_round(context)
                spent += time.perf_counter_ns() - began
                sys.settrace(None)
                sys.setprofile(None)
        if len(rig.nic.sent) != frames:
            raise RuntimeError(f"{len(rig.nic.sent)} of {frames} frames were answered")
        rig.nic.sent.clear()
        return spent

    def counted(self, frames: int, look: str) -> int:
        """Byte codes, or calls of Python functions, for a batch; without those of other people's garbage."""
        self.codes = self.calls = 0
        gc.collect()
        gc.disable()
        try:
            self.echo(frames, look)
        finally:
            gc.enable()
        return self.codes if look == "codes" else self.calls

    def codes_of_steps(self, frames: int, looks: int) -> dict[str, int]:
        """Byte codes of each step of the path for a batch: those of the least of several counts."""
        found = []
        for _ in range(looks):
            self._where.counts.clear()
            self.counted(frames, "steps")
            found.append(dict(self._where.counts))
        return min(found, key=lambda counts: sum(counts.values()))

    def time_of_steps(self, frames: int, seconds: float = LOOKING_SECONDS) -> Looks:
        """Look at rounds of so many frames for a while."""
        with Looks() as looks:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self.echo(frames)
        return looks

    def cut(self) -> int:
        """How many frames have been cut so far, received or sent."""
        return self.rig.fake.arena.counted((0,))[CUT_COUNTER]


def empty_call() -> float:
    """Nanoseconds of a call of a function that does nothing: the computer's own measure at this moment."""

    def nothing() -> None:
        pass

    best = float("inf")
    for _ in range(20):
        began = time.perf_counter_ns()
        for _ in range(2000):
            nothing()
        best = min(best, (time.perf_counter_ns() - began) / 2000)
    return best


class Measured(NamedTuple):
    """What a build takes for a frame, and what for each round besides; nanoseconds with what chance may do to them."""

    build: str
    codes: dict[str, int]
    codes_of_many: dict[str, int]
    ns: float
    ns_of_many: float
    looks: Looks
    looks_at_many: Looks

    def cells(self, step: str) -> list[str]:
        """A row of the table: byte codes and nanoseconds of one frame more, and of a round besides."""
        least, many = self.codes.get(step, 0), self.codes_of_many.get(step, 0)
        more = (many - least) / (BATCH - 1)
        share, share_of_many = self.looks.shares()[step], self.looks_at_many.shares()[step]
        own, own_of_many = share * self.ns, share_of_many * self.ns_of_many
        ns_more = (own_of_many - own) / (BATCH - 1)
        chance_of_many = chance(share_of_many, self.looks_at_many.seen) * self.ns_of_many / (BATCH - 1)
        return [
            f"{more:,.1f}",
            f"{least - more:,.0f}",
            f"{ns_more:,.0f} +- {chance_of_many:,.0f}",
            f"{own - ns_more:,.0f} +- {chance(share, self.looks.seen) * self.ns:,.0f}",
        ]

    def sums(self) -> list[str]:
        """The last row."""
        least, many = sum(self.codes.values()), sum(self.codes_of_many.values())
        more, ns_more = (many - least) / (BATCH - 1), (self.ns_of_many - self.ns) / (BATCH - 1)
        return [f"{more:,.1f}", f"{least - more:,.0f}", f"{ns_more:,.0f}", f"{self.ns - ns_more:,.0f}"]


def measure(build: str, *, polled: bool, filters: int) -> Measured:
    """Print one line for a build, and give what it takes step by step."""
    steps = Steps(checked=build == "checked", polled=polled, filters=filters)
    for _ in range(WARM):
        steps.echo(1)
    for _ in range(WARM // BATCH):
        steps.echo(BATCH)
    cut = steps.cut()
    lone = [steps.counted(1, "codes") for _ in range(LOOKS)]
    cut = steps.cut() - cut
    least, many = min(lone), min(steps.counted(BATCH, "codes") for _ in range(LOOKS_AT_MANY))
    calls = min(steps.counted(1, "calls") for _ in range(LOOKS))
    fastest = min(steps.echo(BATCH) for _ in range(40)) / BATCH
    fastest_lone = min(steps.echo(1) for _ in range(400)) / 1000
    print(
        f"{build}: {(many - least) / (BATCH - 1):.0f} byte codes a frame, {least:,} and {calls} calls for a lone"
        f" one ({sum(lone) / LOOKS:,.0f} on average, {cut} of {2 * LOOKS} cut);"
        f" fastest {fastest:,.0f} ns a frame of {BATCH}, {fastest_lone:.0f} us for a lone one; "
        f"an empty call {empty_call():.0f} ns",
        flush=True,
    )
    return Measured(
        build,
        steps.codes_of_steps(1, LOOKS // 5),
        steps.codes_of_steps(BATCH, LOOKS_AT_MANY),
        fastest_lone * 1000,
        fastest * BATCH,
        steps.time_of_steps(1),
        steps.time_of_steps(BATCH),
    )


def shown(found: list[Measured]) -> str:
    """The table of the steps, and how to read it."""
    columns = ("codes a frame", "codes a round", "ns a frame", "ns a round")
    head = ["step", *(f"{one.build}: {column}" for one in found for column in columns)]
    rows = [
        [step, *(cell for one in found for cell in one.cells(step))]
        for step in STEPS
        if any(one.codes_of_many.get(step) for one in found)
    ]
    rows.append(["sum", *(cell for one in found for cell in one.sums())])
    return "\n".join(
        [
            table(head, rows),
            "",
            f"a frame: one more in a batch, the difference between {BATCH} and one; a round: what there is besides.",
            "A lone frame takes both. Byte codes are counted; nanoseconds are shares of the fastest time, +- chance:",
            "; ".join(f"{one.build}: {one.looks.seen:,} and {one.looks_at_many.seen:,} looks" for one in found),
        ]
    )


def main() -> None:
    """Print one line for each build that is named, or for both, and then the table of their steps."""
    words = sys.argv[1:]
    filters = sum(int(word) for word in words if word.isdecimal())
    if filters > MOST_FILTERS:
        raise SystemExit(f"at most {MOST_FILTERS} filters")
    builds = [word for word in words if word in BUILDS] or list(BUILDS)
    if "processors" in words:
        processor_steps.main(builds)
        return
    found = [measure(build, polled="poll" in words, filters=filters) for build in builds]
    print("", shown(found), sep="\n")


if __name__ == "__main__":
    main()
