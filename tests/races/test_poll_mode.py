"""A Poll object under many schedules: nothing that comes between the last poll and the arming is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.ndis.data_path import poll_service
from emulator.rules.control import ControlOperation
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.wire import SECOND
from tests.simulated.scripts import FEW_BUFFERS, HELLO, OUTSIDE, TYPE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

POLLED = "tests.scenarios.drivers.poll_mode"
REQUESTING = "tests.scenarios.drivers.poll_requests"
PROTOCOL = "tests.bad_drivers.base_protocol"
FRAMES = 8
MADE = 2
"""Frames of REQUESTING."""


def echoed(seed: int) -> int:
    """Frames at odd moments to a machine of two processors; how many came back."""
    machine = SimulatedMachine(drivers=[POLLED, HELLO], processors=2, seed=seed, defines=FEW_BUFFERS)
    try:
        machine.wait_running()
        for number in range(FRAMES):
            frame = machine.ports[0].mac + OUTSIDE[:5] + bytes((number,)) + TYPE + bytes(46)
            assert machine.inject(frame, 0, delay=500 * machine.choose(64))
        machine.run_for(SECOND // 50)
        machine.run_until_idle()
        count = len(machine.frames())
        assert machine.control(ControlOperation.STOP_ADAPTER, 0) == 0
        assert machine.stop() is None
    finally:
        machine.close()
    return count


def returned(seed: int) -> int:
    """Frames that work items have and ask polls for, on another processor than theirs; how many came back."""
    machine = SimulatedMachine(
        drivers=[REQUESTING, PROTOCOL], processors=2, passive_workers=2, seed=seed, split_frames="off"
    )
    try:
        machine.wait_running()
        machine.run_for(SECOND // 100)
        machine.run_until_idle()
        count: int = machine.images.images[0].module.Total()
    finally:
        machine.close()
    return count


def test_every_frame_comes_back() -> None:
    assert [echoed(seed) for seed in range(4)] == [FRAMES] * 4


def test_no_request_is_lost() -> None:
    counts = [returned(seed) for seed in range(12)]
    assert min(counts) == max(counts) >= MADE


def test_without_the_last_look_a_request_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def rest(context: Context, record: Any, handle: int) -> None:
        context.platform.exchange(record.scheduled, 0)

    whole = returned(0)
    monkeypatch.setattr(poll_service, "_rest", rest)
    assert any(returned(seed) < whole for seed in range(60))
