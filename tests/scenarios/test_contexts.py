"""What NDIS keeps is the machine's: a driver finds it in whichever process it asks."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import pytest

from emulator.rules.errors import ConfigurationError
from sample_drivers.netvmini_nic import NIC_OIDS
from tests.scenarios.traffic import HELLO, MINIPORT

if TYPE_CHECKING:
    from emulator.testing import Lab

DRIVERS: Final = "tests.scenarios.drivers"
BAD: Final = "tests.bad_drivers"


def test_the_list_of_oids_that_initialize_gave_is_found_by_a_processor(lab: Lab) -> None:
    lab.start(MINIPORT, protocol=f"{DRIVERS}.asks_elsewhere")
    said = lab.log.wait_for("status")
    assert said.context == "processor 0"
    # Without statistics, which NDIS does not tell protocols of.
    told = [oid for oid in NIC_OIDS if oid >> 16 & 0xFF != 0x02]
    assert said.text == f"status 0x0, list {struct.pack(f'<{len(told)}I', *told).hex()}"


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "free"])
def test_a_bind_left_to_a_work_item_opens_the_adapter_there(lab: Lab, checked: bool) -> None:
    nic = lab.start(
        f"{BAD}.base_miniport", protocol=f"{BAD}.repaired.open_after_bind_completed", checked=checked, adapters=2
    )
    for count in (1, 2):
        said = lab.log.wait_for("the bind is completed with 0x0", count=count)
        assert said.context.startswith("passive worker")
    nic.machine.end()
    assert nic.machine.screen == ""


def test_an_unbind_left_to_a_work_item_closes_the_adapter_there(lab: Lab) -> None:
    nic = lab.start(f"{BAD}.base_miniport", protocol=f"{DRIVERS}.closes_later")
    nic.machine.end()
    said = lab.log.wait_for("the close gave 0x0")
    assert said.context.startswith("passive worker")
    assert nic.machine.screen == ""


def test_an_open_in_a_work_item_when_the_bind_is_over_stops(lab: Lab) -> None:
    with lab.expect_stop(0x7C, parameters=[0x16, None, None, 0]) as stop:
        lab.start(f"{BAD}.base_miniport", protocol=f"{BAD}.open_after_bind_completed")
    assert stop.report.context.startswith("passive worker")
    assert stop.report.callback == "open_after_bind_completed!OpenLater"


def test_a_driver_is_of_the_kind_that_it_is_listed_as(lab: Lab) -> None:
    with pytest.raises(ConfigurationError, match=r"driver hello is listed as a miniport and .* none; it is a protocol"):
        lab.start(HELLO)


def test_a_work_item_queued_again_in_its_routine_runs_twice_at_once_in_two_processes(lab: Lab) -> None:
    nic = lab.start(f"{DRIVERS}.runs_twice_at_once", protocol=f"{BAD}.base_protocol", passive_workers=2)
    said = [lab.log.wait_for(words) for words in ("first run at IRQL 0", "second run at IRQL 0", "first run ends")]
    first, second, last = (each.context for each in said)
    assert {first, second} == {"passive worker 0", "passive worker 1"}
    assert last == first
    nic.machine.end()
