"""`python -m tools.bench.steps [free|checked] [poll]`: what a frame costs in one process, in steps no noise changes.

Law: netvmini and hello run as they are, or the tests' netvmini in poll mode does, over the tests' rig, which plays host
and platform; byte codes are counted by a trace function and calls by a profile function, times are the fastest of many
and beside them that of an empty call.

The machines are as they are without an option: the checked one cuts the frames of some chains into several MDLs.  The
figures are those of chains that it leaves alone, the least of several; beside them stands what a frame that comes alone
costs on average, and how many of those counted were cut on the one way or the other.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.loops import processor_round
from emulator.layout.arena import Geometry
from emulator.layout.machine import CUT_COUNTER
from tests.drivers.polled import netvmini
from tests.drivers.rig import Rig, frame

if TYPE_CHECKING:
    from types import FrameType

BATCH: Final = 128
WARM: Final = 1200
"""Frames before the first count: more than there are buffers, so that each has been round once."""
LOOKS, LOOKS_AT_MANY = 100, 4
"""Counts of a frame that comes alone, and of a batch."""


class Steps:
    """A started machine of one processor, and what happens in its rounds."""

    def __init__(self, *, checked: bool, polled: bool = False) -> None:
        driver = netvmini if polled else "netvmini"
        self.rig = Rig(driver, "hello", checked=checked, split_frames=Geometry().split_frames)
        self.rig.start()
        self.codes = self.calls = 0

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


def main() -> None:
    """Print one line for each build that is named, or for both."""
    polled = "poll" in sys.argv
    for build in [word for word in sys.argv[1:] if word != "poll"] or ["checked", "free"]:
        steps = Steps(checked=build == "checked", polled=polled)
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
            f"an empty call {empty_call():.0f} ns"
        )


if __name__ == "__main__":
    main()
