"""Reset, power and shutdown of netvmini while frames pass, on the simulated machine and by several seeds."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.rules.control import ControlOperation
from emulator.simulated.machine import SimulatedMachine
from tests.simulated.scripts import FEW_BUFFERS, HELLO, NETVMINI, answer_to, echo, frame, run, run_for_a_moment

SECOND = 1_000_000_000
D0, D3 = 1, 4
INVALID_STATE = 0xC0000184


def made(seed: int = 0, **options: Any) -> SimulatedMachine:
    machine = SimulatedMachine(drivers=[NETVMINI, HELLO], defines=FEW_BUFFERS, seed=seed, **options)
    machine.wait_running()
    return machine


def answers(machine: SimulatedMachine, number: int) -> bool:
    """Is a frame answered?"""
    assert machine.cables[0].send(frame(number))
    return machine.cables[0].receive(1.0) == answer_to(frame(number))


@pytest.mark.parametrize("seed", range(4))
def test_a_reset_under_traffic_ends_and_leaves_nothing_behind(seed: int) -> None:
    machine = made(seed)
    for number in range(12):
        machine.inject(frame(number), delay=1000 * number)
    run_for_a_moment(machine)
    assert machine.control(ControlOperation.RESET, 0) == 0
    machine.run_for(SECOND)
    while machine.cables[0].receive(0.1) is not None:
        pass
    assert answers(machine, 99)
    assert machine.stop() is None
    machine.close()


def test_a_reset_of_a_paused_adapter_leaves_it_paused() -> None:
    machine = made()
    assert machine.control(ControlOperation.PAUSE, 0) == 0
    assert machine.control(ControlOperation.RESET, 0) == 0
    assert not answers(machine, 1)
    assert machine.control(ControlOperation.RESTART, 0) == 0
    assert answers(machine, 2)
    assert machine.stop() is None
    machine.close()


@pytest.mark.parametrize("seed", range(3))
def test_an_adapter_goes_to_sleep_and_wakes_up_under_traffic(seed: int) -> None:
    machine = made(seed)
    run(echo, machine)
    for number in range(8):
        machine.inject(frame(number), delay=1000 * number)
    run_for_a_moment(machine)
    assert machine.control(ControlOperation.POWER, 0, D3) == 0
    assert machine.control(ControlOperation.RESET, 0) == INVALID_STATE
    assert machine.control(ControlOperation.RESTART, 0) == INVALID_STATE
    machine.run_for(10 * SECOND)
    assert machine.control(ControlOperation.POWER, 0, D0) == 0
    machine.run_for(SECOND)
    while machine.cables[0].receive(0.1) is not None:
        pass
    assert answers(machine, 99)
    assert machine.stop() is None
    machine.close()


def test_a_sleeping_adapter_can_be_halted() -> None:
    machine = made()
    assert machine.control(ControlOperation.POWER, 0, D3) == 0
    assert machine.stop() is None
    machine.close()


def test_a_shutdown_ends_the_machine_without_another_call() -> None:
    machine = made()
    run(echo, machine)
    before = len(machine.ddi_calls("PnP thread"))
    assert machine.control(ControlOperation.SHUTDOWN) == 0
    assert machine.wait_ended() is None
    assert machine.ddi_calls("PnP thread")[before:] == []
    machine.close()


def test_time_alone_does_not_hang_a_machine_that_rests() -> None:
    machine = made()
    run(echo, machine)
    machine.run_for(60 * SECOND)
    assert not any("reset" in text for _, _, text in machine.platform.logs)
    assert answers(machine, 5)
    assert machine.stop() is None
    machine.close()
