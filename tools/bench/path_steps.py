"""Where a frame's byte codes and nanoseconds go: the steps of its path, told apart by who was called.

Law: a step begins where a function of the table is called, and lasts until it returns, less the steps that it calls:
self time. Whatever else is called, gates, locks, accessors, is its caller's. A name of the table that is gone makes a
step empty, and its caller's the larger; a test looks for that.

Byte codes are counted by a trace function, exactly: twice the same frames give twice the same counts. Time is not taken
under it. A thread looks, some thousand times at moments of its own, where the rounds are that nothing traces, and the
share of the looks that met a step is taken of the fastest round's time. Its error: the interpreter lets a thread look
only at a call, a jump back or the end of a built-in function, so that up to some twenty byte codes at a step's
beginning or end may count for its neighbour, and chance: 1.4 % of a lone frame's time for a step with a tenth of it in
2,000 looks (two standard deviations), which `chance` gives for the number of looks that there were.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

ROUND: Final = "round and interrupt"
FILTERS: Final = "filters"
STEPS: Final = {
    ROUND: ("processor_round",),
    "ring: receive": ("VnicReceive",),
    "netvmini: receive": ("MPInterruptDpc", "NICPoll"),
    "NDIS: indicate": ("NdisMIndicateReceiveNetBufferLists", "_indicate_polled"),
    FILTERS: (),
    "hello: answer": ("HelloReceive",),
    "NDIS: send": ("NdisSendNetBufferLists",),
    "netvmini: send": ("MPSendNetBufferLists",),
    "ring: transmit": ("VnicTransmitRoom", "VnicTransmitFrames", "VnicTransmit"),
    "netvmini: completion": ("VnicTransmitCompleted", "NICTakeTransmitted", "NICCompleteSends", "NICPollSends"),
    "NDIS: completion": ("NdisMSendNetBufferListsComplete", "_complete_polled"),
    "hello: completion": ("HelloSendComplete",),
    "NDIS: return": ("NdisReturnNetBufferLists",),
    "netvmini: return": ("MPReturnNetBufferLists",),
    "ring: post": ("VnicPostReceive",),
}
"""The functions with which each step begins, in the order in which a frame meets them."""
_BEGINS: Final = {name: step for step, names in STEPS.items() for name in names}
FILTER_FILE: Final = "ndislwf.py"
FILTER_CALLS: Final = "NdisF"
LOOK_SECONDS: Final = 200e-6
"""Between two looks, on average."""
FAST_SWITCH: Final = 1e-6


def step_that_begins(code: CodeType) -> str | None:
    """The step that a call of this code begins."""
    if code.co_filename.endswith(FILTER_FILE) or code.co_name.startswith(FILTER_CALLS):
        return FILTERS
    return _BEGINS.get(code.co_name)


def step_of(frame: FrameType | None) -> str | None:
    """The step in which a frame of the interpreter is; None outside a round."""
    while frame is not None:
        found = step_that_begins(frame.f_code)
        if found is not None:
            return found
        frame = frame.f_back
    return None


class CodeCounter:
    """A trace function that counts the byte codes of each step."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._local: dict[str, Callable[..., Any]] = {}

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """For sys.settrace."""
        del event, argument
        step = step_of(frame)
        if step is None:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._local.get(step) or self._counting(step)

    def _counting(self, step: str) -> Callable[..., Any]:
        counts = self.counts

        def count(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "opcode":
                counts[step] += 1
            return count

        self._local[step] = count
        return count


class Looks:
    """A thread that looks where the thread is that made it, until the block ends."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._whose = threading.get_ident()
        self._end = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._moments = random.Random(1)
        self._interval = sys.getswitchinterval()

    def __enter__(self) -> Looks:
        sys.setswitchinterval(FAST_SWITCH)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end = True
        self._thread.join()
        sys.setswitchinterval(self._interval)

    @property
    def seen(self) -> int:
        """How many looks met a round."""
        return sum(self.counts.values())

    def shares(self) -> dict[str, float]:
        """What part of the rounds each step takes."""
        return {step: self.counts[step] / max(1, self.seen) for step in STEPS}

    def _run(self) -> None:
        frames, moments, counts = sys._current_frames, self._moments, self.counts  # noqa: SLF001 - it is documented
        while not self._end:
            time.sleep(moments.uniform(0.5, 1.5) * LOOK_SECONDS)
            step = step_of(frames().get(self._whose))
            if step is not None:
                counts[step] += 1


def chance(share: float, looks: int) -> float:
    """Two standard deviations of a share that so many looks have found."""
    return 2 * float((share * (1 - share) / max(1, looks)) ** 0.5)
