"""Several queues on the simulated machine: flows keep their order while tables change, in every schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.ndis.headers import oids
from emulator.rules.control import ControlOperation
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.scaled import PATIENCE_NS, ScaledPort
from tests.scenarios.scaling import answer, by_flow, datagram, expected, in_order, parameters, turns
from tests.simulated.scripts import FEW_BUFFERS, NETVMINI

if TYPE_CHECKING:
    from tests.scenarios.scaling import Answer

STAMPS = "tests.scenarios.drivers.stamps_processor"
STATION = bytes.fromhex("020000000099")
FLOWS = 8


def made(seed: int = 0, scheduler: str = "random", **options: Any) -> SimulatedMachine:
    machine = SimulatedMachine(
        drivers=[NETVMINI, STAMPS],
        defines=FEW_BUFFERS | {"HELLO_ANSWERS": 128},  # as many as all queues have buffers
        seed=seed,
        scheduler=scheduler,
        processors=2,
        queues=2,
        messages=2,
        split_frames="off",
        **options,
    )
    machine.wait_running()
    return machine


def send(machine: SimulatedMachine, first: int, last: int) -> None:
    mac = machine.ports[0].mac
    for number in range(first, last):
        for flow in range(FLOWS):
            assert machine.inject(datagram(mac, STATION, flow, number))


def ask(machine: SimulatedMachine, table: tuple[int, ...]) -> None:
    data = parameters(table)
    assert machine.control(ControlOperation.OID_SET, 0, oids.OID_GEN_RECEIVE_SCALE_PARAMETERS, data=data) == 0


def settle(machine: SimulatedMachine) -> None:
    """Let time pass too: for a while the host looks by itself whether the queues are idle."""
    machine.run_for(2 * PATIENCE_NS)


def answers(machine: SimulatedMachine) -> list[Answer]:
    return [answer(frame) for frame in machine.frames(0)]


def test_flows_come_to_the_processors_of_the_table() -> None:
    machine = made()
    ask(machine, (0, 1, 1, 0))
    settle(machine)
    send(machine, 0, 3)
    settle(machine)
    found = answers(machine)
    assert in_order(found, FLOWS, 3)
    for flow, some in by_flow(found).items():
        frame = datagram(machine.ports[0].mac, STATION, flow, 0)
        assert {(each.processor, each.information, each.hash) for each in some} == {expected(frame, (0, 1, 1, 0))}
    assert {each.processor for each in found} == {0, 1}
    assert machine.stop() is None
    machine.close()


@pytest.mark.parametrize("scheduler", ["random", "pct:3:4000", "round_robin"])
@pytest.mark.parametrize("seed", range(2))
def test_tables_change_in_the_middle_of_traffic(seed: int, scheduler: str) -> None:
    machine = made(seed, scheduler)
    tables = [(0, 1), (1, 0), (1,), (0, 0, 1, 1)]
    for turn, table in enumerate(tables):
        send(machine, 4 * turn, 4 * turn + 4)
        ask(machine, table)
    send(machine, 16, 20)
    settle(machine)
    found = answers(machine)
    assert in_order(found, FLOWS, 20)
    assert all(len(turns(some)) <= len(tables) + 1 for some in by_flow(found).values())
    port = machine.ports[0]
    assert isinstance(port, ScaledPort)
    assert port.hardware.scaling.table == bytes((0, 0, 1, 1))
    assert machine.stop() is None
    machine.close()


def test_one_seed_gives_one_trace() -> None:
    digests = []
    for _ in range(2):
        machine = made(7)
        ask(machine, (0, 1))
        send(machine, 0, 4)
        settle(machine)
        digests.append(machine.trace_hash)
        machine.close()
    assert digests[0] == digests[1]


def test_a_machine_whose_driver_never_unmasks_comes_to_rest_with_the_old_table() -> None:
    machine = made()
    ask(machine, (0, 1))
    settle(machine)
    send(machine, 0, 1)
    settle(machine)
    port = machine.ports[0]
    before = port.hardware.queues[1].mask[0]
    port.hardware.queues[1].mask[0] = 0
    ask(machine, (1, 0))
    send(machine, 1, 2)
    settle(machine)
    assert port.hardware.scaling.table == bytes((0, 1))
    assert port.wire.waiting == FLOWS
    port.hardware.queues[1].mask[0] = before
    machine.ring_host()
    settle(machine)
    assert port.hardware.scaling.table == bytes((1, 0))
    assert in_order(answers(machine), FLOWS, 2)
    machine.close()
