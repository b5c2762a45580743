"""Memory and rate over the length of a run: frames by the hundred thousand, looked at after each piece.

Law: what grows is private memory (the arena is shared and of a fixed size); each piece of the emulator's run stands
beside the same piece of its peers', and a run that its time cut short says how long it was.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.compiler import compiled
from tools.bench.echo import LINK_SECONDS, REST_US, WIDE
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine
from tools.bench.emulator_subjects import EmulatorEcho
from tools.bench.figures import Spread, middle, spread
from tools.bench.generator import FAULTS, Generator, Load, faults_of
from tools.bench.link import wait_running
from tools.bench.machine import this_machine
from tools.bench.part import Curve, PartReport, Plot, Table
from tools.bench.table import listed, number, of_peer, ranged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tools.bench.echo_subjects import EchoSubject, Seat
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds

FRAMES: Final = 300_000
QUICK_FRAMES: Final = 20_000
PIECES: Final = 12
SLOWEST: Final = 20_000
"""Frames a second that a long run is given time for."""
SLOW_PEER: Final = 100
"""One frame in so many is what scapy is offered: all of them would take it longer than everybody else together."""
CHECKED: Final = "emulator, checked"


def seconds(frames: int) -> float:
    """How much longer than usual so many frames may take."""
    return frames / SLOWEST


def private_kib(pids: Iterable[int]) -> int:
    """Memory that these processes share with nobody; EmulatorError when one is gone."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError as error:
            raise EmulatorError(f"a process of the subject has ended: {error.strerror}") from error
        total += sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
    return total


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    frames = bounds.frames or (QUICK_FRAMES if bounds.quick else FRAMES)
    load = Load(size=64, window=WIDE, seconds=0.0, rest_us=REST_US)
    seen: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    with compiled("gen", "reflector") as programs, ExitStack() as stack:
        generator = Generator(programs)
        machine = this_machine(generator.kind, programs.compiler)
        reflector = programs.path("reflector")
        c = [CReflector(reflector)] if reflector else []
        subjects: list[EchoSubject] = [EmulatorEcho("checked"), *c, PytunLoop(), ScapyAnsweringMachine()]
        seats: dict[str, Seat] = {}
        for place, subject in enumerate(subjects):
            stack.callback(subject.stop)
            try:
                seats[subject.name] = subject.start(f"long{place}")
                wait_running(seats[subject.name].interface, LINK_SECONDS)
            except (HostError, EmulatorError) as error:
                if subject.name == CHECKED:
                    raise
                absent[subject.name] = str(error)
        longest = 0.0
        for piece in range(PIECES):
            began = time.monotonic()
            if began + longest > bounds.until:
                bounds.say(f"the time is over: {piece} of {PIECES} pieces")
                break
            for name, seat in seats.items():
                count = frames // PIECES // (SLOW_PEER if name == ScapyAnsweringMachine.name else 1)
                clocked = generator.run(seat.interface, seat.address, load, count=max(1, count))
                memory = {f"{role}_kib": private_kib(pids) for role, pids in seat.roles.items()}
                seen.append(
                    {
                        "subject": name,
                        "piece": piece,
                        "sent": clocked.sent,
                        "pps": clocked.pps,
                        **faults_of([clocked]),
                        **memory,
                    }
                )
            longest = max(longest, time.monotonic() - began)
    return report(seen, absent, machine)


def growth(pieces: Sequence[dict[str, Any]], role: str) -> float | None:
    """By how much a role's private memory grew after the first quarter of the run, in KiB."""
    settled = [one[f"{role}_kib"] for one in pieces[len(pieces) // 4 :] if f"{role}_kib" in one]
    return float(settled[-1] - settled[0]) if len(settled) > 1 else None


def ratios(own: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]]) -> Spread | None:
    """The rates of a subject's pieces over a peer's."""
    beside = {one["piece"]: one["pps"] for one in peer}
    return spread([one["pps"] / beside[one["piece"]] for one in own if beside.get(one["piece"])])


def report(seen: list[dict[str, Any]], absent: dict[str, str], machine: Machine) -> PartReport:
    """Summarise what was measured."""
    names = list(dict.fromkeys(one["subject"] for one in seen))
    own = {name: [one for one in seen if one["subject"] == name] for name in names}
    ours = own.get(CHECKED, [])
    baseline = own.get(CReflector.name, [])
    faults = {fault: sum(one[fault] for one in ours) for fault in FAULTS}
    body: list[list[str]] = []
    raw: list[list[str]] = []
    curves: list[Curve] = []
    for name in names:
        pieces = own[name]
        for role in [key.removesuffix("_kib") for key in pieces[0] if key.endswith("_kib")]:
            memory = [float(one[f"{role}_kib"]) for one in pieces]
            frames = 0.0
            at = [frames := frames + one["sent"] for one in pieces]
            body.append(
                [
                    name,
                    role,
                    number(at[-1]),
                    ranged(spread([one["pps"] for one in pieces]), 1, 1e-3),
                    "1" if name == CReflector.name else of_peer(ratios(pieces, baseline)),
                    number(memory[0]),
                    number(memory[-1]),
                    number(growth(pieces, role)),
                    *(number(sum(one[fault] for one in pieces)) for fault in FAULTS),
                ]
            )
            raw.append([name, role, listed([one["pps"] for one in pieces], 0, 1e-3), listed(memory)])
            curves.append(Curve(f"{name}, {role}", at, [Spread(value, value, value, 1) for value in memory]))
    head = ["subject", "process", "frames", "kpps", "of C", "KiB after a piece", "KiB at the end", "grown", *FAULTS]
    return PartReport(
        part="length",
        title="Memory over the length of a run",
        figures={
            "length_frames": float(sum(one["sent"] for one in ours)),
            "length_ratio": middle(ratios(ours, baseline)),
            "length_host_growth_kib": growth(ours, "host"),
            "length_worker_growth_kib": growth(ours, "worker"),
            **{f"length_{fault}": float(count) for fault, count in faults.items()},
        },
        machine=machine,
        faults=faults,
        absent=absent,
        tables=[
            Table("", head, body),
            Table("", ["raw, in order", "process", "kpps", "private KiB"], raw, raw=True),
        ],
        plots=[Plot("length", "Private memory over a run", "frames", "KiB", curves)],
        runs=seen,
        notes=[
            f"{PIECES} pieces of a flood of 64 B, {WIDE} frames under way; after each the private memory of the "
            "processes is read. `--frames 10000000` makes it as long as one likes.",
            f"scapy is offered one frame in {SLOW_PEER} of what the others are.",
            "grown: from the end of the first quarter, when pools and caches are warm, to the end.",
        ],
    )
