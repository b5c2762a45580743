"""The parts of the benchmark with real processes, each for an instant: what runs is counted, what is over is gone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import msgspec
import pytest

from emulator.rules.errors import EmulatorError
from tests.patience import DEADLINE, eventually
from tools.bench import adapters, length, outstanding, startup
from tools.bench.compiler import Programs, compiled, find_compiler
from tools.bench.confinement import run_confined
from tools.bench.echo import Bench, Contender, Run
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine, Seat
from tools.bench.emulator_subjects import EmulatorEcho, wait_started
from tools.bench.generator import FAULTS, Generator, Load
from tools.bench.link import open_tap

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.console import MachineProxy
    from tools.bench.echo_subjects import Build

SHORT: Final = Load(size=64, window=16, seconds=0.03, warm_up=0.01)
LONE: Final = Load(size=64, window=1, seconds=0.02, warm_up=0.01)
needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


class Seen(msgspec.Struct):
    """What the confined functions of these tests return."""

    runs: list[Run] = []
    absent: dict[str, str] = {}
    values: list[dict[str, float]] = []


def confined(function: Callable[[Programs], Seen], *names: str) -> Seen:
    """Run in a confined process with these C programs."""

    def job() -> Seen:
        with compiled(*names) as programs:
            assert not programs.why_not, programs.why_not
            return function(programs)

    return run_confined(job, Seen, 40.0)


class FailsInTheSecondRound(PytunLoop):
    """A subject that is gone when its second run begins."""

    name = "fails"

    def start(self, interface: str) -> Seat:
        seat = super().start(interface)
        return Seat(seat.interface, seat.address, {"worker": _OneLife(seat.roles["worker"])})


class _OneLife(tuple[int, ...]):
    """Process numbers that are those of nobody from the third look on."""

    looks = 0

    def __iter__(self) -> Any:
        _OneLife.looks += 1
        return iter((1 << 22,)) if _OneLife.looks > 2 else super().__iter__()


@pytest.mark.tap
@needs_compiler
def test_contenders_that_are_up_together_take_turns_between_runs_of_the_baseline() -> None:
    def job(programs: Programs) -> Seen:
        reflector = programs.path("reflector")
        assert reflector is not None
        bench = Bench(Generator(programs), CReflector(reflector), lambda line: None)
        contenders = [
            Contender("fails", FailsInTheSecondRound(), [SHORT]),
            Contender("pytun", PytunLoop(), [SHORT, LONE]),
        ]
        measured = bench.run(contenders, 2)
        assert all(pair.ratio is not None for pair in measured.pairs)
        assert [pair.run.contender for pair in measured.pairs] == ["fails", "pytun", "pytun", "pytun", "pytun"]
        return Seen(measured.runs, measured.absent)

    seen = confined(job, "gen", "reflector")
    first = [(run.contender, run.baseline, run.load) for run in seen.runs if run.round == 1]
    assert first == [
        ("fails", True, SHORT.name),
        ("fails", False, SHORT.name),
        ("fails", True, SHORT.name),
        ("pytun", False, SHORT.name),
        ("pytun", True, SHORT.name),
        ("pytun", True, LONE.name),
        ("pytun", False, LONE.name),
        ("pytun", True, LONE.name),
    ]
    assert all(run.clocked.clean for run in seen.runs)
    assert all(run.clocked.rtt_p50_us <= run.clocked.rtt_p90_us <= run.clocked.rtt_p999_us for run in seen.runs)
    assert "has ended" in seen.absent["fails"]


@pytest.mark.tap
def test_together_no_round_begins_for_which_there_is_no_time() -> None:
    def job() -> Seen:
        said: list[str] = []
        bench = Bench(Generator(Programs()), None, said.append, until=0.0)
        measured = bench.run([Contender("pytun", PytunLoop(), [SHORT])], 2)
        assert said == ["the time is over: 0 of 2 rounds"]
        return Seen(measured.runs, measured.absent)

    assert run_confined(job, Seen, 20.0) == Seen()


@pytest.mark.tap
def test_the_emulator_with_two_filters_and_two_adapters_answers_on_both() -> None:
    def job() -> Seen:
        subject = EmulatorEcho("checked", filters=2, adapters=2)
        try:
            seat = adapters.started_on(subject, "both", 2)
            return Seen(values=[adapters.clock(Generator(Programs()), seat, 2, SHORT)])
        finally:
            subject.stop()

    (value,) = run_confined(job, Seen, 40.0).values
    assert not any(value[fault] for fault in FAULTS)
    assert value["host_ns"] > 0
    assert value["worker_ns"] > 0


@pytest.mark.tap
@needs_compiler
def test_the_reflector_serves_several_interfaces() -> None:
    def job(programs: Programs) -> Seen:
        reflector = programs.path("reflector")
        assert reflector is not None
        subject = CReflector(reflector, 3)
        try:
            seat = adapters.started_on(subject, "three", 3)
            return Seen(values=[adapters.clock(Generator(programs), seat, 3, SHORT)])
        finally:
            subject.stop()

    (value,) = confined(job, "gen", "reflector").values
    assert not any(value[fault] for fault in FAULTS)
    assert 0 <= value["slowest"] <= value["fastest"] <= value["pps"]


@pytest.mark.tap
@pytest.mark.parametrize("peer", [PytunLoop, ScapyAnsweringMachine])
def test_a_peer_in_python_serves_several_interfaces(peer: type[PytunLoop | ScapyAnsweringMachine]) -> None:
    if peer is ScapyAnsweringMachine:
        pytest.importorskip("scapy")

    def job() -> Seen:
        subject = peer(2)
        try:
            seat = adapters.started_on(subject, "two", 2)
            load = msgspec.structs.replace(SHORT, window=4)
            clocked = [Generator(Programs()).run(name, seat.address, load, count=20) for name in ("two", "twox1")]
            assert [(one.received, one.clean) for one in clocked] == [(20, True), (20, True)]
            return Seen(values=[adapters.clock(Generator(Programs()), seat, 2, SHORT)])
        finally:
            subject.stop()

    (value,) = run_confined(job, Seen, 40.0).values
    assert not any(value[fault] for fault in FAULTS)
    assert value["worker_ns"] > 0


class Confusing(PytunLoop):
    """Forgets its third frame, and answers the sixth after the seventh."""

    def start(self, interface: str) -> Seat:
        self._taps.append(tap := open_tap(interface))

        def loop(ready: Callable[[], None]) -> None:
            ready()
            frames: list[bytes] = []
            while True:
                frame = tap.read(2048)
                frames.append(frame[6:12] + frame[:6] + frame[12:])
                number = len(frames)
                for one in [] if number in (3, 6) else frames[:-3:-1] if number == 7 else frames[-1:]:
                    tap.write(one)

        return self._begin(interface, loop)


@pytest.mark.tap
def test_what_becomes_of_the_frames_of_all_interfaces_is_counted() -> None:
    def job() -> Seen:
        subject = Confusing()
        try:
            return Seen(
                values=[adapters.clock(Generator(Programs()), adapters.started_on(subject, "one", 1), 1, SHORT)]
            )
        finally:
            subject.stop()

    (value,) = run_confined(job, Seen, 40.0).values
    assert {fault: value[fault] for fault in FAULTS} == {"lost": 1, "reordered": 1, "corrupt": 0, "unexpected": 0}


@pytest.mark.parametrize("build", ["checked", "free"])
def test_items_that_queue_themselves_are_counted(build: Build) -> None:
    def counted() -> bool:
        # On a busy computer nothing may run in so short a time: then once more.
        value = outstanding.circulate(build, 300, 0.01, 0.05)
        assert value["workers"] >= 1
        return value["per_second"] > 0 and value["ns"] > 0

    assert eventually(counted)


@pytest.mark.parametrize("make", [outstanding.queue, outstanding.faster_fifo])
def test_a_peer_puts_back_what_it_takes(make: Callable[[int], Any]) -> None:
    if make is outstanding.faster_fifo:
        pytest.importorskip("faster_fifo")

    def counted() -> bool:
        value = outstanding.put_back(make, "peer", 50, 0.01, 0.05)
        return value["per_second"] > 0 and value["ns"] > 0

    assert eventually(counted)


class Refused:
    """A machine whose driver has refused its adapter."""

    name = "refused"
    statuses: ClassVar[list[int]] = [-0x3FFFFF66]

    def wait_running(self, timeout: float) -> None:
        """It runs."""


def test_an_adapter_that_does_not_start_is_an_error() -> None:
    with pytest.raises(EmulatorError, match="0xC000009A to their start"):
        wait_started(cast("MachineProxy", Refused()))


def test_private_memory_is_read_and_a_process_that_is_gone_is_said() -> None:
    assert length.private_kib([os.getpid()]) > 1000
    with pytest.raises(EmulatorError, match="has ended"):
        length.private_kib([1 << 22])


@pytest.mark.tap
@needs_compiler
def test_the_first_frame_is_answered_by_a_program_that_is_ended_then(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LONGEST_SECONDS", "LAST_SECONDS"):
        monkeypatch.setattr(startup, name, DEADLINE)

    def job(programs: Programs) -> Seen:
        reflector = programs.path("reflector")
        assert reflector is not None
        ours = startup.own_station()
        return Seen(
            values=[
                startup.first_frame(dict(os.environ), startup.run_of(), ours),
                startup.first_frame_of_c(CReflector(reflector)),
            ]
        )

    ours, peer = confined(job, "reflector").values
    for value in (ours, peer):
        assert 0 < value["interface"] <= value["seconds"]


@pytest.mark.tap
def test_a_program_that_answers_nothing_is_an_error_with_its_words() -> None:
    def job() -> Seen:
        command = [*startup.run_of()[:1], "-c", "raise SystemExit('planted')"]
        with pytest.raises(EmulatorError, match="planted"):
            startup.first_frame(dict(os.environ), command, bytes(6))
        return Seen()

    run_confined(job, Seen, 20.0)
