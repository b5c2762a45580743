"""TCP through one miniport and through the whole bridge of two, beside C, pytun, scapy and the kernel's own bridge.

Law: one connection, one way, the receiver's clock; every road has its turn in every round, and a ratio is taken within
the round to the C program on the same number of TAPs, with super-frames to with, without to without. Who is very slow
sends a number of bytes that its time can bear.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.compiler import compiled
from tools.bench.echo import role_times
from tools.bench.figures import middle
from tools.bench.machine import this_machine
from tools.bench.part import EMULATOR, Curve, PartReport, Plot, Table
from tools.bench.processes import machine_busy_seconds
from tools.bench.roads import CopierRoad, EmulatorRoad, KernelBridge, PytunLoopRoad, Road, ScapyRoad, have_offloads
from tools.bench.stream import LOOKED_AT, stream
from tools.bench.table import ABSENT, listed, number, of_peer, ranged
from tools.bench.turns import Turn, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.machine import Machine
    from tools.bench.part import Bounds
    from tools.bench.turns import Samples

ONE, BRIDGE = "one miniport", "bridge of two"
PLAIN, LARGE = "plain frames", "super-frames"
C, KERNEL, CHECKED, FREE = "C poll copier", "the kernel's bridge", "emulator, checked", "emulator, free"
PYTUN, SCAPY = "pytun loop", "scapy"
SLOW_BYTES, SLOW_BYTES_QUICK = 1 << 20, 1 << 18
"""What scapy sends in a turn; by itself it would take seconds for what waits in the sender's own buffer."""
COUNTED: Final = {"again": "sent again", "out_of_order": "out of order", "corrupt": "corrupt"}
"""What went wrong on the way and TCP has mended, and what the tables call it."""
WAYS: Final = [f"{road}, {frames}" for road in (ONE, BRIDGE) for frames in (PLAIN, LARGE)]
NOT_AVAILABLE: Final = "not available: adapters of this emulator have no option `offloads`"


def named(who: str, road: str, frames: str) -> str:
    """What a road is called in the tables."""
    return f"{road}, {frames}: {who}"


def run(road: Road, warm_up: float, seconds: float, most: int = 0) -> dict[str, float]:
    """One connection over a road."""
    busy, began = machine_busy_seconds(), time.monotonic()
    used = role_times(road.roles)
    seen = stream(road.ends, warm_up, seconds, most)
    spent = {role: after - used[role] for role, after in role_times(road.roles).items()}
    foreign = machine_busy_seconds() - busy - (sum(spent.values()) + seen.ends_ns) / 1e9
    kib = max(1, seen.received) / 1024
    return {
        "gbit": seen.bits_per_second / 1e9,
        "again": float(seen.segments_again),
        "out_of_order": float(seen.out_of_order),
        "corrupt": float(seen.corrupt),
        "ends_ns": seen.ends_ns / kib,
        "foreign_cores": max(0.0, foreign / (time.monotonic() - began)),
        **{f"{role}_ns": value / kib for role, value in spent.items()},
    }


def roads(bounds: Bounds, copier: Callable[[int, bool], Road] | None) -> list[tuple[str, Callable[[], Road]]]:
    """Every road by its name, and how it is laid."""
    made: list[tuple[str, Callable[[], Road]]] = []
    for taps, road in ((1, ONE), (2, BRIDGE)):
        for large, frames in ((False, PLAIN), (True, LARGE)):
            if road == BRIDGE:
                made.append((named(KERNEL, road, frames), partial(KernelBridge, large=large)))
            if copier is not None:
                made.append((named(C, road, frames), partial(copier, taps, large)))
            made.append((named(PYTUN, road, frames), partial(PytunLoopRoad, taps=taps, large=large)))
            if not large:
                made.append((named(SCAPY, road, frames), partial(ScapyRoad, taps=taps)))
            if not large or have_offloads():
                made.append((named(CHECKED, road, frames), partial(EmulatorRoad, "checked", taps=taps, large=large)))
                if not bounds.quick:
                    made.append((named(FREE, road, frames), partial(EmulatorRoad, "free", taps=taps, large=large)))
    return made


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    warm_up, seconds = (0.1, 0.15) if bounds.quick else (0.12, 0.3)
    absent: dict[str, str] = {}
    turns: list[Turn] = []
    with compiled("copier") as programs, ExitStack() as stack:
        machine = this_machine("", programs.compiler)
        program = programs.path("copier")
        copier: Callable[[int, bool], Road] | None = None
        if program is None:
            absent[C] = programs.why_not
        else:
            copier = lambda taps, large: CopierRoad(program, taps=taps, large=large)  # noqa: E731
        for name, lay in roads(bounds, copier):
            try:
                road = lay()
            except (HostError, EmulatorError) as error:
                absent[name] = str(error)
                bounds.say(f"{name}: {error}")
                continue
            stack.callback(road.close)
            if isinstance(road, ScapyRoad):
                most = SLOW_BYTES_QUICK if bounds.quick else SLOW_BYTES
                turns.append(Turn(name, 0, partial(run, road, 0.0, 1.0, most)))
            else:
                turns.append(Turn(name, 0, partial(run, road, warm_up, seconds)))
        samples = take_turns(turns, bounds.rounds, bounds.say, bounds.until)
    if not have_offloads():
        absent[f"emulator, {LARGE}"] = NOT_AVAILABLE
    samples.absent.update(absent)
    return report(samples, machine)


def peer_of(subject: str) -> str:
    """The C program on the same road with the same frames."""
    return f"{subject.rpartition(': ')[0]}: {C}"


def report(samples: Samples, machine: Machine) -> PartReport:
    """Summarise what was measured."""
    body: list[list[str]] = []
    for subject in samples.subjects():
        peer = peer_of(subject)
        body.append(
            [
                subject,
                ranged(samples.spread(subject, 0, "gbit"), 3 if SCAPY in subject else 2),
                "1" if peer == subject else of_peer(samples.ratio(subject, 0, "gbit", peer)),
                number(middle(samples.spread(subject, 0, "host_ns"))),
                number(middle(samples.spread(subject, 0, "worker_ns"))),
                number(middle(samples.spread(subject, 0, "ends_ns"))),
                *(number(sum(samples.raw(subject, 0, name))) for name in COUNTED),
                number(middle(samples.spread(subject, 0, "foreign_cores")), 2),
            ]
        )
    if not have_offloads():
        body += [[named(CHECKED, road, LARGE), "not available", *[ABSENT] * 8] for road in (ONE, BRIDGE)]
    raw = [[subject, listed(samples.raw(subject, 0, "gbit"), 3)] for subject in samples.subjects()]

    def ratio(who: str, road: str, frames: str) -> float | None:
        subject = named(who, road, frames)
        return middle(samples.ratio(subject, 0, "gbit", peer_of(subject)))

    head = [
        "connection",
        "Gbit/s",
        "of C",
        "host ns/KiB",
        "worker ns/KiB",
        "ends ns/KiB",
        *COUNTED.values(),
        "foreign cores",
    ]
    return PartReport(
        part="tcp",
        title="TCP",
        figures={
            "tcp_ratio": ratio(CHECKED, ONE, LARGE),
            "tcp_ratio_free": ratio(FREE, ONE, LARGE),
            "tcp_plain_ratio": ratio(CHECKED, ONE, PLAIN),
            "tcp_bridge_ratio": ratio(CHECKED, BRIDGE, LARGE),
            "tcp_bridge_ratio_free": ratio(FREE, BRIDGE, LARGE),
            "tcp_bridge_plain_ratio": ratio(CHECKED, BRIDGE, PLAIN),
        },
        machine=machine,
        faults={told: int(samples.total(EMULATOR, name)) for name, told in COUNTED.items()},
        absent=samples.absent,
        tables=[Table("", head, body), Table("", ["raw, in order", "Gbit/s"], raw, raw=True)],
        plots=[plot(samples)],
        runs=samples.as_runs(),
        notes=[
            "One connection, one way, 256 KiB a call; what the receiver has read after the warm-up counts. Both ends "
            "run on the cores named above, beside what they measure.",
            f"{ONE}: both ends are on the one side of a TAP, and whoever stands behind it sends each frame back with "
            "the addresses of Ethernet and IP swapped, so that every segment and every acknowledgement passes once. "
            f"{BRIDGE}: two networks that meet in the bridge alone.",
            "of C: to the C poll copier on as many TAPs, with super-frames (IFF_VNET_HDR, TSO and checksum offload) to "
            "with, without to without, in the same round. tcp_ratio is that of the checked build on one miniport with "
            "super-frames. The kernel's bridge joins veth pairs: no frame of it leaves the kernel.",
            f"scapy is bridge_and_sniff between two TAPs and an AnsweringMachine on one. It sends {SLOW_BYTES >> 10} "
            "KiB a turn, all of which count but for the first read. It has no row with super-frames: its "
            "TunTapInterface cannot be opened with IFF_VNET_HDR, and nothing in it reads a virtio_net_hdr. pytun has "
            "the flag; the one call that it lacks (TUNSETOFFLOAD) is made for the loop, which then moves header and "
            "frame as they are.",
            "sent again: segments that the sender had to repeat, because they, or what acknowledged them, were lost or "
            "late. out of order: segments that came to the receiver before one that was sent before them, which is "
            "also what follows a lost one; a kernel with several cores does that by itself now and then, beside C too. "
            "corrupt: what the receiver's kernel refused for its header or checksum. "
            f"Beside that the first and last {LOOKED_AT} bytes of each read are compared; a stream with others is an "
            "error.",
        ],
    )


def plot(samples: Samples) -> Plot:
    """Every road as a bar, by who is behind it."""
    curves: list[Curve] = []
    for who in (C, CHECKED, FREE, KERNEL, PYTUN, SCAPY):
        found = [(place, samples.spread(f"{way}: {who}", 0, "gbit")) for place, way in enumerate(WAYS)]
        there = [(float(place), value) for place, value in found if value is not None]
        curves.append(Curve(who, [place for place, _ in there], [value for _, value in there]))
    return Plot("tcp", "TCP, one connection", "", "Gbit/s", curves, labels=WAYS)
