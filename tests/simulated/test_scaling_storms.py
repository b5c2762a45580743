"""Tables, pauses, restarts, links, stops and removals amid flows over two queues, in an order that the seed chooses."""

from __future__ import annotations

from typing import Any, Final

import pytest

from emulator.ndis.headers import oids
from emulator.rules.control import ControlOperation
from emulator.simulated import explore
from emulator.simulated.machine import SimulatedMachine
from tests.scenarios.scaling import answer, by_flow, datagram, parameters
from tests.simulated.scripts import FEW_BUFFERS, NETVMINI, OUTSIDE, run_for_a_moment
from vnic.device.host_queue import HostQueue

STAMPS: Final = "tests.scenarios.drivers.stamps_processor"
STEPS: Final = 8
SEEDS: Final = range(72, 86)
"""Two of these find what a host does wrong that does not wait for the queues."""
FLOWS: Final = 4
TABLES: Final = ((0, 1), (1, 0), (1,), (0, 0, 1, 0), ())
ACTS: Final = ("table", "table", "table", "pause", "restart", "link down", "link up", "stop and start", "remove")


def storm(machine: SimulatedMachine) -> None:
    """Numbered frames of several flows, and an act after each few; what comes back is in order, flow by flow."""
    machine.wait_running()
    removed = False
    numbers = dict.fromkeys(range(FLOWS), 0)
    for _ in range(STEPS):
        for _ in range(machine.choose(12)):
            flow = machine.choose(FLOWS)
            machine.inject(datagram(machine.ports[0].mac, OUTSIDE, flow, numbers[flow]))
            numbers[flow] += 1
        run_for_a_moment(machine)
        act = ACTS[machine.choose(len(ACTS))]
        if act == "remove" and not removed:
            machine.cables[0].remove()
            removed = True
        elif not removed:
            _control(machine, act)
    if machine.stop() is not None:
        machine.raise_if_stopped()
    for flow, answers in by_flow(map(answer, machine.frames(0))).items():
        came = [each.number for each in answers]
        assert came == sorted(set(came)), f"flow {flow}: {came}"


def _control(machine: SimulatedMachine, act: str) -> None:
    if act == "table":
        table = TABLES[machine.choose(len(TABLES))]
        data = parameters(table) if table else parameters(information=0)
        machine.control(ControlOperation.OID_SET, 0, oids.OID_GEN_RECEIVE_SCALE_PARAMETERS, data=data)
    elif act == "pause":
        machine.control(ControlOperation.PAUSE, 0)
    elif act == "restart":
        machine.control(ControlOperation.RESTART, 0)
    elif act == "stop and start":
        machine.control(ControlOperation.STOP_ADAPTER, 0)
        run_for_a_moment(machine)
        machine.control(ControlOperation.START_ADAPTER, 0)
    else:
        machine.control(ControlOperation.LINK, 0, int(act == "link up"))


OPTIONS: Final[dict[str, Any]] = {
    "machine": SimulatedMachine,
    "lost_updates": True,
    "drivers": [NETVMINI, STAMPS],
    "processors": 2,
    "passive_workers": 2,
    "queues": 2,
    "messages": 2,
    "defines": FEW_BUFFERS,
}


def test_a_few_storms_over_two_queues() -> None:
    explore(storm, range(4), "random", **OPTIONS).require_none()
    explore(storm, range(4, 7), "pct:20:600", **OPTIONS).require_none()


def test_a_host_that_changes_tables_amid_frames_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostQueue, "idle", lambda queue: True)
    monkeypatch.setattr(HostQueue, "sent", lambda queue, head: True)
    with pytest.raises(AssertionError, match=r"flow \d"):
        explore(storm, SEEDS, "random", **OPTIONS).require_none()


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheduler", ["random", "pct:20:600"])
def test_many_storms_over_two_queues(scheduler: str) -> None:
    explore(storm, range(200), scheduler, **OPTIONS).require_none()
