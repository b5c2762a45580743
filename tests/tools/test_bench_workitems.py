"""The peers of the work-item benchmark run each item once, and one that fails is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from emulator.rules.errors import EmulatorError, HostError
from tests.patience import eventually
from tools.bench import workitems
from tools.bench.emulator_subjects import EmulatorWorkItems
from tools.bench.machine import this_machine
from tools.bench.part import text
from tools.bench.pipelines import FasterFifo, MultiprocessingQueue, Pipeline, ProcessPool
from tools.bench.workitem_subjects import PipelineSubject, Saturation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.echo_subjects import Build
    from tools.bench.pipelines import MakeConsumer

PEERS = [ProcessPool, MultiprocessingQueue, FasterFifo]


def subject(pipeline: type[Pipeline]) -> PipelineSubject:
    if pipeline is FasterFifo:
        pytest.importorskip("faster_fifo")
    made = PipelineSubject(pipeline)
    made.start()
    return made


@pytest.mark.parametrize("pipeline", PEERS)
def test_every_item_queued_without_rest_is_run(pipeline: type[Pipeline]) -> None:
    def counted() -> bool:
        # On a busy computer one of the two may not run in so short a time: then once more.
        seen = subject(pipeline).saturate(0.01, 0.05)
        assert seen.clean
        assert set(seen.ns) == {"producer", "consumer"}
        return seen.ran > 0 and all(value > 0 for value in seen.ns.values())

    assert eventually(counted)


@pytest.mark.parametrize("awake", [True, False])
@pytest.mark.parametrize("pipeline", PEERS)
def test_lone_items_are_timed_one_by_one(pipeline: type[Pipeline], awake: bool) -> None:
    waits = subject(pipeline).lone(30, 50, awake=awake)
    assert len(waits) == 30
    assert all(500 < wait < 1_000_000_000 for wait in waits)


@pytest.mark.parametrize("build", ["checked", "free"])
def test_the_driver_of_the_emulator_queues_without_rest_and_times_lone_items(build: Build) -> None:
    made = EmulatorWorkItems(build)
    made.start()
    try:
        seen = made.saturate(0.01, 0.2)
        waits = made.lone(5, 100)
        awake = made.lone(20, 50, awake=True)
    finally:
        made.stop()
    assert made.name == f"emulator, {build}"
    assert seen.clean
    assert seen.ran > 0
    assert (len(waits), len(awake)) == (5, 20)
    assert all(500 < wait < 1_000_000_000 for wait in waits + awake)


class Forgetful(MultiprocessingQueue):
    """A queue that drops every tenth item: the fault that the counts must show."""

    name: ClassVar[str] = "forgetful"

    def __init__(self, words: memoryview, make_consumer: MakeConsumer) -> None:
        super().__init__(words, make_consumer)
        put, number = self.put, 0

        def sometimes(item: bytes) -> None:
            nonlocal number
            number += 1
            if number % 10 or len(item) == 1:
                put(item)

        self.put: Callable[[bytes], object] = sometimes


def test_a_dropped_item_is_seen() -> None:
    seen = subject(Forgetful).saturate(0.01, 0.03)
    assert not seen.clean
    assert seen.ran < seen.queued


class Failing:
    """A subject that fails in its second round."""

    name = "failing"

    def __init__(self) -> None:
        self.rounds = 0

    def start(self) -> None:
        self.rounds += 1

    def stop(self) -> None:
        """Nothing was started."""

    def saturate(self, warm_up: float, seconds: float) -> Saturation:
        if self.rounds == 2:
            raise EmulatorError("planted")
        return Saturation(1000.0, 5, 5, seconds, {}, 0.0)

    def lone(self, count: int, pause_us: int, *, awake: bool = False) -> list[int]:
        return [1000] * count


class Absent(Failing):
    """A subject that this computer does not have."""

    name = "absent"

    def start(self) -> None:
        raise HostError("importing it", "pip install it", "planted")


def test_a_subject_that_fails_is_said_and_its_earlier_rounds_are_kept() -> None:
    said: list[str] = []
    measured = workitems.measure([Absent(), Failing()], said.append, 3, 0.01, 5)
    assert [(one.subject, one.round) for one in measured.rounds] == [("failing", 1)]
    assert set(measured.absent) == {"absent", "failing"}
    assert any("planted" in line for line in said)
    result = workitems.report(measured, this_machine())
    assert result.rows[0]["per_second"]["count"] == 1
    assert "absent: absent: importing it failed" in text(result)


def test_a_round_for_which_there_is_no_time_does_not_begin() -> None:
    said: list[str] = []
    assert not workitems.measure([Failing()], said.append, 3, 0.01, 5, until=0.0).rounds
    assert said == ["the time is over: 0 of 3 rounds"]
