"""The statistics and the tables of the benchmarks, and the arithmetic of their ratios, on numbers written here."""

from __future__ import annotations

import msgspec
import pytest

from tools.bench import echo_report, workitems
from tools.bench.echo import LOADS, SLOW_PEER_LOADS, Measured, Pair, Run, duration
from tools.bench.figures import percentile, spread
from tools.bench.generator import Clocked
from tools.bench.machine import this_machine
from tools.bench.part import PartReport, as_json, text
from tools.bench.registry import LAST_ROUND_SECONDS
from tools.bench.table import listed, ranged, table
from tools.bench.workitem_subjects import Saturation


def clocked(pps: float, rtt: float = 10.0, lost: int = 0) -> Clocked:
    return Clocked(
        pps=pps, sent=100 + lost, received=100, lost=lost, reordered=0, corrupt=0, unexpected=0, refused=0, stalls=0,
        measured=100, seconds=0.1, rtt_p50_us=rtt, rtt_p99_us=rtt * 2, cpu_ns=1000,
    )  # fmt: skip


def run(
    contender: str, pps: float, *, baseline: bool = False, number: int = 1, rtt: float = 10.0, lost: int = 0
) -> Run:
    return Run(contender, baseline, echo_report.HEADLINE, number, clocked(pps, rtt, lost), {"worker": 100.0}, 90.0, 0.0)


def test_a_percentile_is_an_observed_value() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile(values, 0.0) == 1.0
    assert percentile([7.0], 1.0) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_spread_keeps_the_range_and_the_count() -> None:
    assert spread([]) is None
    value = spread([3.0, 1.0, 2.0])
    assert value is not None
    assert (value.median, value.low, value.high, value.count) == (2.0, 1.0, 3.0, 3)
    assert ranged(value, 1) == "2.0 [1.0-3.0]"
    assert ranged(None) == "-"
    assert listed([1500.0, 2500.0], 1, 1e-3) == "1.5 2.5"


def test_a_table_refuses_a_ragged_row() -> None:
    assert table(("a", "b"), [("x", "10")]).splitlines() == ["| a |  b |", "|---|---:|", "| x | 10 |"]
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        table(("a", "b"), [("x",)])


def test_a_ratio_is_to_the_mean_of_the_baseline_before_and_after() -> None:
    pair = Pair(run("x", 300.0, rtt=30.0), run("x", 500.0, baseline=True), run("x", 700.0, baseline=True, rtt=20.0))
    assert pair.ratio == 0.5
    assert pair.rtt_ratio == 2.0
    assert Pair(run("x", 300.0), None, None).ratio is None


def test_the_headline_figures_are_medians_of_the_pairs_and_a_lost_frame_is_shown() -> None:
    measured = Measured()
    for number, (mine, beside) in enumerate([(40.0, 100.0), (60.0, 100.0), (50.0, 200.0)], 1):
        base = run(echo_report.CHECKED, beside, baseline=True, number=number)
        own = run(echo_report.CHECKED, mine, number=number, lost=3 if number == 2 else 0)
        measured.runs += [base, own]
        measured.pairs.append(Pair(own, base, base))
    result = echo_report.report(measured, this_machine("C", "cc 1"))
    assert result.figures == {"ratio_checked": 0.4, "ratio_free": None, "rtt_ratio": None}
    row = next(row for row in result.rows if row["contender"] == echo_report.CHECKED)
    assert (row["lost"], row["unclean_runs"], row["raw_pps"]) == (3, 1, [40.0, 60.0, 50.0])
    shown = text(result)
    assert "1/3" in shown
    assert "0.40 [0.25-0.60]" in shown
    assert msgspec.json.decode(msgspec.json.encode(result), type=PartReport) == result
    written = msgspec.json.decode(as_json(result))
    assert (written["ratio_checked"], written["ratio_free"], len(written["runs"])) == (0.4, None, 6)


def test_without_a_compiler_the_ratio_columns_say_so() -> None:
    own = run("pytun loop", 50.0)
    result = echo_report.report(Measured([Pair(own, None, None)], [own]), this_machine("Python", ""))
    assert "no compiler" in text(result)
    assert result.rows[0]["ratio"] is None


def test_work_items_are_compared_within_the_round() -> None:
    def one(subject: str, number: int, per_second: float, ran: int = 10) -> workitems.RoundOf:
        saturation = Saturation(per_second, 10, ran, 0.1, {"producer": 1.0, "consumer": 1.0}, 0.0)
        return workitems.RoundOf(subject, number, saturation, 20.0 * number, 50.0, 90.0, 150.0, 100)

    rounds = [one(workitems.EMULATOR, 1, 400.0), one(workitems.PROCESS_POOL, 1, 10.0)]
    rounds += [one(workitems.EMULATOR, 2, 100.0, ran=9), one(workitems.PROCESS_POOL, 2, 5.0)]
    result = workitems.report(workitems.Measured(rounds, {"faster-fifo": "not installed"}), this_machine())
    figures = result.figures
    assert (figures["per_second"], figures["vs_processpool"], figures["vs_faster_fifo"]) == (250.0, 30.0, None)
    assert (figures["p50_us"], figures["p99_us"]) == (30.0, 50.0)
    shown = text(result)
    assert "absent: faster-fifo: not installed" in shown
    assert "1/2" in shown


def test_the_whole_plan_fits_into_its_time() -> None:
    echo = duration([LOADS, LOADS, LOADS, SLOW_PEER_LOADS])
    assert echo < LAST_ROUND_SECONDS - 3, f"{echo:.1f} s of measuring leave no room for starting the subjects"
