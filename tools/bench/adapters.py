"""What further adapters cost: the echo on one adapter of a machine that has 1 to 16, and on all of them at once.

Law: beside it the C reflector, a pytun loop and scapy with as many TAPs, in the same round; an adapter that is not busy
is started, bound and up.
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
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine, interface_names
from tools.bench.emulator_subjects import EmulatorEcho
from tools.bench.figures import middle, spread_of
from tools.bench.generator import FAULTS, Generator, Load, faults_of
from tools.bench.link import wait_running
from tools.bench.machine import this_machine
from tools.bench.part import EMULATOR, Curve, PartReport, Plot, Table
from tools.bench.table import ABSENT, listed, number, of_peer, ranged
from tools.bench.turns import Turn, take_turns

if TYPE_CHECKING:
    from pathlib import Path

    from tools.bench.echo_subjects import EchoSubject, Seat
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds
    from tools.bench.turns import Samples

COUNTS: Final = (1, 2, 4, 8, 16)
BASELINE: Final = CReflector.name
CHECKED: Final = "emulator, checked"
ONE, ALL = "one busy", "all busy"
Started = dict[tuple[str, int], float]
"""Seconds that a subject with so many interfaces took to start."""


def named(subject: str, how: str) -> str:
    """What a turn's subject is called in the tables."""
    return f"{subject}, {how}"


def subjects(count: int, reflector: Path | None) -> list[EchoSubject]:
    """Who answers on so many interfaces."""
    return [
        EmulatorEcho("checked", adapters=count),
        *([CReflector(reflector, count)] if reflector else []),
        PytunLoop(count),
        ScapyAnsweringMachine(count),
    ]


def loads(name: str, quick: bool) -> Load:
    """What a subject is offered: the emulator and the program that it is compared with for longer than the others."""
    longer = name in (CHECKED, BASELINE)
    seconds, warm_up = (0.06, 0.02) if quick else (0.18, 0.04) if longer else (0.1, 0.03)
    return Load(size=64, window=WIDE, seconds=seconds, warm_up=warm_up, rest_us=REST_US)


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
        **faults_of(seen),
        **{f"{role}_ns": value / frames for role, value in spent.items()},
    }


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    turns: list[Turn] = []
    absent: dict[str, str] = {}
    started: Started = {}
    with compiled("gen", "reflector") as programs, ExitStack() as stack:
        generator = Generator(programs)
        machine = this_machine(generator.kind, programs.compiler)
        for count in (1, 4) if bounds.quick else COUNTS:
            bounds.say(f"starting a machine with {count} adapters and its peers")
            seats: dict[str, Seat] = {}
            for place, subject in enumerate(subjects(count, programs.path("reflector"))):
                began = time.monotonic()
                stack.callback(subject.stop)
                try:
                    seats[subject.name] = started_on(subject, f"n{count}s{place}", count)
                except (HostError, EmulatorError) as error:
                    absent[f"{subject.name}, {count} adapters"] = str(error)
                    continue
                started[subject.name, count] = time.monotonic() - began
            for how, busy in ((ONE, 1), (ALL, count)):
                for name, seat in seats.items():
                    load = loads(name, bounds.quick)
                    turns.append(Turn(named(name, how), count, partial(clock, generator, seat, busy, load)))
        samples = take_turns(turns, bounds.rounds, bounds.say, bounds.until)
        samples.absent.update(absent)
    return report(samples, started, machine)


def started_on(subject: EchoSubject, interface: str, adapters: int) -> Seat:
    """Start a subject and wait for the carrier of every interface."""
    seat = subject.start(interface)
    for name in interface_names(interface, adapters):
        wait_running(name, LINK_SECONDS)
    return seat


def report(samples: Samples, started: Started, machine: Machine) -> PartReport:
    """Summarise what was measured."""
    rows: list[list[str]] = []
    raw: list[list[str]] = []
    for subject in samples.subjects():
        who, how = subject.rsplit(", ", 1)
        for at in samples.places(subject):
            ratio = samples.ratio(subject, at, "pps", named(BASELINE, how))
            rows.append(
                [
                    subject,
                    f"{at:.0f}",
                    ranged(samples.spread(subject, at, "pps"), 1, 1e-3),
                    "1" if who == BASELINE else of_peer(ratio),
                    number(middle(samples.spread(subject, at, "host_ns"))),
                    number(middle(samples.spread(subject, at, "worker_ns"))),
                    ranged(samples.spread(subject, at, "slowest"), 1, 1e-3),
                    *(number(sum(samples.raw(subject, at, fault))) for fault in FAULTS),
                    number(started.get((who, int(at))), 2) if how == ONE else ABSENT,
                ]
            )
            raw.append([subject, f"{at:.0f}", listed(samples.raw(subject, at, "pps"), 1, 1e-3)])
    head = ["subject", "adapters", "kpps", "of C", "host ns", "worker ns", "slowest adapter", *FAULTS, "start s"]
    return PartReport(
        part="adapters",
        title="Adapters of one machine",
        figures={
            "adapters16_share": share(samples, ONE),
            "adapters16_all_share": share(samples, ALL),
            "adapters16_ratio": ratio_to_c(samples, ONE),
            "adapters16_all_ratio": ratio_to_c(samples, ALL),
        },
        machine=machine,
        faults={fault: int(samples.total(EMULATOR, fault)) for fault in FAULTS},
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
            "The peers have as many TAPs as the machine has adapters, each in one process: C with poll; the pytun loop "
            "with select, but for a TAP that is alone; scapy an AnsweringMachine that listens on all of them.",
            "adapters16_share is the rate with the most adapters over that with one, of the same round; "
            "adapters16_ratio the rate with the most adapters over C's with as many; adapters16_all_share and "
            "adapters16_all_ratio the same where all are busy.",
            "start s: until every interface's carrier is on; of the emulator nursery, host and machine, of scapy its "
            "import in an empty network. Measured once.",
        ],
    )


def most(samples: Samples, how: str) -> float | None:
    """The most adapters that were measured, if there were several steps."""
    places = samples.places(named(CHECKED, how))
    return max(places) if len(places) > 1 else None


def share(samples: Samples, how: str) -> float | None:
    """The rate with the most adapters as a share of that with one."""
    subject, at = named(CHECKED, how), most(samples, how)
    return middle(samples.ratio(subject, at, "pps", subject, 1)) if at else None


def ratio_to_c(samples: Samples, how: str) -> float | None:
    """The rate with the most adapters as a share of C's."""
    at = most(samples, how)
    return middle(samples.ratio(named(CHECKED, how), at, "pps", named(BASELINE, how))) if at else None
