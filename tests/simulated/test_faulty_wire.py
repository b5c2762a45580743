"""Bad wires in virtual time: the fates that the live host gives, delays to the nanosecond, nothing outstanding."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.rules.control import ControlOperation
from emulator.rules.errors import NotImplementedByEmulator
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.specification import small_geometry
from tests.simulated.scripts import FEW_BUFFERS, HELLO, NETVMINI, answer_to, frame
from vnic.wires.faults import DirectionFaults, Fates
from vnic.wires.wire import parse_wire

MS = 1_000_000
COUNT = 100


def made(faults: str, **options: Any) -> SimulatedMachine:
    machine = SimulatedMachine(drivers=[NETVMINI, HELLO], defines=FEW_BUFFERS, faults=faults, **options)
    machine.wait_running()
    return machine


def test_exactly_the_predicted_frames_are_lost_each_way() -> None:
    machine = made("in.loss=0.1,out.loss=0.1,seed=7")
    answers = []
    lost = Random("7/in/loss").random
    heard = [frame(number) for number in range(COUNT) if lost() >= 0.1]
    lost = Random("7/out/loss").random
    answers = [answer_to(data) for data in heard if lost() >= 0.1]
    for number in range(COUNT):
        assert machine.cables[0].send(frame(number), 1.0)
    assert [machine.cables[0].receive(1.0) for _ in answers] == answers
    assert machine.cables[0].receive(1.0) is None
    counted = machine.ports[0].wire.counters()
    assert counted == {"in_lost": COUNT - len(heard), "out_lost": len(heard) - len(answers)}
    assert machine.stop() is None
    machine.close()


def test_a_delay_is_virtual_and_exact() -> None:
    machine = made("in.delay=5ms~1ms,out.delay=2ms,seed=3")
    fates = Fates(DirectionFaults(delay=5 * MS, jitter=MS), 3, "in")
    for number in range(20):
        start = machine.now
        assert machine.cables[0].send(frame(number))
        assert machine.cables[0].receive(1.0) == answer_to(frame(number))
        spent = machine.now - start - next(fates).delay - 2 * MS
        assert 0 < spent < MS
    assert machine.stop() is None
    machine.close()


def test_what_is_under_way_is_lost_with_the_link() -> None:
    machine = made("delay=5ms")
    assert machine.cables[0].send(frame(1))
    assert machine.control(ControlOperation.LINK, 0, 0) == 0
    assert machine.control(ControlOperation.LINK, 0, 1) == 0
    assert machine.cables[0].receive(1.0) is None
    assert machine.ports[0].wire.counters()["in_dropped"] == 1
    assert machine.cables[0].send(frame(2))
    assert machine.cables[0].receive(1.0) == answer_to(frame(2))
    assert machine.stop() is None
    machine.close()


def test_the_same_seeds_are_the_same_trace() -> None:
    def run(seed: int) -> str:
        machine = made("loss=0.1,corrupt=0.1,duplicate=0.2,reorder=0.2,delay=1ms~1ms,seed=9", seed=seed)
        for number in range(30):
            machine.cables[0].send(frame(number))
        machine.run_for(1_000_000_000)
        assert machine.stop() is None
        machine.close()
        return machine.trace_hash

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(
    ("adapter", "what"),
    [
        (AdapterSpecification(wire=parse_wire("pcap:a.pcap")), "the wire pcap of a simulated machine"),
        (AdapterSpecification(capture="a.pcapng"), "the capture of a simulated machine"),
    ],
)
def test_what_only_the_live_host_has_is_refused_by_name(adapter: AdapterSpecification, what: str) -> None:
    specification = MachineSpecification(
        geometry=small_geometry(),
        drivers=[DriverSpecification(kind="miniport", module=NETVMINI)],
        adapters=[adapter],
    )
    with pytest.raises(NotImplementedByEmulator, match=f"{what} is not implemented by this emulator"):
        SimulatedMachine(specification)
