"""A chosen sample of the bad drivers on live processes, and what only processes can do: hang, exit, crash."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.limits import VnicLimit
from tests.bad_drivers.computer import PACKAGE
from tests.bad_drivers.rules import RULES, Rule
from tests.bad_drivers.test_rules import check_lines, marks
from tests.scenarios.traffic import frame

if TYPE_CHECKING:
    from emulator.testing import Expectation, Lab

SMALL: dict[str, Any] = {"pool_bytes": 1 << 20, "frame_slots": 64, "work_items": 256}
BY_NAME = {rule.driver: rule for rule in RULES}
SAMPLE = [
    BY_NAME[name]
    for name in (
        "work_item_freed_twice",
        "work_item_left_at_unload",
        "work_item_returns_with_lock",
        "irql_wait_in_timer",
        "spin_lock_recursive",
        "driver_entry_left_locked",
        "memory_left_at_halt",
        "interrupt_left_at_halt",
        "poll_gives_more_than_it_may",
        "pause_completed_unasked",
        "oid_completed_and_returned",
        "send_completed_twice",
        "receive_lent_and_changed",
        "private_context",
        "global_written",
    )
]


def drivers(rule: Rule, prefix: str = "") -> dict[str, Any]:
    name = f"{PACKAGE}.{prefix}{rule.driver}"
    if rule.role == "miniport":
        return {"miniport": name, "protocol": f"{PACKAGE}.{rule.other or 'base_protocol'}"}
    return {"miniport": f"{PACKAGE}.{rule.other or 'base_miniport'}", "protocol": name}


@pytest.mark.parametrize("rule", SAMPLE, ids=lambda rule: rule.driver)
def test_a_live_machine_stops_as_the_fake_one_does(rule: Rule, lab: Lab) -> None:
    wanted = [value if isinstance(value, int) else None for value in rule.parameters]
    with lab.expect_stop(rule.code, rule=rule.rule, parameters=wanted) as stop:
        nic = lab.start(**drivers(rule), **SMALL)
        if "_left_" in rule.driver:
            nic.machine.end()
    check_lines(rule, stop.report)


def test_the_screen_of_a_stop_says_whose_the_lists_are(lab: Lab) -> None:
    rule = BY_NAME["receive_indicated_in_use"]
    with lab.expect_stop(rule.code) as stop:
        lab.start(**drivers(rule), **SMALL)
    line = marks(rule.driver)["last handed on"]
    place = rf"\S+/receive_indicated_in_use.py:{line} in OnIndicate"
    kept = rf"NET_BUFFER_LISTs in use:\n  1: is indicated to keeps_receives \(binding 0\), last handed on at {place}"
    assert re.search(kept, stop.screen), stop.screen
    last = rf"  indicated NET_BUFFER_LIST \d+ of pool \d+ at {place}\n\n"
    assert re.search(rf"What it had last handed on, oldest first:\n(  .*\n)*{last}", stop.screen), stop.screen


def test_a_list_in_another_context_is_told_by_that_context(lab: Lab) -> None:
    with lab.expect_stop(0xC4, rule="Irql_Miniport_Driver_Function") as stop:
        lab.start(f"{PACKAGE}.holds_a_list", protocol=f"{PACKAGE}.base_protocol", **SMALL)
    assert re.search(r"\n  1: belongs to holds_a_list, last handed on at \S+:\d+ in MPFrame", stop.screen), stop.screen
    assert "at home in" not in stop.screen


def test_a_lock_whose_holder_sleeps_is_met_on_the_only_processor(lab: Lab) -> None:
    name = "spin_lock_left_below_dispatch"
    lab.start(f"{PACKAGE}.repaired.{name}", protocol=f"{PACKAGE}.base_protocol", **SMALL).pause()
    with lab.expect_stop(VnicLimit.VNIC_DEADLOCK) as stop:
        nic = lab.start(f"{PACKAGE}.{name}", protocol=f"{PACKAGE}.base_protocol", **SMALL)
        nic.pause()
    assert [(site.what, site.context) for site in stop.report.sites] == [("acquired", "PnP thread")]
    assert re.search(rf"{name}.py:{marks(name)['acquired']} in OnPause", stop.report.sites[0].where)


@pytest.mark.parametrize("repaired", [False, True], ids=["bad", "repaired"])
def test_a_handful_of_frames_shows_who_takes_a_header_to_be_in_one_piece(lab: Lab, repaired: bool) -> None:
    name = "header_in_one_piece"
    if repaired:
        nic = lab.start("netvmini", protocol=f"{PACKAGE}.repaired.{name}")
        for number in range(5):
            nic.send(frame(nic, number))
        nic.machine.wait(lambda found: found.counters["frames_cut"] >= 5 and not found.counters["lists_outstanding"])
        return
    with lab.expect_stop(0x1E) as stop:
        nic = lab.start("netvmini", protocol=f"{PACKAGE}.{name}")
        for number in range(5):
            nic.send(frame(nic, number))
    told = r"\nFrames that NDIS had cut into several MDLs: \d+ \(split_frames = sample, split_seed = 0\)\n"
    assert re.search(told, stop.screen), stop.screen


def test_the_repaired_twins_live_side_by_side(lab: Lab) -> None:
    for name in ("work_item_freed_twice", "send_completed_twice"):
        lab.start(**drivers(BY_NAME[name], "repaired."), **SMALL)
    for machine in lab.machines:
        machine.wait(lambda found: found.counters["callbacks"] > 5)


@pytest.mark.parametrize(
    ("where", "code", "callback"),
    [
        ("passive", 0xEA, "Work"),
        ("lock", 0x133, "Work"),
        ("dispatch", 0x133, "MPTimer"),
        ("ctypes", 0xEA, "Work"),
        ("exit", VnicLimit.VNIC_CONTEXT_TERMINATED, "Work"),
        ("crash", VnicLimit.VNIC_CONTEXT_TERMINATED, "Work"),
    ],
)
def test_a_callback_that_does_not_come_back(where: str, code: int, callback: str, lab: Lab) -> None:
    with lab.expect_stop(code) as stop:
        lab.start(
            f"{PACKAGE}.hangs",
            protocol=f"{PACKAGE}.base_protocol",
            environment={"HANGS": where},
            cpu_ms=200,
            wall_ms=600,
            **SMALL,
        )
    assert stop.report.callback == f"hangs!{callback}"
    assert stop.report.driver == "hangs"
    place = {"ctypes": "in Work: ctypes", "exit": "", "crash": "in Work: ctypes"}.get(where, "in spin")
    assert any(place in frame for frame in report_of(stop)), stop.screen


def test_a_work_item_that_waits_for_itself(lab: Lab) -> None:
    """Nobody else could set its event: the watchdog names the routine, and where it waits."""
    driver, other = f"{PACKAGE}.work_item_waits_for_itself", f"{PACKAGE}.base_protocol"
    with lab.expect_stop(0xEA) as stop:
        lab.start(driver, protocol=other, cpu_ms=200, wall_ms=600, **SMALL)
    assert stop.report.callback == "work_item_waits_for_itself!Work"
    assert stop.report.ddi == "NdisWaitEvent"
    lab.start(f"{PACKAGE}.repaired.work_item_waits_for_itself", protocol=other, **SMALL).machine.end()


def test_a_pause_that_waits_for_another_driver_tells_for_which(lab: Lab) -> None:
    other = "tests.scenarios.drivers.waits_for_sends"
    with lab.expect_stop(0xEA) as stop:
        nic = lab.start(f"{PACKAGE}.send_never_completed", protocol=other, wall_ms=600, **SMALL)
        nic.machine.wait(lambda found: found.counters["lists_sent"] > 0)
        nic.pause()
    assert stop.report.callback == "waits_for_sends!ProtocolNetPnPEvent"
    assert any("send_never_completed has not completed 1 of the lists" in line for line in stop.report.holders)


def test_pythons_own_sleep_is_for_passive_level(lab: Lab) -> None:
    other = f"{PACKAGE}.base_protocol"
    with lab.expect_stop(0xC4, 0xE5, parameters=(0xE5, 2, 0, 0)) as stop:
        lab.start(f"{PACKAGE}.sleeps_at_dispatch", protocol=other, **SMALL)
    line = marks("sleeps_at_dispatch")["stop"]
    assert f"sleeps_at_dispatch.py:{line} in OnTimer" in stop.report.traceback[-1]
    assert stop.report.text.startswith("time.sleep was called at DISPATCH_LEVEL")
    nic = lab.start(f"{PACKAGE}.repaired.sleeps_at_dispatch", protocol=other, **SMALL)
    lab.log.wait_for("slept")
    nic.machine.end()


def report_of(stop: Expectation) -> list[str]:
    """The stack of the culprit, and something for one that left no stack."""
    return stop.report.traceback or [""]


def test_a_driver_that_the_test_itself_has_imported_is_checked_all_the_same(lab: Lab) -> None:
    """A module binds the functions of the build that was installed when it was imported: here none was."""
    import tests.bad_drivers.irql_sleep_in_timer as imported

    rule = BY_NAME["irql_sleep_in_timer"]
    assert imported.__name__ == f"{PACKAGE}.{rule.driver}"
    with lab.expect_stop(rule.code, rule=rule.rule) as stop:
        lab.start(**drivers(rule), **SMALL)
    check_lines(rule, stop.report)
