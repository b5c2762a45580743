"""Drivers that are loaded and unloaded while the machine runs and frames move, each time with a new generation."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.host.commands import command_of
from emulator.host.performance import Performance
from emulator.rules.limits import VnicLimit
from emulator.testing import DeviceError
from tests.patience import eventually
from tests.scenarios.test_devices import DRIVER, counts
from tests.scenarios.traffic import HELLO, MINIPORT, drain, echo, frame, free_buffers, settled

if TYPE_CHECKING:
    from emulator.host.commands import Outcome
    from emulator.testing import Lab, Nic

FILTER = "sample_drivers.ndislwf"


def drivers(nic: Nic) -> tuple[list[str], list[str]]:
    status = nic.status()
    return [layer.driver for layer in status.protocols], [layer.driver for layer in status.filters]


def test_a_filter_is_loaded_and_unloaded_under_traffic(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, processors=2)
    before, pids = free_buffers(nic), nic.machine.proxy.pids()
    for turn in range(2):
        for number in range(200):
            nic.send(frame(nic, number))
        nic.machine.load(FILTER)
        assert drivers(nic) == (["hello"], ["ndislwf"])
        drain(nic)
        assert echo(nic, (frame(nic, 1000 * turn + n) for n in range(100))) == 100
        for number in range(200):
            nic.send(frame(nic, number))
        nic.machine.unload("ndislwf")
        assert drivers(nic) == (["hello"], [])
        drain(nic)
        assert echo(nic, (frame(nic, 1000 * turn + 500 + n) for n in range(100))) == 100
    settled(nic, before)
    now = nic.machine.proxy.pids()
    assert now[1] == pids[1], "the zygote lives on"
    assert not {pid for slot, pid in now.items() if slot > 1} & set(pids.values())


def test_nothing_is_lost_but_what_comes_while_the_stacks_are_paused(lab: Lab) -> None:
    first, second = lab.start(MINIPORT, protocol=HELLO, adapters=2).machine.nics
    before = [free_buffers(nic) for nic in (first, second)]
    assert echo(first, (frame(first, n) for n in range(300))) == 300
    second.pause()
    first.machine.load(FILTER)
    assert (first.status().state, second.status().state) == ("running", "paused")
    assert drivers(second) == (["hello"], ["ndislwf"])
    second.restart()
    for nic in (first, second):
        assert echo(nic, (frame(nic, n) for n in range(300))) == 300
    assert (first.counters["received"], first.counters["sent"]) == (600, 600)
    for nic, buffers in zip((first, second), before, strict=True):
        settled(nic, buffers)


def test_a_protocol_and_a_miniport_are_exchanged(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start(MINIPORT, protocol=HELLO)
    machine = nic.machine
    machine.unload("hello")
    assert drivers(nic) == ([], [])
    machine.load(HELLO)
    assert echo(nic, (frame(nic, n) for n in range(50))) == 50
    with pytest.raises(ControlFailed, match="netvmini runs adapter0; first: ndisemu ctl halt"):
        machine.unload("netvmini")
    nic.halt()
    machine.unload("netvmini")
    with pytest.raises(ControlFailed, match="start of adapter0 failed"):
        nic.start()
    machine.load(MINIPORT)
    nic.start()
    assert echo(nic, (frame(nic, n) for n in range(50))) == 50


def test_what_is_refused_leaves_the_machine_as_it_was(lab: Lab, tmp_path: Path) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start(MINIPORT, protocol=HELLO)
    before = free_buffers(nic)
    broken, refusing = tmp_path / "broken.py", tmp_path / "refusing.py"
    broken.write_text("import nothing_of_this_name\n")
    refusing.write_text(
        "from emulator.ndis import *\ndef DriverEntry(DriverObject, RegistryPath):\n    return NDIS_STATUS_FAILURE\n"
    )
    for name, told in (
        (HELLO, "a driver hello is loaded; first: ndisemu ctl driver unload hello"),
        (str(broken), "does not import: .*No module named 'nothing_of_this_name'"),
        (str(refusing), "DriverEntry of refusing returned NDIS_STATUS_FAILURE"),
    ):
        with pytest.raises(ControlFailed, match=f"driver load failed: .*{told}"):
            nic.machine.load(name)
        assert echo(nic, (frame(nic, n) for n in range(20))) == 20
    with pytest.raises(ControlFailed, match="no driver nobody is loaded; there are netvmini, hello"):
        nic.machine.unload("nobody")
    refusing.write_text(refusing.read_text().replace("FAILURE", "SUCCESS"))
    nic.machine.load(str(refusing))
    settled(nic, before)


def test_a_stop_in_its_driver_entry_is_a_stop_of_the_machine(lab: Lab, tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from emulator.ndis import *\n"
        "def DriverEntry(DriverObject, RegistryPath):\n"
        "    NdisFreeMemory(NdisAllocateMemoryWithTagPriority(None, 4, b'Test', 0) + 1, 0, 0)\n"
    )
    nic = lab.start(MINIPORT, protocol=HELLO)
    with lab.expect_stop(0xC2):
        nic.machine.load(str(bad))
    assert eventually(nic.end.gone)


def test_a_driver_that_refuses_and_stays_registered_is_told_by_what_its_driver_entry_said(
    lab: Lab, tmp_path: Path
) -> None:
    bad = tmp_path / "refusing.py"
    kept = (Path(__file__).parents[1] / "bad_drivers" / "base_protocol.py").read_text()
    bad.write_text(kept.replace("    return status\n", "    return NDIS_STATUS_FAILURE\n"))
    nic = lab.start(MINIPORT, protocol=HELLO)
    with lab.expect_stop(0x7C, 0x0A) as stop:
        nic.machine.load(str(bad))
    assert "refusing is refused (DriverEntry of refusing returned NDIS_STATUS_FAILURE)" in stop.report.text


def test_a_program_and_what_it_has_pending_live_through_it(lab: Lab) -> None:
    machine = lab.start(DRIVER, protocol="tests.bad_drivers.base_protocol").machine
    with machine.device("Talks") as device:
        reads = [device.start_read(64) for _ in range(3)]
        assert counts(device) == [1, 0, 0, 0]
        machine.load(FILTER)
        reads[2].cancel()
        with pytest.raises(DeviceError):
            reads[2].result()
        device.write(b"words")
        assert reads[0].result() == b"words"
        with machine.device("Talks") as other:
            other.start_read()
            machine.unload("ndislwf")
        assert eventually(lambda: counts(device) == [2, 1, 1, 2])


def loading(nic: Nic) -> list[Outcome]:
    """Begin to load a driver, and do not wait for it."""
    outcomes: list[Outcome] = []
    command = command_of("driver load")
    Performance(nic.machine.proxy, command, -1, command.given([FILTER]), 30.0, outcomes.append)
    return outcomes


def test_what_is_asked_for_meanwhile_is_done_afterwards(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    outcomes = loading(nic)
    nic.pause()
    assert [outcome.done for outcome in outcomes] == [True]
    assert drivers(nic) == (["hello"], ["ndislwf"])
    nic.restart()
    assert echo(nic, [frame(nic, 1)]) == 1


def test_a_machine_that_is_ended_meanwhile_ends_in_order(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    outcomes = loading(nic)
    nic.machine.end()
    assert [outcome.done for outcome in outcomes] == [True]


def test_a_machine_that_is_killed_meanwhile_is_gone(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    outcomes = loading(nic)
    nic.machine.kill()
    assert outcomes[0].ended


GENERATIONS = {"pnp": 2, "requests": 3, "processor": 4, "passive worker": 5, "zygote": 1}


def kill_one(lab: Lab, role: str, *, meanwhile: bool) -> None:
    """Kill a process of the generation that knows a driver which came later, or one that makes way for it."""
    nic = lab.start(MINIPORT, protocol=[HELLO, "sample_drivers.ndisprot"])
    proxy = nic.machine.proxy
    device = nic.machine.device("Ndisprot")
    first = proxy.pids()
    outcomes = loading(nic)
    if not meanwhile:
        assert proxy.console.wait(lambda: bool(outcomes), 30.0)
    pids = proxy.pids()
    if not meanwhile:
        assert [slot for slot, _ in first.items() & pids.items()] == [1]
    with lab.expect_stop(VnicLimit.VNIC_CONTEXT_TERMINATED):
        os.kill(pids[GENERATIONS[role]], signal.SIGKILL)
    assert outcomes
    assert eventually(nic.end.gone)
    assert not os.path.exists(proxy.specification.devices)
    device.close()


@pytest.mark.parametrize("role", ["processor", "zygote"])
def test_a_process_killed_after_a_driver_has_come(lab: Lab, role: str) -> None:
    kill_one(lab, role, meanwhile=False)


@pytest.mark.soak
@pytest.mark.parametrize("role", GENERATIONS)
@pytest.mark.parametrize("trial", range(5))
def test_a_process_killed_after_a_driver_has_come_many_times(lab: Lab, role: str, trial: int) -> None:
    kill_one(lab, role, meanwhile=False)


@pytest.mark.parametrize("role", ["zygote"])
def test_a_process_killed_while_a_driver_comes(lab: Lab, role: str) -> None:
    kill_one(lab, role, meanwhile=True)


def test_a_cable_torn_out_meanwhile_is_a_surprise_removal(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    outcomes = loading(nic)
    nic.remove()
    assert eventually(lambda: nic.status().state == "removed" and outcomes)


def test_a_protocol_is_asked_for_its_interface_and_uninstalled(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start(MINIPORT, protocol="tests.bad_drivers.base_provider")
    machine = nic.machine
    machine.interface_set(2, "OID_GEN_STATISTICS", 0x1234)
    answer = (0x20106).to_bytes(4, "little") + (0x1234).to_bytes(8, "little")
    assert machine.interface_query(2, "OID_GEN_STATISTICS") == answer
    for index, length, told in (
        (2, 4, r"interface query: NDIS_STATUS_BUFFER_TOO_SHORT \(12 bytes are needed\)"),
        (1, 64, r"interface query failed: interface 1 is NDIS's own; drivers provide 2 \(above\)"),
    ):
        with pytest.raises(ControlFailed, match=told):
            machine.interface_query(index, 7, length)
    machine.uninstall("base_provider")
    assert drivers(nic) == ([], [])
    with pytest.raises(ControlFailed, match="driver uninstall failed: base_provider is uninstalled already"):
        machine.uninstall("base_provider")
    nic.halt()
    nic.start()
    assert drivers(nic) == ([], [])
