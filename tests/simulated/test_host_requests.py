"""OID requests of NDIS's own on the simulated machine: through filters, answered, pended, refused; nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.ndis.headers import oids
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_INVALID_STATE,
)
from emulator.rules.control import ControlOperation
from emulator.rules.errors import BugCheck
from emulator.simulated.machine import SimulatedMachine
from tests.simulated.scripts import FEW_BUFFERS, HELLO, NETVMINI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.kernel.lanes import Answer

FILTERS = ["sample_drivers.ndislwf", "tests.drivers.second_lwf"]


def started(drivers: list[str], **options: object) -> SimulatedMachine:
    machine = SimulatedMachine(drivers=drivers, **options)  # type: ignore[arg-type]
    machine.wait_running()
    return machine


@pytest.fixture(params=range(3))
def machine(request: pytest.FixtureRequest) -> Iterator[SimulatedMachine]:
    made = started([NETVMINI, *FILTERS, HELLO], defines=FEW_BUFFERS, seed=request.param)
    yield made
    assert made.stop() is None
    made.close()


def query(machine: SimulatedMachine, oid: int, room: int = 2048) -> Answer:
    return machine.control(ControlOperation.OID_QUERY, 0, oid | room << 32)


def status_of(answer: Answer) -> int:
    return int(answer) - (1 << 32) if int(answer) >> 31 else int(answer)


def test_answers_come_from_ndis_and_from_the_miniport(machine: SimulatedMachine) -> None:
    blocks = machine.machine.pool.state.blocks
    known = query(machine, oids.OID_GEN_MAXIMUM_FRAME_SIZE)
    assert (known, known.data) == (0, (1500).to_bytes(4, "little"))
    asked = query(machine, oids.OID_802_3_CURRENT_ADDRESS)
    assert (asked, asked.data) == (0, bytes.fromhex("024e44010001"))
    assert machine.machine.pool.state.blocks == blocks


def test_a_buffer_too_short_and_a_set_too_short(machine: SimulatedMachine) -> None:
    short = query(machine, oids.OID_GEN_SUPPORTED_LIST, 4)
    assert status_of(short) == NDIS_STATUS_BUFFER_TOO_SHORT
    assert (short.data, short.needed > 4, short.needed % 4) == (b"", True, 0)
    given = machine.control(ControlOperation.OID_SET, 0, oids.OID_GEN_CURRENT_LOOKAHEAD, data=b"\1")
    assert status_of(given) == NDIS_STATUS_INVALID_LENGTH
    assert given.needed == 4


def test_a_set_reaches_the_miniport_and_a_paused_adapter_answers_too(machine: SimulatedMachine) -> None:
    value = (512).to_bytes(4, "little")
    assert machine.control(ControlOperation.PAUSE) == 0
    assert machine.control(ControlOperation.OID_SET, 0, oids.OID_GEN_CURRENT_LOOKAHEAD, data=value) == 0
    assert machine.control(ControlOperation.RESTART) == 0


def test_an_adapter_that_is_not_there_is_no_adapter(machine: SimulatedMachine) -> None:
    assert status_of(machine.control(ControlOperation.OID_QUERY, 7, 1)) == NDIS_STATUS_ADAPTER_NOT_FOUND
    assert status_of(machine.control(ControlOperation.START_ADAPTER)) == NDIS_STATUS_INVALID_STATE
    assert machine.control(ControlOperation.STOP_ADAPTER) == 0
    assert status_of(query(machine, 1)) == NDIS_STATUS_ADAPTER_NOT_FOUND


def test_a_request_that_is_never_completed_stops_the_machine() -> None:
    machine = started(["tests.bad_drivers.oid_never_completed", "tests.bad_drivers.base_protocol"])
    with pytest.raises(BugCheck) as stopped:
        machine.control(ControlOperation.OID_SET, 0, oids.OID_PM_REMOVE_WOL_PATTERN, 20.0, b"1234")
    assert (stopped.value.code, stopped.value.parameters[0]) == (0xC4, 0x92003)
    report = machine.stop_report()
    assert report is not None
    assert "asked by the host: set OID_PM_REMOVE_WOL_PATTERN has not been completed within 12 seconds" in report.text
    machine.close()
