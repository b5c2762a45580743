"""Frames through live processes: cable, pump, rings, an interrupt, and back; and what goes wrong with wires."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.specification import AdapterSpecification
from emulator.rules.control import ControlOperation
from tests.host.machines import gone, toy
from tests.host.toy_echo import WILD
from tests.patience import DEADLINE, eventually, within
from vnic.wires.network import LinkWatcher, Namespace, delete_link
from vnic.wires.wire import WireSpecification

if TYPE_CHECKING:
    from emulator.host.console import Console, MachineProxy
    from vnic.wires.cable import FarEnd

HOME, AWAY = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def echo(console: Console, adapters: int = 1, **options: Any) -> MachineProxy:
    specification = toy(
        loader="tests.host.toy_echo", adapters=[AdapterSpecification() for _ in range(adapters)], **options
    )
    machine = console.start_machine(specification)
    machine.wait_running()
    return machine


def frame(number: int, length: int = 60) -> bytes:
    return (HOME + AWAY + b"\x88\xb5" + number.to_bytes(4, "big")).ljust(length, b"\xa5")


def answer(number: int, length: int = 60) -> bytes:
    return AWAY + HOME + frame(number, length)[12:]


def exchange(cable: FarEnd, count: int, window: int = 16) -> None:
    """Send frames, at most ``window`` at once under way; all come back, in order."""
    sent = received = 0
    while received < count:
        while sent < count and sent - received < window:
            assert cable.send(frame(sent), DEADLINE)
            sent += 1
        assert cable.receive(DEADLINE) == answer(received)
        received += 1


def test_frames_come_back(console: Console) -> None:
    machine = echo(console)
    cable = machine.cables[0]
    assert cable.carrier
    exchange(cable, 2000, 24)
    counters = machine.statistics().adapters[0]
    assert (counters["received"], counters["sent"]) == (2000, 2000)
    assert counters["received_bytes"] == 2000 * 60
    assert counters["carrier"] == 1
    machine.stop()
    assert not cable.carrier


def test_one_frame_at_a_time_is_not_kept_waiting(console: Console) -> None:
    cable = echo(console).cables[0]
    exchange(cable, 50, 1)
    times = []
    for number in range(200):
        begun = time.monotonic()
        cable.send(frame(number))
        assert cable.receive(DEADLINE) == answer(number)
        times.append(time.monotonic() - begun)
    assert sorted(times)[100] < 0.03  # a lost wake-up would cost 50 ms in the host, 500 in a processor


def test_more_frames_than_buffers_are_all_answered(console: Console) -> None:
    cable = echo(console).cables[0]
    for number in range(100):
        assert cable.send(frame(number), DEADLINE)
    assert [cable.receive(DEADLINE) for _ in range(100)] == [answer(number) for number in range(100)]


def test_two_adapters_on_two_processors_and_two_machines(console: Console) -> None:
    first, second = echo(console, 2, processors=2, frame_slots=128), echo(console, 2, name="second", frame_slots=128)
    for machine in (first, second):
        for cable in machine.cables:
            exchange(cable, 100)
    assert [counters["sent"] for counters in first.statistics().adapters] == [100, 100]
    first.kill()
    first.wait_ended()
    for cable in second.cables:
        exchange(cable, 100)
    assert not first.cables[0].carrier


def test_carrier_goes_off_when_the_machine_stops(console: Console) -> None:
    machine = echo(console)
    cable = machine.cables[0]
    os.kill(machine.pids()[4], signal.SIGKILL)
    assert cable.wait_carrier(False, DEADLINE)
    assert machine.wait_ended() is not None


def test_a_link_goes_down_and_up(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = echo(console)
    cable = machine.cables[0]
    assert machine.control(ControlOperation.LINK, 0, 0) == 0
    assert cable.wait_carrier(False, DEADLINE)
    assert machine.control(ControlOperation.LINK, 0, 1) == 0
    assert cable.wait_carrier(True, DEADLINE)
    assert machine.control(ControlOperation.LINK, 7, 1) != 0
    assert eventually(lambda: any("link change 3" in record.getMessage() for record in caplog.records))
    exchange(cable, 10)


def test_a_wire_torn_out_is_a_surprise_removal_and_no_stop(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = echo(console, 2, frame_slots=128)
    exchange(machine.cables[0], 5)
    exchange(machine.cables[1], 2000, 24)
    machine.cables[0].remove()

    def told() -> bool:
        exchange(machine.cables[1], 200, 24)  # it keeps the host awake
        return any("was taken away" in record.getMessage() for record in caplog.records)

    assert eventually(told)
    assert eventually(lambda: any("adapter 0 is gone" in record.getMessage() for record in caplog.records))
    assert machine.stop() is None


def test_a_buffer_outside_the_frames_stops_the_machine(console: Console) -> None:
    machine = echo(console)
    machine.control(WILD)
    for number in range(64):
        machine.cables[0].send(frame(number))
    report = machine.wait_ended()
    assert report is not None
    assert report.stop.name == "VNIC_ARENA_DAMAGED"
    assert report.stop.text.startswith("The hardware of adapter 0 refuses what its driver did: queue 0, ")
    assert "lies outside the frame memory" in report.stop.text
    assert (report.stop.driver, report.stop.ddi, report.stop.holders) == ("", "", [])


@pytest.mark.tap
def test_a_tap_in_a_namespace_has_its_carrier_and_goes_with_the_machine(console: Console) -> None:
    with Namespace.create() as namespace, namespace.entered(), LinkWatcher() as watcher:
        specification = toy(
            loader="tests.host.toy_echo",
            adapters=[AdapterSpecification(wire=WireSpecification("tap", "ndis0", "10.77.0.1/24"))],
        )
        machine = console.start_machine(specification, {0: namespace.fileno()})
        machine.wait_running()
        assert watcher.wait_for("ndis0", carrier=True, timeout=DEADLINE) is not None
        machine.stop()
        watcher.wait_for("ndis0", carrier=None, timeout=DEADLINE)
        assert "ndis0" not in watcher.refresh()


def flood(cable: FarEnd, seconds: float) -> None:
    """Frames as fast as they go, whatever comes back."""
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until and cable.carrier:
        cable.send(frame(number))
        cable.receive(0)
        number += 1


def flooded(cable: FarEnd) -> bool:
    """Go on with the flood; True when its carrier has gone off."""
    flood(cable, 0.01)
    return not cable.carrier


def kill_in_a_flood(console: Console, slot: int) -> None:
    machine, other = echo(console), echo(console, name="other")
    flood(machine.cables[0], 0.05)
    os.kill(machine.pids()[slot], signal.SIGKILL)
    pids = list(machine.pids().values())
    assert within(1.0, lambda: flooded(machine.cables[0]))
    assert gone(pids) == []
    report = machine.wait_ended()
    assert report is not None
    assert report.stop.slot == slot
    exchange(other.cables[0], 20)


def test_a_processor_killed_in_a_flood_of_frames(console: Console) -> None:
    kill_in_a_flood(console, 4)


@pytest.mark.soak
@pytest.mark.parametrize("slot", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("trial", range(20))
def test_any_process_killed_in_a_flood_many_times(console: Console, slot: int, trial: int) -> None:
    kill_in_a_flood(console, slot)


def kill_a_trusted_one_in_a_flood(console: Console, which: str) -> None:
    if which == "console":
        kill_another_console_in_a_flood()
        return
    machine = echo(console)
    flood(machine.cables[0], 0.05)
    pids = [console.host_pid, *machine.pids().values()]
    os.kill(console.host_pid if which == "host" else console.nursery_pid, signal.SIGKILL)
    assert within(1.0, lambda: flooded(machine.cables[0]))
    assert gone(pids if which == "host" else pids[1:]) == []


_FLOODING = """
import json
from emulator.host.console import Console
from tests.host.test_ports import echo, flood
console = Console()
machine = echo(console)
flood(machine.cables[0], 0.05)
print(json.dumps([console.host_pid, console.nursery_pid, *machine.pids().values()]), flush=True)
flood(machine.cables[0], 3600.0)
"""


def kill_another_console_in_a_flood() -> None:
    with subprocess.Popen([sys.executable, "-c", _FLOODING], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        pids: list[int] = json.loads(child.stdout.readline())
        child.kill()
        assert gone(pids) == []


@pytest.mark.parametrize("which", ["console", "host", "nursery"])
def test_a_trusted_process_killed_in_a_flood(console: Console, which: str) -> None:
    kill_a_trusted_one_in_a_flood(console, which)


@pytest.mark.soak
@pytest.mark.parametrize("which", ["console", "host", "nursery"])
@pytest.mark.parametrize("trial", range(20))
def test_a_trusted_process_killed_in_a_flood_many_times(console: Console, which: str, trial: int) -> None:
    kill_a_trusted_one_in_a_flood(console, which)


@pytest.mark.tap
@pytest.mark.parametrize("which", ["host", "nursery", "zygote", "processor"])
def test_a_tap_goes_with_whoever_was_killed(console: Console, which: str) -> None:
    with Namespace.create() as namespace, namespace.entered(), LinkWatcher() as watcher:
        specification = toy(
            loader="tests.host.toy_echo", adapters=[AdapterSpecification(wire=WireSpecification("tap", "ndis0"))]
        )
        machine = console.start_machine(specification, {0: namespace.fileno()})
        machine.wait_running()
        pids = {"host": console.host_pid, "nursery": console.nursery_pid}
        os.kill(pids.get(which) or machine.pids()[{"zygote": 1, "processor": 4}[which]], signal.SIGKILL)
        assert within(1.0, lambda: "ndis0" not in watcher.refresh())
        assert gone(list(machine.pids().values())) == []


@pytest.mark.tap
def test_a_tap_deleted_from_outside_is_a_surprise_removal(console: Console) -> None:
    with Namespace.create() as namespace, namespace.entered():
        specification = toy(
            loader="tests.host.toy_echo",
            adapters=[
                AdapterSpecification(wire=WireSpecification("tap", "ndis0", "10.77.0.1/24")),
                AdapterSpecification(),
            ],
            frame_slots=128,
        )
        machine = console.start_machine(specification, {0: namespace.fileno()})
        machine.wait_running()
        delete_link("ndis0")
        exchange(machine.cables[0], 20)
        assert eventually(lambda: machine.statistics().adapters[0]["carrier"] == 0)
        assert machine.stop() is None
