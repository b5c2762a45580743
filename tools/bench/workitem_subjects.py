"""Who runs work items: the interface that the benchmark asks of a subject, and the peers behind it.

Law: one process queues, another runs a callback for each item, and both count; a run in which the counts differ is
kept and shown as not clean.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from emulator.rules.errors import EmulatorError
from tools.bench.cells import (
    CAPACITY,
    CONSUMER,
    EVERY,
    QUEUED,
    RAN,
    SAMPLES,
    STOP,
    Cells,
    counting_callback,
    timing_callback,
)
from tools.bench.processes import Forked, cpu_ns, machine_busy_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.pipelines import Pipeline

ITEM_SIZE: Final = 64
FIRST_UNCOUNTED: Final = 20  # lone items that warm code and caches up before the ones that count
END_SECONDS: Final = 12.0
_WAIT_SECONDS: Final = 0.0001


class Saturation(msgspec.Struct, frozen=True):
    """A run in which items are queued as fast as they are taken.

    `ns` is processor time an item in each process; `foreign_cores` is how many cores everything else kept busy.
    """

    per_second: float
    queued: int
    ran: int
    seconds: float
    ns: dict[str, float]
    foreign_cores: float

    @property
    def clean(self) -> bool:
        """Whether each item that was queued has run."""
        return self.queued == self.ran


class WorkItemSubject(Protocol):
    """What the benchmark asks of whoever runs work items."""

    name: str

    def start(self) -> None:
        """Make ready; HostError when this computer lacks what it needs."""

    def stop(self) -> None:
        """End every process; harmless when it was not started or is dead."""

    def saturate(self, warm_up: float, seconds: float) -> Saturation:
        """Queue without rest; count the callbacks between the end of the warm-up and the end."""

    def lone(self, count: int, pause_us: int, *, awake: bool = False) -> list[int]:
        """Queue single items, each after the last has run and a pause; return nanoseconds from queue to callback.

        In the pause the producer sleeps, or stays awake.
        """


class PipelineSubject:
    """A peer: each run has a fresh pair of processes, so that nothing of one run is left in the next."""

    def __init__(self, pipeline: type[Pipeline]) -> None:
        self.name = pipeline.name
        self._pipeline = pipeline
        self._producer: Forked | None = None

    def start(self) -> None:
        """Look whether the peer is installed."""
        self._pipeline.look()

    def stop(self) -> None:
        """End the producer if it still runs; the consumer dies with it."""
        if self._producer is not None:
            self._producer.end()
            self._producer = None

    def saturate(self, warm_up: float, seconds: float) -> Saturation:
        """Queue without rest; the counts are read from outside, twice."""
        cells = Cells()
        try:
            producer = self._begin(partial(_queue_without_rest, self._pipeline, cells))
            if not cells.wait_for(RAN, 1, END_SECONDS):
                raise EmulatorError(f"{self.name} has run no item")
            time.sleep(warm_up)
            pids = {"producer": producer.pid, "consumer": cells.words[CONSUMER]}
            busy, used = machine_busy_seconds(), {who: cpu_ns([pid]) for who, pid in pids.items()}
            began, first = time.monotonic(), cells.words[RAN]
            time.sleep(seconds)
            span, ran = time.monotonic() - began, cells.words[RAN] - first
            spent = {who: cpu_ns([pid]) - used[who] for who, pid in pids.items()}
            foreign = machine_busy_seconds() - busy - sum(spent.values()) / 1e9
            cells.words[STOP] = 1
            self._finish()
            return Saturation(
                per_second=ran / span,
                queued=cells.words[QUEUED],
                ran=cells.words[RAN],
                seconds=span,
                ns={who: time_used / max(1, ran) for who, time_used in spent.items()},
                foreign_cores=max(0.0, foreign / span),
            )
        finally:
            self.stop()
            cells.close()

    def lone(self, count: int, pause_us: int, *, awake: bool = False) -> list[int]:
        """Queue single items; each carries the moment at which it was queued."""
        total = count + FIRST_UNCOUNTED
        if total > CAPACITY - SAMPLES:
            raise ValueError(f"at most {CAPACITY - SAMPLES - FIRST_UNCOUNTED} lone items")
        cells = Cells()
        try:
            self._begin(partial(_queue_one_by_one, self._pipeline, cells, total, pause_us / 1e6, awake))
            self._finish(total * pause_us / 1e6)
            if cells.words[RAN] != total:
                raise EmulatorError(f"{self.name} ran {cells.words[RAN]} of {total} items")
            return cells.words[SAMPLES + FIRST_UNCOUNTED : SAMPLES + total].tolist()
        finally:
            self.stop()
            cells.close()

    def _begin(self, function: Callable[[Callable[[], None]], None]) -> Forked:
        self._producer = Forked(function)
        self._producer.wait_ready()
        return self._producer

    def _finish(self, more: float = 0.0) -> None:
        assert self._producer is not None
        if not self._producer.wait(END_SECONDS + more):
            raise EmulatorError(f"{self.name} did not come to its end")


def _queue_without_rest(pipeline: type[Pipeline], cells: Cells, ready: Callable[[], None]) -> None:
    words = cells.words
    line = pipeline(words, counting_callback)
    put, item, queued = line.put, bytes(ITEM_SIZE), 0
    ready()
    while not words[STOP]:
        for _ in range(EVERY):
            put(item)
        queued += EVERY
    line.finish()
    words[QUEUED] = queued


def _queue_one_by_one(
    pipeline: type[Pipeline], cells: Cells, total: int, pause: float, awake: bool, ready: Callable[[], None]
) -> None:
    words = cells.words
    line = pipeline(words, timing_callback)
    put, now, rest = line.put, time.monotonic_ns, bytes(ITEM_SIZE - 8)
    # Awake, it gives the interpreter lock away all the time: some peers send from a thread of this process.
    wait = 0.0 if awake else _WAIT_SECONDS
    ready()
    for number in range(total):
        if awake:
            until = now() + int(pause * 1e9)
            while now() < until:
                time.sleep(0.0)
        else:
            time.sleep(pause)
        put(now().to_bytes(8, "little") + rest)
        while words[RAN] <= number:
            time.sleep(wait)
    line.finish()
