"""Filter modules in the PnP thread: NDIS's order, and what happens when one does not attach or restart."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.headers.constants import NDIS_FILTER_DRIVER_MANDATORY
from emulator.ndis.headers.status import NDIS_STATUS_FAILURE, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play import pnp
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer

FILTERS = ["base_filter", "second_filter"]


def computer(**hooks: dict[str, Any]) -> Computer:
    return Computer("base_miniport", "base_protocol", filters=FILTERS, plant=hooks)


def noting(calls: list[str], name: str, what: str, status: int | None = NDIS_STATUS_SUCCESS) -> Any:
    def hook(*_: Any) -> int | None:
        calls.append(f"{name} {what}")
        return status

    return hook


def hooks(calls: list[str], name: str) -> dict[str, Any]:
    made = {f"On{what}": noting(calls, name, what) for what in ("Attach", "Restart", "Pause")}
    return {**made, "OnDetach": noting(calls, name, "Detach", None)}


def test_the_filter_named_first_is_on_top() -> None:
    calls: list[str] = []
    machine = computer(base_filter=hooks(calls, "top"), second_filter=hooks(calls, "bottom"))
    assert machine.life() == 0
    up = ["bottom Restart", "top Restart"]
    down = ["top Pause", "bottom Pause"]
    attach, detach = ["bottom Attach", "top Attach"], ["top Detach", "bottom Detach"]
    assert calls == [*attach, *up, *down, *up, *down, *detach]
    assert machine.left() == []


@pytest.mark.parametrize("what", ["Attach", "Restart"])
def test_a_filter_that_fails_is_left_out_and_the_stack_runs(what: str) -> None:
    calls: list[str] = []
    failing = {f"On{what}": noting(calls, "top", what, NDIS_STATUS_RESOURCES)}
    machine = computer(base_filter=failing)
    assert machine.life() == 0
    assert calls == [f"top {what}"]
    assert machine.left() == []
    words = "the stack runs without it" if what == "Attach" else "it is detached"
    assert any(words in text for text in machine.logs), machine.logs


@pytest.mark.parametrize("what", ["Attach", "Restart"])
def test_without_a_mandatory_filter_the_stack_is_not_started(what: str) -> None:
    def mandatory(given: Any) -> None:
        given.Flags = NDIS_FILTER_DRIVER_MANDATORY

    failing = {f"On{what}": noting([], "top", what, NDIS_STATUS_FAILURE), "OnCharacteristics": mandatory}
    machine = computer(base_filter=failing)
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == NDIS_STATUS_FAILURE
    machine.settle()
    assert machine.fake.machine.objects[HandleKind.ADAPTER].live() == []
    assert any("the stack is not started" in text for text in machine.logs), machine.logs
    machine.control(pnp.unload)
    assert machine.left() == []


def test_a_surprise_removal_passes_the_filters() -> None:
    machine = computer()
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    machine.settle()
    assert machine.control(pnp.surprise_remove, 0) == 0
    machine.control(pnp.unload)
    assert machine.left() == []


def test_what_is_left_pending_is_told_with_the_call_that_is_missing() -> None:
    machine = Computer("base_miniport", "base_protocol", filters=["filter_pause_never_completed"])
    with pytest.raises(BugCheck):
        machine.life()
    told = "within 10 seconds: it returned NDIS_STATUS_PENDING, and NdisFPauseComplete has not been called."
    assert told in machine.report.text
