"""What an item costs while 1 to 100,000 are outstanding: each queues itself again from its own routine.

Law: the number that is outstanding is kept by construction, not by a race of two processes; the peers do the same, one
process that puts back what it takes.
"""

from __future__ import annotations

import multiprocessing
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.cells import RAN, STOP, Cells
from tools.bench.emulator_subjects import EmulatorWorkItems
from tools.bench.figures import middle, spread_of
from tools.bench.machine import this_machine
from tools.bench.part import Curve, PartReport, Plot, Table
from tools.bench.processes import Forked, cpu_ns
from tools.bench.table import listed, number, ranged
from tools.bench.turns import Turn, take_turns
from tools.bench.workitem_subjects import ITEM_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.echo_subjects import Build
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds
    from tools.bench.turns import Samples

COUNTS: Final = (1, 10, 100, 1_000, 10_000, 100_000)
FREE_COUNTS: Final = (1, 10_000)
FASTER_FIFO: Final = "faster-fifo"
QUEUE: Final = "multiprocessing.Queue"
CHECKED: Final = "emulator, checked"
FREE: Final = "emulator, free"
EVERY: Final = 16
BYTES_OF_ITEM: Final = 256
"""Room in a faster-fifo for an item of 64 bytes: more than it needs, so that it is never full."""


def circulate(build: Build, count: int, warm_up: float, seconds: float) -> dict[str, float]:
    """The emulator's turn: a machine of its own."""
    subject = EmulatorWorkItems(build)
    try:
        subject.start()
        return subject.circulate(count, warm_up, seconds)
    finally:
        subject.stop()


def faster_fifo(count: int) -> Any:
    """An empty queue with room for so many."""
    try:
        import faster_fifo as module
    except ImportError as error:
        raise HostError("importing faster_fifo", "pip install faster-fifo", str(error)) from error
    return module.Queue(max_size_bytes=(1 << 20) + count * BYTES_OF_ITEM, loads=bytes, dumps=bytes)


def queue(count: int) -> Any:
    """An empty queue; its own thread feeds the pipe."""
    return multiprocessing.get_context("fork").Queue()


def put_back(make: Callable[[int], Any], name: str, count: int, warm_up: float, seconds: float) -> dict[str, float]:
    """A peer's turn: one process that takes an item and puts it back; counted from outside."""
    cells = Cells()
    words = cells.words

    def run(ready: Callable[[], None]) -> None:
        line = make(count)
        for _ in range(count):
            line.put(bytes(ITEM_SIZE))
        ready()
        ran = 0
        while not words[STOP]:
            for _ in range(EVERY):
                line.put(line.get())
            ran += EVERY
            words[RAN] = ran

    make(1)  # whoever is not installed says so here
    forked = Forked(run)
    try:
        forked.wait_ready()
        if not cells.wait_for(RAN, 1, 5.0):
            raise EmulatorError(f"{name} has run no item")
        time.sleep(warm_up)
        used, first, began = cpu_ns([forked.pid]), words[RAN], time.monotonic()
        time.sleep(seconds)
        ran, ended, spent = words[RAN] - first, time.monotonic(), cpu_ns([forked.pid]) - used
        return {"per_second": ran / (ended - began), "ns": spent / max(1, ran), "workers": 1.0}
    finally:
        forked.end()
        cells.close()


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    counts = (1, 1_000) if bounds.quick else COUNTS
    warm_up, seconds = (0.05, 0.1) if bounds.quick else (0.05, 0.2)
    machine = this_machine()
    turns: list[Turn] = []
    for count in counts:
        turns.append(Turn(CHECKED, count, partial(circulate, "checked", count, warm_up, seconds)))
        if count in FREE_COUNTS:
            turns.append(Turn(FREE, count, partial(circulate, "free", count, warm_up, seconds)))
        turns.append(Turn(FASTER_FIFO, count, partial(put_back, faster_fifo, FASTER_FIFO, count, warm_up, seconds)))
        if count in (counts[0], counts[-1]):  # its own thread and its pipe are slow, whatever is outstanding
            turns.append(Turn(QUEUE, count, partial(put_back, queue, QUEUE, count, warm_up, seconds)))
    return report(take_turns(turns, bounds.rounds, bounds.say, bounds.until), machine)


def report(samples: Samples, machine: Machine) -> PartReport:
    """Summarise what was measured."""
    head = ["subject", "outstanding", "items/s", "of faster-fifo", "ns an item", "workers"]
    body: list[list[str]] = []
    raw: list[list[str]] = []
    curves: list[Curve] = []
    for subject in samples.subjects():
        places = samples.places(subject)
        for at in places:
            ratio = samples.ratio(subject, at, "per_second", FASTER_FIFO) if subject != FASTER_FIFO else None
            body.append(
                [
                    subject,
                    f"{at:,.0f}",
                    ranged(samples.spread(subject, at, "per_second")),
                    "1" if subject == FASTER_FIFO else ranged(ratio, 2),
                    number(middle(samples.spread(subject, at, "ns"))),
                    number(max(samples.raw(subject, at, "workers"))),
                ]
            )
            raw.append([subject, f"{at:,.0f}", listed(samples.raw(subject, at, "per_second"))])
        curves.append(Curve(subject, places, [spread_of(samples.raw(subject, at, "per_second")) for at in places]))
    places = samples.places(CHECKED)
    share = samples.ratio(CHECKED, max(places), "per_second", CHECKED, min(places)) if len(places) > 1 else None
    return PartReport(
        part="outstanding",
        title="Work items while many are outstanding",
        figures={"outstanding_share": middle(share)},
        machine=machine,
        absent=samples.absent,
        tables=[Table("", head, body), Table("", ["raw, in order", "outstanding", "items/s"], raw, raw=True)],
        plots=[
            Plot(
                "outstanding",
                "Work items that queue themselves again",
                "outstanding",
                "items/s",
                curves,
                log_across=True,
            )
        ],
        runs=samples.as_runs(),
        notes=[
            "Each item queues itself again from its routine, so that as many are outstanding all the time; one passive "
            "worker does both. The peers: one process that takes an item of 64 bytes and puts it back. C, pytun and "
            "scapy move frames and have no work items: nothing of them belongs beside these.",
            "Where an item waits for more than 50 ms with all workers busy, the machine adds workers, which share the "
            "queue; ns an item is processor time of all of them.",
            "outstanding_share is the checked build's rate with the most items over that with one, of the same round.",
        ],
    )
