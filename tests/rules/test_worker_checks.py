"""Every stop of Windows for work items has a bad driver here, or a reason why no driver can earn it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulator.rules.bugchecks import bug_check_entry
from emulator.rules.worker_checks import WORKER_CHECKS, WorkerCheck
from tests.bad_drivers.rules import RULES

SHOWN_LIVE = {0xEA: "work_item_waits_for_itself"}
"""What only the watchdog of live processes sees: tests/bad_drivers/test_live.py."""
POSSIBLE = [check for check in WORKER_CHECKS if not check.impossible]


def label(check: WorkerCheck) -> str:
    return f"{check.code:X}" + ("" if check.kind is None else f"-{check.kind:X}")


@pytest.mark.parametrize("check", POSSIBLE, ids=label)
def test_what_can_happen_has_a_bad_driver(check: WorkerCheck) -> None:
    shown = {row.driver for row in RULES if row.code == check.code and check.kind in (None, row.parameters[0])}
    assert shown or check.code in SHOWN_LIVE


@pytest.mark.parametrize("check", WORKER_CHECKS, ids=label)
def test_each_is_a_bug_check_of_windows(check: WorkerCheck) -> None:
    entry = bug_check_entry(check.code)
    assert entry is not None
    assert check.kind is None or check.kind in {code.value for code in entry.subcodes}


def test_the_live_ones_are_shown_by_a_test() -> None:
    live = (Path(__file__).parents[1] / "bad_drivers" / "test_live.py").read_text(encoding="utf-8")
    assert all(re.search(rf"\b{name}\b", live) for name in SHOWN_LIVE.values())
