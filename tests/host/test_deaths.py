"""SIGKILL of every kind of process, and every other way to die: the stop screen, and nothing left within a second."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host import statistics
from emulator.host.console import Console, MachineStop
from emulator.host.control_socket import listen
from emulator.layout.arena import Geometry
from emulator.rules.errors import EXIT_EMULATOR, EmulatorError
from tests.host.machines import Programs, alive, children, gone, provoke, reached, started
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emulator.host.listening import Listening

IO = Geometry().first_io_slot
ROLES = {"zygote": 1, "pnp": 2, "requests": 3, "processor": 4, "passive worker": 5, "I/O thread": IO}
NAMES = {1: "zygote", 2: "PnP thread", 3: "request thread", 4: "processor 0", 5: "passive worker 0", IO: "I/O thread 0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the sockets of a machine are."""
    made = tmp_path / "sockets"
    made.mkdir()
    return made


@pytest.fixture
def listening(folder: Path) -> Iterator[Listening]:
    """The socket for commands; with it and the console the last name is gone."""
    made = listen("toy", str(folder / "toy.ctl"))
    yield made
    made.close()
    assert list(folder.iterdir()) == []


def kill_member(console: Console, listening: Listening, role: str) -> None:
    """Kill one process of a machine while another machine runs; see the first gone and the second unharmed."""
    other = started(console, name="other")
    machine = reached(console, listening.path.parent)
    programs = Programs(listening.path.parent)
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
    programs.end()
    assert list(listening.path.parent.iterdir()) == [listening.path]
    assert other.control(400, 0, 1) == 400
    other.stop()


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_process_ends_its_machine_and_no_other(console: Console, listening: Listening, role: str) -> None:
    kill_member(console, listening, role)


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("trial", range(20))
def test_a_killed_process_ends_its_machine_many_times(
    console: Console, listening: Listening, role: str, trial: int
) -> None:
    kill_member(console, listening, role)


def kill_trusted(console: Console, listening: Listening, which: str) -> None:
    machine = reached(console, listening.path.parent)
    programs = Programs(listening.path.parent)
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
    programs.end()
    assert list(listening.path.parent.iterdir()) == [listening.path]


@pytest.mark.parametrize("which", ["host", "nursery"])
def test_the_host_or_the_nursery_killed(console: Console, listening: Listening, which: str) -> None:
    kill_trusted(console, listening, which)


@pytest.mark.soak
@pytest.mark.parametrize("which", ["host", "nursery"])
@pytest.mark.parametrize("trial", range(20))
def test_the_host_or_the_nursery_killed_many_times(
    console: Console, listening: Listening, which: str, trial: int
) -> None:
    kill_trusted(console, listening, which)


_CONSOLE = """
import json, pathlib, sys
from emulator.host.console import Console
from emulator.host.control_socket import listen
from tests.host.machines import reached
folder = pathlib.Path(sys.argv[1])
listening = listen("toy", str(folder / "toy.ctl"))
console = Console(listening)
machine = reached(console, folder)
machine.control(100, 20, 1)
print(json.dumps([console.host_pid, console.nursery_pid, *machine.pids().values()]), flush=True)
sys.stdin.read()
"""


def kill_console(folder: Path, *, and_host: bool = False) -> None:
    """Kill a console whose machine has programs; nothing is left but, if the host dies too, what the next one takes."""
    program = [sys.executable, "-c", _CONSOLE, str(folder)]
    child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    pids: list[int] = json.loads(child.stdout.readline())
    programs = Programs(folder)
    assert all(alive(pid) for pid in pids)
    assert set(children(child.pid)) == set(pids[:2])
    if and_host:
        os.kill(child.pid, signal.SIGSTOP)  # who would tidy up after the host
        os.kill(pids[0], signal.SIGKILL)
    child.kill()
    child.wait()
    assert gone(pids) == []
    programs.end()
    child.stdin.close()
    child.stdout.close()
    if not and_host:
        assert list(folder.iterdir()) == []


def test_the_console_killed(folder: Path) -> None:
    kill_console(folder)


@pytest.mark.soak
@pytest.mark.parametrize("trial", range(20))
def test_the_console_killed_many_times(folder: Path, trial: int) -> None:
    kill_console(folder)


_STUCK = """
import os, sys
from emulator.host import host
from emulator.host.console import Console
def run(self):
    os.write(2, b"%d" % os.getpid())
    while True:
        pass
host.Host.run = run
console = Console()
sys.stdin.read()
"""


def test_a_host_whose_loop_does_not_come_round_ends_with_its_console_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", _STUCK], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        pid = int(os.read(child.stderr.fileno(), 100))
        child.kill()
        assert eventually(lambda: not alive(pid))


def test_what_console_and_host_have_left_goes_with_the_next_machine(folder: Path, console: Console) -> None:
    kill_console(folder, and_host=True)
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert left == {"toy.ctl", "toy.devices", "toy.devices/Toy"}
    listening = listen("toy", str(folder / "toy.ctl"))
    machine = reached(console, folder)
    programs = Programs(folder)
    machine.stop()
    programs.end()
    listening.close()
    assert list(folder.iterdir()) == []


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
