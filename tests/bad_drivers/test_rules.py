"""Every bad driver gets exactly its stop, with the lines that it names; its repaired twin lives and leaves nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from emulator.kernel.stop import StopReport
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import FOLDER, PACKAGE, Computer
from tests.bad_drivers.rules import RULES, Rule

OTHERS = {
    "raises",
    "raises_above",
    "hangs",
    "holds_a_list",
    "asks_at_dispatch",
    "waits_for_the_other_adapter",
    "work_item_waits_for_itself",
    "second_filter",
    "sleeps_at_dispatch",
    "spin_lock_left_below_dispatch",
    "header_in_one_piece",
    "base_provider",
    "base_idle",
    "base_poll",
    "asks_after_restart",
    "offers_scaling",
}
"""Drivers of this folder that other tests are about."""
_MARK = re.compile(r"# (?:type: ignore\[[\w-]+\]  # )?(?:(?P<stop>stop)|site: (?P<site>.+))$")
_PLACE = re.compile(r"^(?P<path>\S+):(?P<line>\d+) in ")


def computer(rule: Rule, name: str, **options: Any) -> Computer:
    if rule.role == "miniport":
        return Computer(name, rule.other or "base_protocol", **options)
    if rule.role == "filter":
        return Computer("base_miniport", rule.protocol, filters=[name, *rule.other.split()], **options)
    if rule.role == "intermediate":
        return Computer(rule.other or "base_miniport", "base_protocol", intermediate_driver=name, **options)
    return Computer(rule.other or "base_miniport", name, **options)


def marks(driver: str) -> dict[str, int]:
    """The lines that a driver marks: ``stop`` and each ``site``."""
    found = {}
    for number, line in enumerate((FOLDER / f"{driver}.py").read_text(encoding="utf-8").splitlines(), 1):
        match = _MARK.search(line)
        if match is not None:
            found[match["site"] or "stop"] = number
    return found


def line_of(driver: str, place: str) -> int:
    """The line in the driver's own file; 0 for another file or for what it includes."""
    match = _PLACE.match(place)
    if match is None or not match["path"].endswith(f"/{driver}.py"):
        return 0
    return int(match["line"])


def check_report(rule: Rule, report: StopReport, routines: list[str]) -> None:
    assert report.code == rule.code, report
    for number, (wanted, found) in enumerate(zip(rule.parameters, report.parameters, strict=True), 1):
        if isinstance(wanted, str):
            assert routines[found].endswith(f"!{wanted}"), f"parameter {number}: {routines[found]}"
        elif wanted is not None:
            assert found == wanted, f"parameter {number}: 0x{found:X}, not 0x{wanted:X}"
    assert report.rule == rule.rule
    assert report.text.endswith((".", ")"))
    check_lines(rule, report)


def check_lines(rule: Rule, report: StopReport) -> None:
    wanted = marks(rule.driver)
    if rule.driver.endswith("_never_completed"):
        assert report.driver == rule.driver
    if "stop" in wanted:
        assert report.driver == rule.driver
        assert line_of(rule.driver, report.traceback[-1]) == wanted.pop("stop"), report.traceback
    for what, line in wanted.items():
        lines = [line_of(rule.driver, site.where) for site in report.sites if site.what.startswith(what)]
        assert line in lines, report.sites


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.driver)
def test_the_bad_driver_gets_its_stop(rule: Rule) -> None:
    machine = computer(rule, rule.driver)
    with pytest.raises(BugCheck):
        machine.life(rule.seconds, sleeps=rule.sleeps, shuts_down=rule.shuts_down)
    images = machine.fake.machine.images
    check_report(rule, machine.report, [images.routine_name(n) for n in range(len(images.routines))])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.driver)
def test_the_repaired_twin_lives(rule: Rule) -> None:
    machine = computer(rule, f"repaired.{rule.driver}")
    status = machine.life(rule.seconds, sleeps=rule.sleeps, shuts_down=rule.shuts_down)
    assert (status == 0) == rule.starts
    assert machine.fake.stop_report() is None
    assert machine.left() == [] or rule.shuts_down


@pytest.mark.parametrize("name", ["base_miniport", "base_protocol"])
def test_the_common_part_keeps_every_rule(name: str) -> None:
    machine = Computer("base_miniport", "base_protocol")
    assert machine.life() == 0
    assert machine.left() == []
    assert name in str(machine.names)


def test_two_small_filters_keep_every_rule() -> None:
    machine = Computer("base_miniport", "base_protocol", filters=["base_filter", "second_filter"])
    assert machine.life() == 0
    assert machine.left() == []


def test_a_small_intermediate_driver_keeps_every_rule() -> None:
    machine = Computer("base_miniport", "base_protocol", intermediate_driver="base_intermediate")
    assert machine.life() == 0
    assert machine.left() == []


def test_every_driver_of_this_folder_is_in_the_table() -> None:
    drivers = {path.stem for path in FOLDER.glob("*.py") if "\ninclude(globals()" in path.read_text(encoding="utf-8")}
    listed = {rule.driver for rule in RULES}
    others = OTHERS | {rule.other for rule in RULES if rule.other}
    assert {name for name in drivers - listed if not name.startswith("refused_")} == others
    assert listed - drivers == set()
    assert PACKAGE == "tests.bad_drivers"
