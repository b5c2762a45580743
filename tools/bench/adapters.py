"""What further adapters cost: the echo on one adapter of a machine that has 1 to 16, and on all of them at once.

Law: beside it the C reflector with as many TAPs, in the same round; an adapter that is not busy is started, bound and
up.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.compiler import compiled
from tools.bench.echo import LINK_SECONDS, REST_US, WIDE, role_times
from tools.bench.echo_subjects import CReflector, interface_names
from tools.bench.emulator_subjects import EmulatorEcho
from tools.bench.figures import middle, spread_of
from tools.bench.generator import Generator, Load
from tools.bench.link import wait_running
from tools.bench.machine import this_machine
from tools.bench.part import Curve, PartReport, Plot, Table
from tools.bench.table import ABSENT, listed, number, ranged
from tools.bench.turns import Turn, take_turns

if TYPE_CHECKING:
    from tools.bench.echo_subjects import EchoSubject, Seat
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds
    from tools.bench.turns import Samples

COUNTS: Final = (1, 2, 4, 8, 16)
BASELINE: Final = CReflector.name
CHECKED: Final = "emulator, checked"
ONE, ALL = "one busy", "all busy"


def named(subject: str, how: str) -> str:
    """What a turn's subject is called in the tables."""
    return f"{subject}, {how}"


def clock(generator: Generator, seat: Seat, busy: int, load: Load) -> dict[str, float]:
    """Offer the load to so many adapters at once, the window shared among them; rates are summed."""
    shared = Load(
        size=load.size,
        window=max(1, load.window // busy),
        seconds=load.seconds,
        warm_up=load.warm_up,
        rest_us=load.rest_us,
    )
    used = role_times(seat.roles)
    names = interface_names(seat.interface, busy)
    with ThreadPoolExecutor(busy) as pool:
        seen = list(pool.map(lambda name: generator.run(name, seat.address, shared), names))
    frames = max(1, sum(one.received for one in seen))
    spent = {role: after - used[role] for role, after in role_times(seat.roles).items()}
    # Over the whole time, unlike a generator's own rate: one that is served in bursts would count for too much.
    rates = [one.measured / load.seconds for one in seen]
    return {
        "pps": sum(rates),
        "slowest": min(rates),
        "fastest": max(rates),
        "lost": sum(one.lost + one.corrupt for one in seen),
        **{f"{role}_ns": value / frames for role, value in spent.items()},
    }


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    counts = (1, 4) if bounds.quick else COUNTS
    seconds, warm_up = (0.06, 0.02) if bounds.quick else (0.25, 0.05)
    load = Load(size=64, window=WIDE, seconds=seconds, warm_up=warm_up, rest_us=REST_US)
    turns: list[Turn] = []
    absent: dict[str, str] = {}
    started: dict[int, float] = {}
    with compiled("gen", "reflector") as programs, ExitStack() as stack:
        generator = Generator(programs)
        machine = this_machine(generator.kind, programs.compiler)
        reflector = programs.path("reflector")

        def start(subject: EchoSubject, interface: str, adapters: int) -> Seat | None:
            stack.callback(subject.stop)
            try:
                seat = subject.start(interface)
                for name in interface_names(interface, adapters):
                    wait_running(name, LINK_SECONDS)
            except (HostError, EmulatorError) as error:
                absent[f"{subject.name}, {adapters} adapters"] = str(error)
                return None
            return seat

        peer = start(CReflector(reflector, max(counts)), "peer", max(counts)) if reflector else None
        for count in counts:
            bounds.say(f"starting a machine with {count} adapters")
            began = time.monotonic()
            seat = start(EmulatorEcho("checked", adapters=count), f"n{count}", count)
            started[count] = time.monotonic() - began
            for how, busy in ((ONE, 1), (ALL, count)):
                for name, one in ((CHECKED, seat), (BASELINE, peer)):
                    if one is not None:
                        turns.append(Turn(named(name, how), count, partial(clock, generator, one, busy, load)))
        samples = take_turns(turns, bounds.rounds, bounds.say, bounds.until)
        samples.absent.update(absent)
    return report(samples, started, machine)


def report(samples: Samples, started: dict[int, float], machine: Machine) -> PartReport:
    """Summarise what was measured."""
    rows: list[list[str]] = []
    raw: list[list[str]] = []
    for subject in samples.subjects():
        peer = subject.replace(CHECKED, BASELINE)
        for at in samples.places(subject):
            rate = samples.spread(subject, at, "pps")
            ratio = samples.ratio(subject, at, "pps", peer) if peer != subject else None
            rows.append(
                [
                    subject,
                    f"{at:.0f}",
                    ranged(rate, 1, 1e-3),
                    "1" if peer == subject else ranged(ratio, 2) if ratio else ABSENT,
                    number(middle(samples.spread(subject, at, "host_ns"))),
                    number(middle(samples.spread(subject, at, "worker_ns"))),
                    ranged(samples.spread(subject, at, "slowest"), 1, 1e-3),
                    number(sum(samples.raw(subject, at, "lost"))),
                    number(started.get(int(at)), 2) if subject == named(CHECKED, ONE) else ABSENT,
                ]
            )
            raw.append([subject, f"{at:.0f}", listed(samples.raw(subject, at, "pps"), 0, 1e-3)])
    head = ["subject", "adapters", "kpps", "of C", "host ns", "worker ns", "slowest adapter", "lost", "start s"]
    return PartReport(
        part="adapters",
        title="Adapters of one machine",
        figures={
            "adapters16_share": share(samples, ONE),
            "adapters16_all_share": share(samples, ALL),
        },
        machine=machine,
        absent=samples.absent,
        tables=[
            Table("", head, rows),
            Table("", ["raw, in order", "adapters", "kpps"], raw, raw=True),
        ],
        plots=[
            Plot(
                "adapters",
                f"Echo over the adapters of a machine, 64 B, {WIDE} under way in all",
                "adapters",
                "frames/s",
                [
                    Curve(subject, places, [spread_of(samples.raw(subject, at, "pps")) for at in places])
                    for subject in samples.subjects()
                    if (places := samples.places(subject))
                ],
            )
        ],
        runs=samples.as_runs(),
        notes=[
            "One busy: the generator at the first adapter, the others up and silent. All busy: a generator at each, "
            f"all at once, with {WIDE} frames under way in sum; they share the cores with what they measure.",
            "adapters16_share is the rate with the most adapters over that with one, of the same round.",
            "start s: nursery, host and machine, until every adapter's carrier is on; measured once.",
        ],
    )


def share(samples: Samples, how: str) -> float | None:
    """The rate with the most adapters as a share of that with one."""
    subject = named(CHECKED, how)
    places = samples.places(subject)
    return middle(samples.ratio(subject, max(places), "pps", subject, min(places))) if len(places) > 1 else None
