"""Measure the echo of frames: each run of a subject between two runs of the C baseline.

Law: a ratio is taken to the mean of the baseline's runs directly before and after, because the baseline itself moves
by a fifth from one minute to the next; every run is kept, and one that lost or spoilt a frame is counted as such.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.generator import Clocked, Generator, Load
from tools.bench.link import wait_running
from tools.bench.processes import cpu_ns, machine_busy_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.bench.echo_subjects import EchoSubject, Seat

ROUNDS: Final = 5
LINK_SECONDS: Final = 8.0
WIDE: Final = 256
REST_US: Final = 10

LOADS: Final = (
    Load(size=64, window=WIDE, seconds=0.2, rest_us=REST_US),
    Load(size=1514, window=WIDE, seconds=0.12, rest_us=REST_US),
    Load(size=64, window=1, seconds=0.1, warm_up=0.02),
    Load(size=1514, window=1, seconds=0.06, warm_up=0.02),
    Load(size=64, window=1, seconds=0.08, warm_up=0.02, pause_us=200),
)
SLOW_PEER_LOADS: Final = LOADS[:4]
"""What answers a few thousand frames a second has no row with lone ones: each takes it as long as any other."""


@dataclass(frozen=True)
class Contender:
    """A subject, how the tables call it, and what it is offered."""

    name: str
    subject: EchoSubject
    loads: Sequence[Load] = LOADS


class Run(msgspec.Struct, frozen=True):
    """One run of the generator against one subject or against the baseline beside it.

    `ns` is processor time per frame returned, for each role of the subject and for the generator, over the whole
    run with its warm-up.
    `foreign_cores` is how many cores everything else on this computer kept busy meanwhile (one tick is 10 ms, so a
    short run is coarse; work in interrupt context that nobody is charged for is in it too).
    """

    contender: str
    baseline: bool
    load: str
    round: int
    clocked: Clocked
    ns: dict[str, float]
    generator_ns: float
    foreign_cores: float


class Pair(msgspec.Struct, frozen=True):
    """A subject's run with the baseline's runs before and after it; None without a baseline."""

    run: Run
    before: Run | None
    after: Run | None

    @property
    def ratio(self) -> float | None:
        """The subject's rate as a share of the baseline's."""
        if self.before is None or self.after is None:
            return None
        beside = (self.before.clocked.pps + self.after.clocked.pps) / 2
        return self.run.clocked.pps / beside if beside else None

    @property
    def rtt_ratio(self) -> float | None:
        """The subject's median round trip as a multiple of the baseline's."""
        if self.before is None or self.after is None:
            return None
        beside = (self.before.clocked.rtt_p50_us + self.after.clocked.rtt_p50_us) / 2
        return self.run.clocked.rtt_p50_us / beside if beside else None


@dataclass
class Measured:
    """Everything that was measured, in order, and what could not be."""

    pairs: list[Pair] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def duration(contenders: Sequence[Sequence[Load]], rounds: int = ROUNDS) -> float:
    """Seconds that a plan takes, without the time that subjects need to start."""
    offered = Counter(load for loads in contenders for load in loads)
    return rounds * sum(load.duration * (2 * count + 1) for load, count in offered.items())


class Bench:
    """Runs contenders in turns, each run between two of the baseline; all are alive, and asleep between their runs."""

    def __init__(
        self,
        generator: Generator,
        baseline: EchoSubject | None,
        say: Callable[[str], None],
        until: float = math.inf,
    ) -> None:
        """No round begins after the moment `until` of CLOCK_MONOTONIC; what was left out is reported."""
        self._until = until
        self._generator = generator
        self._baseline = baseline
        self._say = say
        self._made = 0
        self.measured = Measured()

    def run(self, contenders: Sequence[Contender], rounds: int = ROUNDS) -> Measured:
        """Start every contender first; then each round offers each load to all, so that no two figures lie far apart.

        A round that would probably not end in time does not begin; a contender that fails is left out from then on.
        """
        seats: dict[str, Seat] = {}
        try:
            baseline = self._start(self._baseline) if self._baseline is not None else None
            for contender in contenders:
                try:
                    seats[contender.name] = self._start(contender.subject)
                except (HostError, EmulatorError) as error:
                    self._leave_out(contender.name, error)
            longest = 0.0
            for number in range(1, rounds + 1):
                began = time.monotonic()
                if began + longest > self._until:
                    self._say(f"the time is over: {number - 1} of {rounds} rounds")
                    break
                self._say(f"round {number} of {rounds}")
                self._round(contenders, seats, baseline, number)
                longest = max(longest, time.monotonic() - began)
        finally:
            for subject in (*(contender.subject for contender in contenders), self._baseline):
                if subject is not None:
                    subject.stop()
        return self.measured

    def _round(
        self, contenders: Sequence[Contender], seats: dict[str, Seat], baseline: Seat | None, number: int
    ) -> None:
        for load in dict.fromkeys(load for contender in contenders for load in contender.loads):
            if time.monotonic() > self._until:
                self._say(f"the time was over at {load.name}, round {number}")
                break
            offered = [contender for contender in contenders if load in contender.loads and contender.name in seats]
            before: Run | None = None
            for contender in offered:
                try:
                    if baseline is not None and before is None:
                        before = self._once(contender.name, True, baseline, load, number)
                    mine = self._once(contender.name, False, seats[contender.name], load, number)
                    after = self._once(contender.name, True, baseline, load, number) if baseline else None
                except (HostError, EmulatorError) as error:
                    self._leave_out(contender.name, error)
                    del seats[contender.name]
                    continue
                self.measured.pairs.append(Pair(mine, before, after))
                before = after

    def _leave_out(self, name: str, error: Exception) -> None:
        self.measured.absent[name] = str(error)
        self._say(f"{name}: {error}")

    def _start(self, subject: EchoSubject) -> Seat:
        seat = subject.start(f"ndisbench{self._made}")
        self._made += 1
        wait_running(seat.interface, LINK_SECONDS)
        if self._generator.placement is not None:
            self._generator.placement.hold(seat.roles)
        return seat

    def _once(self, name: str, is_baseline: bool, seat: Seat, load: Load, number: int) -> Run:
        busy, began = machine_busy_seconds(), time.monotonic()
        used = role_times(seat.roles)
        clocked = self._generator.run(seat.interface, seat.address, load)
        spent = {role: after - used[role] for role, after in role_times(seat.roles).items()}
        own = (sum(spent.values()) + clocked.cpu_ns) / 1e9
        foreign = (machine_busy_seconds() - busy - own) / (time.monotonic() - began)
        frames = max(1, clocked.received)
        run = Run(
            contender=name,
            baseline=is_baseline,
            load=load.name,
            round=number,
            clocked=clocked,
            ns={role: value / frames for role, value in spent.items()},
            generator_ns=clocked.cpu_ns / frames,
            foreign_cores=max(0.0, foreign),
        )
        self.measured.runs.append(run)
        return run


def role_times(roles: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Processor time that each role's processes have used so far, in nanoseconds."""
    try:
        return {role: cpu_ns(pids) for role, pids in roles.items()}
    except OSError as error:
        raise EmulatorError(f"a process of the subject has ended: {error.strerror}") from error
