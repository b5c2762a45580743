"""Callbacks that do not return: seen by processor time and by the clock, at both levels, with the culprit's stack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.specification import WatchdogLimits
from emulator.host.watchdog import DPC_WATCHDOG_VIOLATION, THREAD_STUCK_IN_DEVICE_DRIVER, Watchdog
from emulator.layout.arena import Arena, Geometry, offsets_of
from tests.host.machines import provoke, started, toy
from tests.patience import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.host.console import Console

MILLISECOND = 1_000_000
FAST: dict[str, Any] = {"cpu_ms": 100, "wall_ms": 20_000}
"""The limit on the clock is far away: a busy computer may take a second over a tenth of processor time."""


@pytest.mark.parametrize(
    ("operation", "code", "name", "routine"),
    [
        pytest.param(102, 0xEA, "THREAD_STUCK_IN_DEVICE_DRIVER", "WorkThatSpins", id="passive"),
        pytest.param(201, 0x133, "DPC_WATCHDOG_VIOLATION", "DeferredThatSpins", id="dispatch"),
    ],
)
def test_a_callback_that_never_returns(console: Console, operation: int, code: int, name: str, routine: str) -> None:
    machine = started(console, **FAST)
    provoke(machine, operation, 0, 30)
    report = machine.wait_ended()
    assert report is not None
    assert (report.stop.code, report.stop.name) == (code, name)
    assert report.stop.callback == f"toy_driver!{routine}"
    assert any(f"in {routine}: toy.spin(value)" in line for line in report.stop.traceback)
    assert "of processor time" in report.stop.text
    assert machine.screen.startswith(f"*** STOP: 0x{code:08X} (")


def test_a_callback_that_blocks_is_seen_by_the_clock(console: Console) -> None:
    machine = started(console, cpu_ms=100, wall_ms=200)
    machine.control(103, 1, 30_000)
    report = machine.wait_ended()
    assert report is not None
    assert report.stop.code == 0xEA
    assert "on the clock" in report.stop.text
    assert any("time.sleep" in line for line in report.stop.traceback)


def test_a_callback_that_spins_with_a_lock_held_is_the_culprit_and_not_its_waiters(console: Console) -> None:
    machine = started(console, **FAST, passive_workers=3)
    provoke(machine, 108, 3, 4)  # three workers want one lock; the first has it and spins
    report = machine.wait_ended()
    assert report is not None
    assert "of processor time" in report.stop.text
    assert any("toy.lock_and_spin" in line for line in report.stop.traceback)
    assert sum("WorkThatLocksAndSpins" in box.routine for box in report.contexts) == 3


def test_a_call_that_never_comes_back_from_c(console: Console) -> None:
    machine = started(console, cpu_ms=100, wall_ms=200)
    provoke(machine, 109)
    report = machine.wait_ended()
    assert report is not None
    assert any("toy.block_in_c" in line for line in report.stop.traceback)


def test_a_driver_entry_that_never_returns(console: Console, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text("def DriverEntry(driver_object, registry_path):\n    while True:\n        pass\n", encoding="utf-8")
    machine = console.start_machine(toy(driver=str(path), **FAST))
    report = machine.wait_ended()
    assert report is not None
    assert (report.stop.code, report.stop.context, report.stop.callback) == (0xEA, "zygote", "DriverEntry")
    assert any("plugin.py:" in line and "in DriverEntry" in line for line in report.stop.traceback)


def test_short_callbacks_are_never_too_long_however_many(console: Console) -> None:
    machine = started(console, cpu_ms=100, wall_ms=600)
    machine.control(110, 160, 10)  # a hundred and sixty times ten milliseconds of work, for two workers
    assert eventually(lambda: machine.statistics().counters["work_items_taken"] == 160)
    assert machine.stop() is None


def test_debug_has_no_watchdog(console: Console) -> None:
    machine = started(console, cpu_ms=20, wall_ms=40, debug=True)
    machine.control(111, 0, 200)  # the control operation itself spins for 200 ms
    assert machine.stop() is None


class TestByItself:
    def made(self) -> tuple[Watchdog, Arena]:
        geometry = Geometry(frame_slots=64, pool_bytes=1 << 20)
        arena = Arena(bytearray(offsets_of(geometry)["size"]), geometry)
        return Watchdog(arena, WatchdogLimits(cpu_ms=1000, wall_ms=3000)), arena

    def test_a_context_in_no_callback_is_never_late(self) -> None:
        watchdog, _ = self.made()
        assert watchdog.look({4: os.getpid()}, 0) is None
        assert watchdog.look({4: os.getpid()}, 10**15) is None

    def test_only_the_hosts_clock_counts_whatever_the_slot_says(self) -> None:
        watchdog, arena = self.made()
        arena.slots[4].entered = 1  # as if it had been in there since the machine was switched on
        assert watchdog.look({4: os.getpid()}, 10**15) is None
        assert watchdog.look({4: os.getpid()}, 10**15 + 2999 * MILLISECOND) is None
        overrun = watchdog.look({4: os.getpid()}, 10**15 + 3000 * MILLISECOND)
        assert overrun is not None
        assert (overrun.slot, overrun.clock, overrun.used_ms) == (4, "wall", 3000)
        assert overrun.code == THREAD_STUCK_IN_DEVICE_DRIVER

    def test_a_new_callback_begins_anew(self) -> None:
        watchdog, arena = self.made()
        box = arena.slots[4]
        box.entered, box.callbacks, box.irql = 5, 1, 2
        watchdog.look({4: os.getpid()}, 0)
        box.entered, box.callbacks = 6, 2
        assert watchdog.look({4: os.getpid()}, 5000 * MILLISECOND) is None
        overrun = watchdog.look({4: os.getpid()}, 9000 * MILLISECOND)
        assert overrun is not None
        assert overrun.code == DPC_WATCHDOG_VIOLATION

    def test_a_process_that_is_gone_is_not_late(self) -> None:
        watchdog, arena = self.made()
        arena.slots[4].entered = 5
        assert watchdog.look({4: 2**22 + 1}, 0) is None
