"""Machines of live processes: birth, control, work, orderly end, and two of them at once."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host import messages, supervisor
from emulator.host.console import Console, MachineStop
from emulator.rules.control import ControlOperation
from emulator.sync.descriptors import Channel
from tests.host.machines import alive, children, gone, provoke, started, toy
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def test_a_machine_starts_runs_and_ends_in_order(console: Console) -> None:
    machine = started(console, processors=2, passive_workers=3)
    pids = machine.pids()
    assert sorted(pids) == [1, 2, 3, 4, 5, 6, 7, 8]  # zygote, PnP, requests, two processors, three workers
    assert all(alive(pid) for pid in pids.values())
    assert machine.control(400, 0, 7) == 400
    assert machine.stop() is None
    assert machine.screen == ""
    assert gone(list(pids.values())) == []


def test_a_nursery_that_is_slower_than_the_zygote_it_has_forked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine runs when all of its processes are known, the zygote too."""
    word = tmp_path / "go on"
    send = Channel.send

    def late(channel: Channel[Any], message: object, fds: Sequence[int] = ()) -> None:
        if isinstance(message, messages.ZygoteBorn):
            eventually(word.exists)
        send(channel, message, fds)

    monkeypatch.setattr(Channel, "send", late)
    with contextlib.closing(Console()) as console:
        machine = console.start_machine(toy(processors=1, passive_workers=1))
        assert eventually(lambda: [len(children(pid)) for pid in children(console.nursery_pid)] == [4])
        assert not console.wait(lambda: machine.state != "starting", 0.1)
        word.touch()
        machine.wait_running()
        assert sorted(machine.pids()) == [1, 2, 3, 4, 5]
        machine.stop()


def test_work_goes_from_the_pnp_thread_through_the_queue_to_a_passive_worker(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    machine = started(console)
    machine.control(100, 5, 11)
    machine.control(200, 0, 12)
    assert eventually(lambda: machine.statistics().counters["callbacks"] == 1 + 2 + 5 + 1)
    machine.stop()
    console.close()
    texts = [(record.name, record.getMessage(), str(record.__dict__.get("context"))) for record in caplog.records]
    work = [text for text in texts if text[1] == "work 11"]
    assert len(work) == 5
    assert all(name == "driver.toy_driver" and context.startswith("passive worker") for name, _, context in work)
    assert ("driver.toy_driver", "deferred 12", "processor 0") in texts


def test_driver_entry_runs_once_and_every_context_sees_what_it_left(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    machine = started(console, passive_workers=4)
    machine.stop()
    console.close()
    assert [record.getMessage() for record in caplog.records if "entry" in record.getMessage()] == ["entry 1"]


def test_two_machines_share_nothing_and_one_outlives_the_other(console: Console) -> None:
    first, second = started(console, name="first"), started(console, name="second")
    assert set(first.pids().values()).isdisjoint(second.pids().values())
    provoke(first, 101, 0, 1)
    report = first.wait_ended()
    assert report is not None
    assert report.machine == "first"
    assert gone(list(first.pids().values())) == []
    assert second.control(400, 0, 3) == 400
    assert all(alive(pid) for pid in second.pids().values())
    assert second.stop() is None


def test_a_machine_started_after_another_has_stopped(console: Console) -> None:
    for _ in range(3):
        machine = started(console)
        provoke(machine, 101, 0, 1)
        assert machine.wait_ended() is not None
    assert started(console).stop() is None


def test_the_end_of_a_machine_that_still_loads(console: Console) -> None:
    machine = console.start_machine(toy())
    machine.shutdown()
    assert machine.wait_ended() is None


def test_closing_the_console_ends_a_running_machine(console: Console) -> None:
    machine = started(console)
    pids = list(machine.pids().values())
    console.close()
    assert gone(pids) == []


def test_statistics_count_items_and_contexts(console: Console) -> None:
    machine = started(console)
    machine.control(100, 7, 1)
    assert eventually(lambda: machine.statistics().counters["work_items_taken"] == 7)
    counters = machine.statistics().counters
    assert counters["work_items_queued"] == 7
    assert counters["contexts"] == 5


def test_control_of_a_machine_that_stops_says_so(console: Console) -> None:
    machine = started(console)
    with pytest.raises(MachineStop, match="VNIC_CONTEXT_TERMINATED"):
        machine.control(300)


def test_a_starved_queue_gets_more_workers_and_idle_ones_leave(console: Console) -> None:
    machine = started(console, passive_workers=1)
    machine.control(103, 12, 100)  # twelve items that block for a tenth of a second each
    assert eventually(lambda: machine.statistics().counters["passive_workers"] >= 3)
    assert eventually(lambda: machine.statistics().counters["work_items_taken"] == 12)
    assert eventually(lambda: machine.statistics().counters["passive_workers"] == 1)
    assert machine.stop() is None


def test_an_orderly_end_that_does_not_come_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "CONTROL_NS", 200_000_000)
    with Console() as console:
        machine = started(console, environment={"TOY_HANGS_IN": str(int(ControlOperation.UNLOAD))})
        report = machine.stop()
        assert report is not None
        assert report.stop.name == "VNIC_DEADLOCK"
        assert "UNLOAD" in report.stop.text
        assert any("wait_for_ever" in line for line in report.stop.traceback)


def test_one_passive_worker_under_debug_and_no_more(console: Console) -> None:
    machine = started(console, processors=3, passive_workers=5, debug=True)
    assert sorted(machine.pids()) == [1, 2, 3, 4, 5]
    assert machine.stop() is None


def test_a_hundred_control_operations_in_order(console: Console, tmp_path: Path) -> None:
    machine = started(console)
    assert [machine.control(400 if number % 2 else 1, 0, number) for number in range(100)] == [0, 400] * 50
