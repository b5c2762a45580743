"""The frame generators see what is lost and what is spoilt, and the echo benchmark runs with its peers."""

from __future__ import annotations

import os
from subprocess import Popen
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from emulator.rules.errors import EmulatorError, HostError
from tests.patience import DEADLINE
from tools.bench.compiler import Programs, compiled, find_compiler
from tools.bench.confinement import run_confined
from tools.bench.echo import Bench, Contender, Run
from tools.bench.echo_subjects import PytunLoop, ScapyAnsweringMachine, Seat
from tools.bench.generator import Clocked, Generator, Load
from tools.bench.link import Tap, open_tap, wait_running
from tools.bench.placement import Placement
from tools.bench.processes import Forked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.echo_subjects import EchoSubject

pytestmark = pytest.mark.tap

SHORT: Final = Load(size=64, window=16, seconds=0.03, warm_up=0.01)
FRAMES: Final = 200

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")
KINDS: Final = [pytest.param("C", marks=needs_compiler), "Python"]


class Runs(msgspec.Struct):
    """What the confined functions of these tests return."""

    runs: list[Run] = []
    absent: dict[str, str] = {}
    clocked: list[Clocked] = []


def with_programs(kind: str, function: Callable[[Programs], Runs]) -> Runs:
    """Run in a confined process with the C programs, or as if there were no compiler."""

    def job() -> Runs:
        if kind == "Python":
            return function(Programs())
        with compiled("gen", "reflector") as programs:
            assert not programs.why_not, programs.why_not
            return function(programs)

    return run_confined(job, Runs, 20.0)


def clock(kind: str, answer: Callable[[int, bytes], list[bytes]], size: int = 64, window: int = 8) -> Clocked:
    """Offer 200 frames to a subject that answers the frame of this number with these frames."""

    def loop(tap: Tap) -> Callable[[Callable[[], None]], None]:
        def run(ready: Callable[[], None]) -> None:
            ready()
            number = 0
            while True:
                frame = tap.read(2048)
                number += 1
                for back in answer(number, frame[6:12] + frame[:6] + frame[12:]):
                    tap.write(back)

        return run

    def job(programs: Programs) -> Runs:
        tap = open_tap("probe0")
        forked = Forked(loop(tap))
        try:
            wait_running("probe0", DEADLINE)
            load = Load(size=size, window=window, seconds=1.0)
            return Runs(clocked=[Generator(programs).run("probe0", "02:00:00:00:00:01", load, FRAMES)])
        finally:
            forked.end()
            tap.close()

    return with_programs(kind, job).clocked[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "window"), [(60, 1), (64, 8), (1514, 64)])
def test_every_frame_that_comes_back_is_counted_once(kind: str, size: int, window: int) -> None:
    seen = clock(kind, lambda _, frame: [frame], size, window)
    assert seen.clean
    assert (seen.sent, seen.received) == (FRAMES, FRAMES)
    assert seen.measured == FRAMES
    assert 0 < seen.rtt_p50_us <= seen.rtt_p99_us
    assert seen.pps > 0
    assert seen.cpu_ns > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_frame_is_seen(kind: str) -> None:
    seen = clock(kind, lambda number, frame: [] if number == FRAMES - 20 else [frame])
    assert (seen.lost, seen.received, seen.sent) == (1, FRAMES - 1, FRAMES)
    assert not seen.clean


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_byte_a_short_frame_and_wrong_addresses_are_seen(kind: str) -> None:
    def spoil(number: int, frame: bytes) -> list[bytes]:
        wrong = {
            50: frame[:-1] + bytes([frame[-1] ^ 1]),
            60: frame[:40],
            70: frame[6:12] + frame[:6] + frame[12:],
        }
        return [wrong.get(number, frame)]

    seen = clock(kind, spoil)
    assert (seen.corrupt, seen.lost, seen.received) == (3, 3, FRAMES - 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_answer_is_seen(kind: str) -> None:
    seen = clock(kind, lambda number, frame: [frame, frame] if number == 50 else [frame])
    assert (seen.unexpected, seen.lost, seen.received) == (1, 0, FRAMES)
    assert not seen.clean


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("others", [1, 3])
def test_a_frame_that_others_overtake_is_seen_once(kind: str, others: int) -> None:
    held: list[bytes] = []

    def hold(number: int, frame: bytes) -> list[bytes]:
        if number == 50:
            held.append(frame)
            return []
        return [frame, *held] if number == 50 + others else [frame]

    seen = clock(kind, hold)
    assert (seen.reordered, seen.unexpected, seen.lost, seen.received) == (1, 0, 0, FRAMES)
    assert not seen.clean


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_subject_ends_the_run(kind: str) -> None:
    seen = clock(kind, lambda number, frame: [], window=FRAMES)
    assert (seen.received, seen.lost, seen.pps) == (0, FRAMES, 0.0)


def test_an_interface_that_is_not_there_is_an_error_that_says_so() -> None:
    def job(programs: Programs) -> Runs:
        with pytest.raises(EmulatorError, match="failed on nowhere0"):
            Generator(programs).run("nowhere0", "02:00:00:00:00:01", SHORT)
        return Runs()

    with_programs("Python", job)


@pytest.mark.parametrize("kind", KINDS)
def test_processes_are_held_on_their_cores(kind: str) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("this computer has one core: there is nothing to choose")

    class Looking(Generator):
        """One that looks where the peer's processes may run before it offers frames to them."""

        def run(self, interface: str, address: str, load: Load, count: int = 0) -> Clocked:
            assert peer.seat is not None
            held.extend(os.sched_getaffinity(pid) for pid in peer.seat.roles["worker"])
            return super().run(interface, address, load, count)

    class Seated(PytunLoop):
        """A peer that remembers its seat."""

        seat: Seat | None = None

        def start(self, interface: str) -> Seat:
            self.seat = super().start(interface)
            return self.seat

    peer, held = Seated(), list[set[int]]()

    def job(programs: Programs) -> Runs:
        measured = Bench(Looking(programs, Placement.here()), None, lambda line: None).run(
            [Contender("pytun", peer, [SHORT])], rounds=1
        )
        assert held == [{cores[0]}]
        assert os.sched_getaffinity(0) == set(cores)
        return Runs(measured.runs, measured.absent)

    assert with_programs(kind, job).runs[0].clocked.clean


@pytest.mark.parametrize("kind", KINDS)
def test_a_core_that_is_not_there_is_the_generators_error(kind: str) -> None:
    def job(programs: Programs) -> Runs:
        with pytest.raises(EmulatorError, match="the generator failed"):
            Generator(programs, Placement(0, 0, 1023)).run("lo", "02:00:00:00:00:01", SHORT)
        return Runs()

    with_programs(kind, job)


def test_who_reads_and_who_works_behind_him_are_held_apart() -> None:
    with Popen(["sleep", "60"]) as reader, Popen(["sleep", "60"]) as worker:
        cores = sorted(os.sched_getaffinity(0))
        Placement(cores[0], cores[-1], cores[-1]).hold({"host": (reader.pid,), "worker": (worker.pid,)})
        assert os.sched_getaffinity(reader.pid) == {cores[0]}
        assert os.sched_getaffinity(worker.pid) == {cores[-1]}
        reader.kill()
        worker.kill()
    with pytest.raises(EmulatorError, match="cannot be held: No such process"):
        Placement(cores[0], cores[0], cores[0]).hold({"worker": (reader.pid,)})


def test_without_a_compiler_the_peers_still_run() -> None:
    def job(programs: Programs) -> Runs:
        bench = Bench(Generator(programs), None, lambda line: None)
        measured = bench.run([Contender("pytun", PytunLoop(), [SHORT])], rounds=1)
        assert measured.pairs[0].ratio is None
        return Runs(measured.runs, measured.absent)

    seen = with_programs("Python", job)
    assert [run.clocked.clean for run in seen.runs] == [True]


def test_scapy_answers_too() -> None:
    pytest.importorskip("scapy")

    def job(programs: Programs) -> Runs:
        bench = Bench(Generator(programs), None, lambda line: None)
        measured = bench.run([Contender("scapy", ScapyAnsweringMachine(), [SHORT])], rounds=1)
        return Runs(measured.runs, measured.absent)

    seen = with_programs("Python", job)
    assert seen.runs[0].clocked.clean
    assert seen.runs[0].clocked.received > 0


class Absent:
    """A subject that this computer cannot have."""

    name = "absent"

    def start(self, interface: str) -> Seat:
        raise HostError("starting it", "do without", "planted")

    def stop(self) -> None:
        """Nothing was started."""


class Broken(PytunLoop):
    """A peer whose process fails before it can answer."""

    name = "broken"

    def start(self, interface: str) -> Seat:
        def fail(ready: Callable[[], None]) -> None:
            raise OSError("planted")

        return self._begin(interface, fail)


def test_absent_and_broken_subjects_are_reported_and_the_others_run() -> None:
    def job(programs: Programs) -> Runs:
        bench = Bench(Generator(programs), None, lambda line: None)
        subjects: dict[str, EchoSubject] = {"absent": Absent(), "broken": Broken(), "pytun": PytunLoop()}
        contenders = [Contender(name, subject, [SHORT]) for name, subject in subjects.items()]
        measured = bench.run(contenders, rounds=1)
        return Runs(measured.runs, measured.absent)

    seen = with_programs("Python", job)
    assert [run.contender for run in seen.runs] == ["pytun"]
    assert "planted" in seen.absent["absent"]
    assert "broken ended before it was ready" in seen.absent["broken"]
