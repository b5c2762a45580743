"""The parts of the benchmark on numbers written here: ratios within a round, figures, goals, plots, and the command."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import pytest

from emulator.rules.errors import EmulatorError, HostError
from tools.bench import __main__ as command
from tools.bench import (
    adapters,
    echo_report,
    filters,
    frames,
    length,
    outstanding,
    plots,
    startup,
    tcp,
    whole,
    workitems,
)
from tools.bench.echo import Measured, Pair, Run
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine
from tools.bench.figures import Spread
from tools.bench.generator import FAULTS, Clocked, Load
from tools.bench.machine import this_machine
from tools.bench.part import Bounds, Curve, PartReport, Plot, Table, text
from tools.bench.registry import PARTS, module_of, run_part
from tools.bench.turns import Sample, Samples, Turn, take_turns

if TYPE_CHECKING:
    from tools.bench.roads import Road

MACHINE: Final = this_machine("C", "cc 1")


def echoed(contender: str, load: Load, pps: float, of: float, worker_ns: float = 100.0) -> Pair:
    """A run of a contender between two of the baseline."""

    def one(rate: float, *, baseline: bool) -> Run:
        clocked = Clocked(
            pps=rate, sent=9, received=9, lost=0, reordered=0, corrupt=0, unexpected=0, refused=0, stalls=0, measured=9,
            seconds=0.1, rtt_p50_us=10.0, rtt_p99_us=20.0, cpu_ns=1000, rtt_p90_us=15.0, rtt_p999_us=30.0,
        )  # fmt: skip
        return Run(contender, baseline, load.name, 1, clocked, {"host": 50.0, "worker": worker_ns}, 90.0, 0.0)

    return Pair(one(pps, baseline=False), one(of, baseline=True), one(of, baseline=True))


def measured(*pairs: Pair) -> Measured:
    """What a bench would have kept of these."""
    runs = [run for pair in pairs for run in (pair.before, pair.run, pair.after) if run is not None]
    return Measured(list(pairs), runs)


# -- turns -------------------------------------------------------------------------------------------------------------


def test_every_subject_has_its_turn_in_every_round_and_is_compared_within_it() -> None:
    rates = {"mine": iter((10.0, 40.0)), "peer": iter((20.0, 40.0))}

    def measure(name: str) -> dict[str, float]:
        return {"rate": next(rates[name])}

    turns = [Turn(name, 0, functools.partial(measure, name)) for name in rates]
    samples = take_turns(turns, 2, lambda line: None)
    assert [(one.subject, one.round) for one in samples.taken] == [("mine", 1), ("peer", 1), ("mine", 2), ("peer", 2)]
    assert samples.ratio("mine", 0, "rate", "peer") == Spread(0.75, 0.5, 1.0, 2)
    assert samples.raw("mine", 0, "rate") == [10.0, 40.0]
    assert samples.ratio("mine", 0, "rate", "nobody") is None


def test_a_turn_that_fails_is_said_and_left_out_from_then_on() -> None:
    said: list[str] = []
    calls: list[int] = []

    def fail() -> dict[str, float]:
        calls.append(1)
        raise HostError("starting it", "do without", "planted")

    samples = take_turns([Turn("bad", 4, fail), Turn("good", 0, lambda: {"rate": 1.0})], 2, said.append)
    assert (len(calls), samples.subjects(), samples.places("good")) == (1, ["good"], [0])
    assert "planted" in samples.absent["bad, 4"]
    assert any("planted" in line for line in said)


def test_a_round_for_which_there_is_no_time_does_not_begin() -> None:
    said: list[str] = []
    assert not take_turns([Turn("one", 0, lambda: {"rate": 1.0})], 3, said.append, until=0.0).taken
    assert said == ["the time is over: 0 of 3 rounds"]


# -- the reports -------------------------------------------------------------------------------------------------------


def test_frames_gives_a_ratio_for_each_build_size_and_window() -> None:
    load = Load(size=512, window=64, seconds=1.0)
    report = frames.report(measured(echoed(echo_report.CHECKED, load, 30.0, 60.0)), MACHINE)
    assert report.figures["frames_checked_512_64"] == 0.5
    assert report.figures["frames_free_512_64"] is None
    assert len(report.figures) == 2 * len(frames.SIZES) * len(frames.WINDOWS)
    shown = text(report)
    assert "p99.9" in shown
    assert "raw, in order" in shown
    assert "raw, in order" not in text(report, short=True)
    assert {load.name for load in frames.loads(True)} == {load.name for load in frames.loads(False)}


def test_filters_gives_the_ratio_with_two_and_what_each_costs() -> None:
    flood = filters.loads(False)[0]
    pairs = [
        echoed(filters.named("checked", count), flood, 50.0 - count, 100.0, 1000.0 + 150 * count)
        for count in filters.COUNTS["checked"]
    ]
    report = filters.report(measured(*pairs), MACHINE)
    assert report.figures["filters2_ratio"] == 0.48
    assert report.figures["filter_ns_checked"] == pytest.approx(150.0)
    assert report.figures["filter_ns_free"] is None
    names = ["emulator, checked", "emulator, free", echo_report.BASELINE]
    assert [curve.name for curve in report.plots[0].curves] == names


def clean(**faults: float) -> dict[str, float]:
    """The counters of a run in which this became of frames."""
    return {**dict.fromkeys(FAULTS, 0.0), **faults}


def samples_of(*taken: tuple[str, float, int, dict[str, float]]) -> Samples:
    """Samples as they would have been taken."""
    return Samples([Sample(*one) for one in taken])


def test_adapters_compares_the_most_with_one() -> None:
    ours, peer = adapters.named(adapters.CHECKED, adapters.ONE), adapters.named(adapters.BASELINE, adapters.ONE)
    values = {"slowest": 1.0, "fastest": 2.0, "worker_ns": 5.0, **clean(lost=1, reordered=2)}
    samples = samples_of(
        (ours, 1, 1, {"pps": 100.0, **values}),
        (peer, 1, 1, {"pps": 200.0, **values}),
        (ours, 16, 1, {"pps": 80.0, **values}),
        (peer, 16, 1, {"pps": 320.0, **values}),
    )
    report = adapters.report(samples, {(adapters.CHECKED, 1): 0.5, (adapters.CHECKED, 16): 0.93}, MACHINE)
    assert {name: value for name, value in report.figures.items() if value is not None} == {
        "adapters16_share": 0.8,
        "adapters16_ratio": 0.25,
    }
    assert report.faults == {"lost": 2, "reordered": 4, "corrupt": 0, "unexpected": 0}
    shown = text(report)
    assert "the emulator's frames, all runs: lost 2, reordered 4, corrupt 0, unexpected 0" in shown
    assert "0.50 [0.50-0.50]" in shown
    assert "0.93" in shown


def test_adapters_has_every_peer_on_as_many_interfaces(tmp_path: Path) -> None:
    names = [one.name for one in adapters.subjects(3, tmp_path)]
    assert names == [adapters.CHECKED, CReflector.name, PytunLoop.name, ScapyAnsweringMachine.name]
    assert len(adapters.subjects(3, None)) == 3


def test_outstanding_compares_the_most_with_one() -> None:
    values = {"ns": 3000.0, "workers": 1.0}
    samples = samples_of(
        (outstanding.CHECKED, 1, 1, {"per_second": 200.0, **values}),
        (outstanding.CHECKED, 1000, 1, {"per_second": 150.0, **values}),
        (outstanding.FASTER_FIFO, 1, 1, {"per_second": 100.0, **values}),
    )
    report = outstanding.report(samples, MACHINE)
    assert report.figures == {"outstanding_share": 0.75}
    assert "2.00 [2.00-2.00]" in text(report)


def test_tcp_compares_with_the_c_copier_on_the_same_road_and_frames() -> None:
    counts = {"again": 1.0, "out_of_order": 0.0, "corrupt": 2.0}
    taken = [
        (tcp.named(who, road, kind), 0.0, 1, {"gbit": rate, "ends_ns": 1.0, "foreign_cores": 0.0, **counts})
        for who, road, kind, rate in (
            (tcp.C, tcp.ONE, tcp.PLAIN, 2.0),
            (tcp.CHECKED, tcp.ONE, tcp.PLAIN, 0.5),
            (tcp.C, tcp.ONE, tcp.LARGE, 10.0),
            (tcp.CHECKED, tcp.ONE, tcp.LARGE, 8.0),
            (tcp.SCAPY, tcp.ONE, tcp.PLAIN, 0.02),
        )
    ]
    report = tcp.report(samples_of(*taken), MACHINE)
    assert (report.figures["tcp_ratio"], report.figures["tcp_plain_ratio"]) == (0.8, 0.25)
    assert report.figures["tcp_bridge_ratio"] is None
    assert report.faults == {"sent again": 2, "out of order": 0, "corrupt": 4}
    assert "0.020 [0.020-0.020]" in text(report)


def test_tcp_has_every_peer_where_it_can_be() -> None:
    def peers(road: str, frames: str) -> list[str]:
        begin = tcp.named("", road, frames)
        return [name.removeprefix(begin) for name, _ in laid if name.startswith(begin)]

    laid = tcp.roads(Bounds(print, 1), lambda taps, large: cast("Road", None))
    own = [tcp.CHECKED, tcp.FREE]
    assert peers(tcp.ONE, tcp.PLAIN) == [tcp.C, tcp.PYTUN, tcp.SCAPY, *own]
    assert peers(tcp.ONE, tcp.LARGE) == [tcp.C, tcp.PYTUN, *own]
    assert peers(tcp.BRIDGE, tcp.PLAIN) == [tcp.KERNEL, tcp.C, tcp.PYTUN, tcp.SCAPY, *own]
    assert peers(tcp.BRIDGE, tcp.LARGE) == [tcp.KERNEL, tcp.C, tcp.PYTUN, *own]


def test_tcp_says_where_super_frames_are_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "have_offloads", lambda: False)
    report = tcp.report(samples_of(), MACHINE)
    assert report.figures["tcp_ratio"] is None
    assert "not available" in text(report)


def test_length_counts_growth_from_the_end_of_the_first_quarter() -> None:
    seen: list[dict[str, Any]] = [
        {"subject": length.CHECKED, "piece": n, "sent": 10, "pps": 50.0, "host_kib": kib, **clean(reordered=1)}
        for n, kib in enumerate((100, 180, 200, 205))
    ]
    report = length.report(seen, {"scapy": "planted"}, MACHINE)
    assert report.figures["length_host_growth_kib"] == 25.0
    assert (report.figures["length_frames"], report.figures["length_ratio"]) == (40.0, None)
    assert report.faults == {"lost": 0, "reordered": 4, "corrupt": 0, "unexpected": 0}
    assert [report.figures[f"length_{fault}"] for fault in FAULTS] == list(report.faults.values())
    beside = [{"subject": PytunLoop.name, **one, "pps": 25.0} for one in seen]
    assert length.ratios(seen, beside) == Spread(2.0, 2.0, 2.0, 4)
    assert length.seconds(10_000_000) == 500.0


def test_startup_gives_its_figures_by_subject() -> None:
    samples = samples_of(
        (startup.PASS, 0, 1, {"seconds": 0.02}),
        (startup.CHECKED, 0, 1, {"seconds": 0.7, "interface": 0.4}),
    )
    report = startup.report(samples, MACHINE)
    assert (report.figures["first_frame_s"], report.figures["python_pass_s"]) == (0.7, 0.02)
    assert (report.figures["first_frame_interface_s"], report.figures["first_frame_free_s"]) == (0.4, None)


def test_every_figure_is_explained_in_the_documentation() -> None:
    reports = [
        echo_report.report(Measured(), MACHINE),
        workitems.report(workitems.Measured(), MACHINE),
        frames.report(Measured(), MACHINE),
        filters.report(Measured(), MACHINE),
        adapters.report(Samples(), {}, MACHINE),
        tcp.report(Samples(), MACHINE),
        outstanding.report(Samples(), MACHINE),
        length.report([], {}, MACHINE),
        startup.report(Samples(), MACHINE),
    ]
    assert [one.part for one in reports] == list(PARTS)
    lines = Path(command.DOCS, "benchmarks.md").read_text(encoding="utf-8").splitlines()
    for report in reports:
        told = " ".join(line for line in lines if line.startswith(f"| {report.part} |"))
        for name in report.figures:
            known = "frames_BUILD_SIZE_WINDOW" if report.part == "frames" else name
            assert f"`{known}`" in told, f"{name} of {report.part} is not in docs/benchmarks.md"
        named = set(re.findall(r"`([a-z0-9_]+)`", " ".join(told.split("|")[2::4])))
        assert report.part == "frames" or named == set(report.figures)


# -- the whole, and the command ----------------------------------------------------------------------------------------


def small(part: str, **figures: float | None) -> PartReport:
    """A part that somebody has measured."""
    plot = Plot("thing", "A thing", "x", "y", [Curve("one", [1.0, 2.0], [Spread(1.0, 0.5, 2.0, 3)] * 2)])
    bars = msgspec.structs.replace(plot, name="bars", labels=["a", "b"])
    points = msgspec.structs.replace(bars, name="points", log_up=True)
    return PartReport(
        part=part,
        title=part.title(),
        figures=figures,
        machine=MACHINE,
        tables=[Table("", ["who", "what"], [["me", "1"]])],
        plots=[plot, bars, points, msgspec.structs.replace(plot, name="empty", curves=[])],
    )


def test_all_has_every_figure_beside_its_goal_and_names_what_failed() -> None:
    reports = [small("echo", ratio_checked=0.3, rtt_ratio=None), small("startup", first_frame_s=0.7)]
    shown = whole.text(reports, {"tcp": "planted"})
    (line,) = [line for line in shown.splitlines() if line.startswith("| ratio_checked")]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["ratio_checked", "0.300", "at least 0.58", "echo"]
    assert "failed: tcp: planted" in shown
    written = msgspec.json.decode(whole.as_json(reports, {"tcp": "planted"}))
    assert (written["ratio_checked"], written["rtt_ratio"], written["first_frame_s"]) == (0.3, None, 0.7)
    assert (set(written["parts"]), written["failed"]) == ({"echo", "startup"}, {"tcp": "planted"})


def test_every_part_can_be_imported_and_measured() -> None:
    assert all(callable(module_of(part).measure) for part in PARTS.values())
    assert {"ratio_checked", "first_frame_s", "tcp_ratio", "filters2_ratio"} <= set(whole.GOALS)


def test_the_command_runs_every_part_and_goes_on_where_one_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, int, bool, int]] = []
    left: list[bool] = []

    def run(
        part: Any, say: Any, rounds: int = 0, *, quick: bool = False, frames: int = 0, loose: bool = False
    ) -> PartReport:
        asked.append((part.name, rounds, quick, frames))
        left.append(loose)
        if part.name == "tcp":
            raise EmulatorError("planted")
        return small(part.name, **{part.name: 1.0})

    monkeypatch.setattr(command, "run_part", run)
    assert command.main(["all", "--quick", "--json", "--frames", "1000"]) == EmulatorError.exit_code
    assert [name for name, *_ in asked] == list(PARTS)
    assert {(rounds, quick) for _, rounds, quick, _ in asked} == {(0, True)}
    assert {name: count for name, _, _, count in asked if count} == {"length": 1000}
    written = msgspec.json.decode(capsys.readouterr().out)
    assert written["failed"] == {"tcp": "planted"}
    assert written["startup"] == 1.0
    assert not any(left)
    assert command.main(["startup", "--json", "--loose"]) == 0
    assert left.pop()
    assert msgspec.json.decode(capsys.readouterr().out)["startup"] == 1.0
    assert command.main(["tcp"]) == EmulatorError.exit_code


@pytest.mark.parametrize(
    "words", [["echo", "--rounds", "9"], ["echo", "--frames", "5"], ["length", "--frames", "-1"], ["nothing"]]
)
def test_a_wrong_word_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(words)
    assert caught.value.code == 2
    assert "python -m tools.bench" in capsys.readouterr().err


def test_a_part_runs_in_a_confined_process_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(bounds: Any) -> PartReport:
        return small("startup", rounds=float(bounds.rounds), frames=float(bounds.frames), quick=float(bounds.quick))

    monkeypatch.setattr(outstanding, "measure", measure)
    part = PARTS["outstanding"]
    assert run_part(part, print).figures == {"rounds": part.rounds, "frames": 0.0, "quick": 0.0}
    assert run_part(part, print, quick=True).figures["rounds"] == 1.0
    assert run_part(part, print, 2).figures["rounds"] == 2.0


# -- plots -------------------------------------------------------------------------------------------------------------


def test_without_matplotlib_one_line_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command.main(["startup", "--plots", "nowhere"]) == HostError.exit_code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install matplotlib" in said


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["all"], command.DOCS),
        (["all", "--quick"], None),
        (["echo"], None),
        (["echo", "--plots", "there"], "there"),
        (["all", "--plots", "there"], "there"),
    ],
)
def test_all_parts_are_drawn_into_the_documentation(words: list[str], folder: str | None) -> None:
    assert command.where_to_draw(command.options(words)) == folder


def test_all_parts_are_measured_without_matplotlib_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command.where_to_draw(command.options(["all"])) is None
    assert "pip install matplotlib" in capsys.readouterr().err


def test_plots_are_small_files_of_text(tmp_path: Path) -> None:
    drawn = plots.draw(small("echo").plots, str(tmp_path / "new"))
    assert [path.name for path in drawn] == ["bench-thing.svg", "bench-bars.svg", "bench-points.svg"]
    for path in drawn:
        assert "A thing" in path.read_text()
        assert path.stat().st_size < 60_000
        assert (">1.00<" in path.read_text()) == (path.name == "bench-bars.svg")  # the value above its bar
    again = plots.draw(small("echo").plots, str(tmp_path / "again"))
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]
