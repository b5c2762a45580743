"""Frames, pauses, restarts, links, stops and removals in an order that the seed chooses: no stop, no hang, no loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.control import ControlOperation
from emulator.simulated import explore
from emulator.simulated.machine import SimulatedMachine
from tests.races.test_responder import echo_request
from tests.simulated.scripts import FEW_BUFFERS, HELLO, NETVMINI, RESPONDER, frame, run_for_a_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = 8
ACTS = ("pause", "restart", "link down", "link up", "stop and start", "remove", "nothing", "nothing", "nothing")


def storm(machine: SimulatedMachine) -> None:
    """A script whose every step is a choice; two adapters, each on a processor of its own."""
    machine.wait_running()
    removed: set[int] = set()
    for step in range(STEPS):
        adapter = machine.choose(len(machine.ports))
        station = machine.ports[adapter].mac
        for number in range(machine.choose(4)):
            sent = frame(step) if number % 2 else echo_request(3, number)
            machine.inject(station + sent[6:], adapter, delay=100 * machine.choose(60))
        run_for_a_moment(machine)
        act = ACTS[machine.choose(len(ACTS))]
        if adapter in removed:
            continue
        if act == "remove":
            machine.cables[adapter].remove()
            removed.add(adapter)
        elif act != "nothing":
            _control(machine, act, adapter)
    if machine.stop() is not None:
        machine.raise_if_stopped()


def _control(machine: SimulatedMachine, act: str, adapter: int) -> None:
    if act == "pause":
        machine.control(ControlOperation.PAUSE, adapter)
    elif act == "restart":
        machine.control(ControlOperation.RESTART, adapter)
    elif act == "stop and start":
        machine.control(ControlOperation.STOP_ADAPTER, adapter)
        run_for_a_moment(machine)
        machine.control(ControlOperation.START_ADAPTER, adapter)
    else:
        machine.control(ControlOperation.LINK, adapter, int(act == "link up"))


FILTERS = ["sample_drivers.ndislwf", "tests.drivers.second_lwf"]


def options(protocol: str, filters: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "machine": SimulatedMachine,
        "lost_updates": True,
        "drivers": [NETVMINI, *filters, protocol],
        "adapters": 2,
        "processors": 2,
        "passive_workers": 2,
        "registry": {"Address": "10.77.0.1/24", "AgingInterval": 1},
        "defines": {**FEW_BUFFERS, "AGE_MS": 1},
    }


@pytest.mark.parametrize("protocol", [HELLO, RESPONDER])
def test_a_few_storms(protocol: str) -> None:
    explore(storm, range(4), "random", **options(protocol)).require_none()
    explore(storm, range(4, 7), "pct:20:600", **options(protocol)).require_none()


def test_a_few_storms_through_two_filters() -> None:
    explore(storm, range(3), "random", **options(HELLO, FILTERS)).require_none()
    explore(storm, range(3, 5), "pct:20:600", **options(RESPONDER, FILTERS)).require_none()


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheduler", ["random", "pct:20:600"])
@pytest.mark.parametrize("protocol", [HELLO, RESPONDER])
def test_many_storms(protocol: str, scheduler: str) -> None:
    explore(storm, range(200), scheduler, **options(protocol)).require_none()


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", [HELLO, RESPONDER])
def test_many_storms_through_two_filters(protocol: str) -> None:
    explore(storm, range(200), "random", **options(protocol, FILTERS)).require_none()
