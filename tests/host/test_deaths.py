"""SIGKILL of every kind of process, and every other way to die: the stop screen, and nothing left within a second."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from emulator.host import statistics
from emulator.host.console import Console, MachineStop
from emulator.rules.errors import EXIT_EMULATOR, EmulatorError
from tests.host.machines import alive, children, gone, provoke, started
from tests.patience import eventually

ROLES = {"zygote": 1, "pnp": 2, "requests": 3, "processor": 4, "passive worker": 5}
NAMES = {1: "zygote", 2: "PnP thread", 3: "request thread", 4: "processor 0", 5: "passive worker 0"}


def kill_member(console: Console, role: str) -> None:
    """Kill one process of a machine while another machine runs; see the first gone and the second unharmed."""
    other = started(console, name="other")
    machine = started(console)
    machine.control(100, 20, 1)
    pids = machine.pids()
    os.kill(pids[ROLES[role]], signal.SIGKILL)
    assert gone(list(pids.values())) == []
    report = machine.wait_ended()
    assert report is not None
    assert report.stop.name == "VNIC_CONTEXT_TERMINATED"
    assert report.stop.slot == ROLES[role]
    assert report.stop.context == NAMES[ROLES[role]]
    assert "SIGKILL" in report.stop.text
    assert machine.screen.startswith("*** VNIC_CONTEXT_TERMINATED (a limit of the emulator)\n")
    assert machine.ended is not None
    assert machine.ended.leftovers == []
    assert other.control(400, 0, 1) == 400
    other.stop()


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_process_ends_its_machine_and_no_other(console: Console, role: str) -> None:
    kill_member(console, role)


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("trial", range(20))
def test_a_killed_process_ends_its_machine_many_times(console: Console, role: str, trial: int) -> None:
    kill_member(console, role)


def kill_trusted(console: Console, which: str) -> None:
    machine = started(console)
    machine.control(100, 20, 1)
    pids = list(machine.pids().values())
    os.kill(console.host_pid if which == "host" else console.nursery_pid, signal.SIGKILL)
    assert gone(pids) == []
    if which == "host":
        with pytest.raises(EmulatorError, match="SIGKILL"):
            machine.wait_ended()
        assert gone([console.nursery_pid]) == []
    else:
        report = machine.wait_ended()
        assert report is not None
        assert "nursery" in report.stop.text
        later = console.start_machine(machine.specification)
        with pytest.raises(EmulatorError, match="the nursery is gone"):
            later.wait_running()


@pytest.mark.parametrize("which", ["host", "nursery"])
def test_the_host_or_the_nursery_killed(console: Console, which: str) -> None:
    kill_trusted(console, which)


@pytest.mark.soak
@pytest.mark.parametrize("which", ["host", "nursery"])
@pytest.mark.parametrize("trial", range(20))
def test_the_host_or_the_nursery_killed_many_times(console: Console, which: str, trial: int) -> None:
    kill_trusted(console, which)


_CONSOLE = """
import json, sys
from emulator.host.console import Console
from tests.host.machines import started
console = Console()
machine = started(console)
machine.control(100, 20, 1)
print(json.dumps([console.host_pid, console.nursery_pid, *machine.pids().values()]), flush=True)
sys.stdin.read()
"""


def kill_console() -> None:
    child = subprocess.Popen([sys.executable, "-c", _CONSOLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    pids: list[int] = json.loads(child.stdout.readline())
    assert all(alive(pid) for pid in pids)
    assert set(children(child.pid)) == set(pids[:2])
    child.kill()
    child.wait()
    assert gone(pids) == []
    child.stdin.close()
    child.stdout.close()


def test_the_console_killed() -> None:
    kill_console()


@pytest.mark.soak
@pytest.mark.parametrize("trial", range(20))
def test_the_console_killed_many_times(trial: int) -> None:
    kill_console()


@pytest.mark.parametrize(
    ("operation", "argument", "name", "text"),
    [
        pytest.param(104, 0, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED", "ZeroDivisionError", id="exception"),
        pytest.param(105, 4, "VNIC_CONTEXT_TERMINATED", "SIGKILL", id="killed with a lock"),
        pytest.param(106, 0, "VNIC_CONTEXT_TERMINATED", "exit code 0", id="left behind our back"),
        pytest.param(106, 3, "VNIC_CONTEXT_TERMINATED", "exit code 3", id="left with a code"),
        pytest.param(107, 0, "VNIC_CONTEXT_TERMINATED", "SIGSEGV", id="segmentation fault"),
    ],
)
def test_a_work_item_that_ends_its_worker(
    console: Console, operation: int, argument: int, name: str, text: str
) -> None:
    machine = started(console)
    provoke(machine, operation, 0, argument)
    report = machine.wait_ended()
    assert report is not None
    assert report.stop.name.startswith(name)
    assert text in report.stop.text
    assert report.stop.callback.startswith("toy_driver!WorkThat")
    assert report.stop.driver == "toy_driver"
    assert report.stop.irql == 0
    assert "idle" in machine.screen


def test_the_screen_names_item_and_stack_of_a_crashed_worker(console: Console) -> None:
    machine = started(console)
    provoke(machine, 107)
    report = machine.wait_ended()
    assert report is not None
    assert any("in WorkThatCrashes: toy.crash()" in line for line in report.stop.traceback)
    assert any("has work item" in line and "WorkThatCrashes in hand" in line for line in report.stop.holders)


def test_a_failure_of_the_host_ends_the_machine_that_it_served_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(machine: Any) -> dict[str, int]:
        raise RuntimeError(f"planted for {machine.specification.name}")

    monkeypatch.setattr(statistics, "counters", fail)
    with Console() as console:
        other, machine = started(console, name="other"), started(console)
        with pytest.raises(MachineStop, match="EMULATOR_ERROR"):
            machine.statistics()
        report = machine.wait_ended()
        assert report is not None
        assert report.exit_code == EXIT_EMULATOR
        assert "planted for toy" in report.stop.text
        assert machine.screen.startswith("*** EMULATOR_ERROR (the emulator is broken)\n")
        assert gone(list(machine.pids().values())) == []
        assert other.control(400, 0, 1) == 400
        assert other.stop() is None


def test_a_processor_that_dies_at_dispatch_level(console: Console) -> None:
    machine = started(console)
    provoke(machine, 202)
    report = machine.wait_ended()
    assert report is not None
    assert (report.stop.irql, report.stop.context) == (2, "processor 0")
    assert report.stop.callback == "toy_driver!DeferredThatDies"


def test_the_others_are_shown_with_what_they_were_doing(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = started(console)
    machine.control(103, 1, 30_000)  # one worker sleeps in a callback
    assert eventually(lambda: "sleeping 30000" in caplog.text)
    provoke(machine, 202)
    report = machine.wait_ended()
    assert report is not None
    sleeping: list[Any] = [box for box in report.contexts if box.routine == "toy_driver!WorkThatSleeps"]
    assert len(sleeping) == 1
    assert any("in WorkThatSleeps: " in line for line in sleeping[0].stack)
    assert "in WorkThatSleeps: " in machine.screen


def test_items_that_nobody_took_are_listed(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = started(console, passive_workers=1)
    machine.control(103, 24, 30_000)
    assert eventually(lambda: "sleeping 30000" in caplog.text)
    provoke(machine, 202)
    report = machine.wait_ended()
    assert report is not None
    assert len(report.waiting_items) >= 8  # the others are in hand: workers were added meanwhile, sixteen at the most
    assert all("WorkThatSleeps" in line for line in report.waiting_items)
