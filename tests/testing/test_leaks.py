"""What a driver has not given back when its machine ends in order fails the test, with the line that took it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LEAKS = [
    ("memory_left_at_halt", "MiniportHaltEx returned and left memory of the adapter"),
    ("memory_left_at_unload", "has unloaded and left memory"),
    ("work_item_left_at_halt", "left a work item of the adapter"),
    ("work_item_left_at_unload", "has unloaded and left a work item"),
    ("timer_left_at_halt", "MiniportHaltEx returned and left a timer"),
    ("interrupt_left_at_halt", "MiniportHaltEx returned and left an interrupt"),
    ("pool_freed_in_use", "have not been freed"),
]


@pytest.mark.parametrize(("driver", "text"), LEAKS, ids=[driver for driver, _ in LEAKS])
def test_a_leak(driver: str, text: str, outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, printed = outcome(
        f"lab.start('tests.bad_drivers.{driver}', protocol='tests.bad_drivers.base_protocol', pool_bytes=1 << 20)"
    )
    assert counts == {"failed": 1}
    assert " ".join(text.split()) in " ".join(printed.split())
    assert f"{driver}.py:" in printed
    assert "*** STOP: 0x" in printed


@pytest.mark.soak
def test_a_list_that_is_kept(outcome: Callable[..., tuple[Any, str]]) -> None:
    """NDIS waits ten seconds for the pause, and then says who blocks it."""
    counts, printed = outcome(
        """
        nic = lab.start("tests.bad_drivers.base_miniport", protocol="tests.bad_drivers.pause_with_receives_kept")
        nic.machine.wait(lambda now: now.counters["lists_outstanding"] == 1)
        """
    )
    assert counts == {"failed": 1}
    assert "pause_with_receives_kept has not returned 1 of the lists that were indicated to it" in printed


def test_the_repaired_twins_leave_nothing(outcome: Callable[..., tuple[Any, str]]) -> None:
    starts = "; ".join(
        f"lab.start('tests.bad_drivers.repaired.{driver}', protocol='tests.bad_drivers.base_protocol')"
        for driver, _ in LEAKS
    )
    counts, printed = outcome(starts)
    assert counts == {"passed": 1}, printed
