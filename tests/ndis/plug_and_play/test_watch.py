"""NDIS says at any time who has what in hand, and since when."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.ndis.headers.status import NDIS_STATUS_PENDING
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.plug_and_play.blockers import blockers
from emulator.ndis.plug_and_play.pnp_reset import ResetResult
from emulator.ndis.plug_and_play.watch import LOOK_NS
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer

SECOND = 1_000_000_000


def running(miniport: str, protocol: str = "base_protocol") -> Computer:
    """A machine whose miniport does not get out of a reset, either."""

    def reset(adapter: Any) -> ResetResult:
        del adapter
        return ResetResult(NDIS_STATUS_PENDING, False)

    machine = Computer(miniport, protocol, plant={miniport: {"OnReset": reset}})
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    return machine


def test_nobody_blocks_an_adapter_that_has_nothing_to_do() -> None:
    machine = running("base_miniport")
    machine.settle()
    assert blockers(machine.fake.machine, 0) == []
    assert blockers(machine.fake.machine, 7) == []


def test_who_keeps_lists_and_since_when() -> None:
    machine = running("send_never_completed")
    machine.settle()
    [blocker] = blockers(machine.fake.machine, 0)
    assert (blocker.driver, blocker.since) == ("send_never_completed", 0)
    assert blocker.holds == "not completed 1 of the lists that it was given to send"
    kept = machine.fake.platform.time
    machine.run_for(5)
    [blocker] = blockers(machine.fake.machine, 0)
    assert kept <= blocker.since <= kept + LOOK_NS + SECOND // 10
    now = machine.fake.platform.time
    assert blocker.line(now).endswith(f", for {(now - blocker.since) / 1e9:.1f} s")


def test_who_keeps_a_request_and_since_when() -> None:
    machine = running("oid_never_completed", "asks_after_restart")
    machine.settle()
    machine.run_for(3)
    [blocker] = blockers(machine.fake.machine, 0)
    assert blocker.driver == "oid_never_completed"
    assert blocker.holds == "set OID_PM_REMOVE_WOL_PATTERN in hand"
    assert 3 <= (machine.fake.platform.time - blocker.since) / SECOND < 4
    assert "asks_after_restart.py" in blocker.where[0]


def test_since_begins_anew_when_a_list_is_given_on() -> None:
    machine = running("send_completed_too_late", "sends_often")
    machine.run_for(20)
    [blocker] = blockers(machine.fake.machine, 0)
    assert machine.fake.platform.time - blocker.since < 9 * SECOND


def test_an_overdue_request_stops_a_running_adapter() -> None:
    machine = running("oid_never_completed", "asks_after_restart")
    machine.run_for(11)
    assert machine.fake.stop_report() is None
    with pytest.raises(BugCheck):
        machine.run_for(4)
    report = machine.report
    assert (report.code, report.parameters[0], report.rule) == (0xC4, 0x92003, "NdisTimedOidComplete")
    assert report.holders == ["oid_never_completed has set OID_PM_REMOVE_WOL_PATTERN"]
