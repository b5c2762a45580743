"""Receive side scaling on running machines: flows keep to their processors and their order while tables change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.patience import DEADLINE
from tests.scenarios.scaling import Answer, answer, by_flow, datagram, expected, in_order, parameters, turns
from tests.scenarios.traffic import MINIPORT, RESPONDER, STATION, free_buffers, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.testing import Lab, Nic

STAMPS: Final = "tests.scenarios.drivers.stamps_processor"
OID: Final = "OID_GEN_RECEIVE_SCALE_PARAMETERS"
FLOWS: Final = 16
PROBE: Final = 4000
"""A flow beside those that are counted."""


WIRES: Final = pytest.mark.parametrize("wire", ["cable", pytest.param("tap", marks=pytest.mark.tap)])


def started(lab: Lab, wire: str = "cable", processors: int = 2) -> Nic:
    """An adapter with a queue for each processor."""
    count = processors
    return lab.start(MINIPORT, protocol=STAMPS, wire=wire, processors=count, queues=count)


def scaled(nic: Nic, table: tuple[int, ...]) -> None:
    """Turn scaling on, and see it in force: the hardware takes it over a moment after the request is complete."""
    nic.oid_set(OID, parameters(table))
    probe = datagram(bytes.fromhex(nic.mac.replace(":", "")), STATION, PROBE, 0)
    deadline = time.monotonic() + DEADLINE
    while True:
        nic.send(probe)
        if answer(nic.receive_bytes()).information:
            return
        assert time.monotonic() < deadline, "scaling does not come into force"


def flood(nic: Nic, begin: int, end: int, before: Sequence[Answer] = (), ahead: int = 128) -> list[Answer]:
    """Send these numbers of every flow, at most so many frames ahead of the answers, to these and to earlier ones."""
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    waiting, found = begin * FLOWS - len(before), []
    for number in range(begin, end):
        for flow in range(FLOWS):
            nic.send(datagram(mac, STATION, flow, number))
            waiting += 1
            if waiting > ahead:
                found.append(answer(nic.receive_bytes()))
                waiting -= 1
    return found


def rest(nic: Nic, count: int) -> list[Answer]:
    """So many answers more."""
    return [answer(nic.receive_bytes()) for _ in range(count)]


@WIRES
def test_flows_come_to_the_processors_of_the_table_with_their_hashes(lab: Lab, wire: str) -> None:
    nic = started(lab, wire)
    buffers = free_buffers(nic)
    scaled(nic, (0, 1))
    answers = flood(nic, 0, 50)
    answers += rest(nic, 50 * FLOWS - len(answers))
    assert in_order(answers, FLOWS, 50)
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    for flow, some in by_flow(answers).items():
        frame = datagram(mac, STATION, flow, 0)
        assert {(each.processor, each.information, each.hash) for each in some} == {expected(frame, (0, 1))}
    assert {each.processor for each in answers} == {0, 1}
    settled(nic, buffers)


@WIRES
def test_tables_change_under_a_flood(lab: Lab, wire: str) -> None:
    nic = started(lab, wire)
    buffers = free_buffers(nic)
    tables = [(0, 1), (1, 0), (1, 1), (0, 0, 1, 1), (0,)]
    answers: list[Answer] = []
    for turn, table in enumerate(tables):
        answers += flood(nic, turn * 40, turn * 40 + 40, answers)
        nic.oid_set(OID, parameters(table))
    answers += flood(nic, 200, 240, answers)
    answers += rest(nic, 240 * FLOWS - len(answers))
    assert in_order(answers, FLOWS, 240)
    for some in by_flow(answers).values():
        assert len(turns(some)) <= len(tables) + 1
        assert turns(some)[-1] == 0
    settled(nic, buffers)


@pytest.mark.tap
def test_pings_through_a_tap_with_two_queues(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", processors=2, queues=2, messages=2)
    before = free_buffers(nic)
    result = nic.ping(count=2000, sizes=(56, 1000), window=64, timeout=DEADLINE)
    assert result.clean, str(result)
    settled(nic, before)


@pytest.mark.tap
def test_a_tap_with_several_descriptors_is_halted_started_and_taken_away(lab: Lab) -> None:
    nic = started(lab, "tap")
    scaled(nic, (0, 1))
    nic.halt()
    nic.start()
    scaled(nic, (1, 0))
    answers = flood(nic, 0, 4)
    answers += rest(nic, 4 * FLOWS - len(answers))
    assert in_order(answers, FLOWS, 4)
    nic.surprise_remove()
    nic.machine.end()


def paused_and_restarted(nic: Nic) -> None:
    nic.pause()
    nic.restart()


def reset(nic: Nic) -> None:
    nic.reset()


def asleep_and_awake(nic: Nic) -> None:
    nic.power("d3")
    nic.power("d0")


def test_scaling_outlives_a_pause_a_reset_and_sleep(lab: Lab) -> None:
    nic = started(lab)
    scaled(nic, (1, 0))
    answers: list[Answer] = []
    for turn, act in enumerate((paused_and_restarted, reset, asleep_and_awake)):
        act(nic)
        answers += flood(nic, turn * 10, turn * 10 + 10, answers)
        answers += rest(nic, (turn + 1) * 10 * FLOWS - len(answers))
    assert in_order(answers, FLOWS, 30)
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    for flow, some in by_flow(answers).items():
        assert turns(some) == [expected(datagram(mac, STATION, flow, 0), (1, 0))[0]]
