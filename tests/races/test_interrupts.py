"""An ISR on one processor and what is synchronised with it on another: they never run at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.adapter_hardware import interrupts
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.wire import SECOND
from tests.simulated.scripts import OUTSIDE, TYPE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

DRIVER = "tests.scenarios.drivers.interrupt_messages"
FRAMES, ITEMS, SYNCHRONIZED = 6, 2, 8
SEEDS = range(6)


def count(seed: int) -> tuple[int, int]:
    """Frames for processor 0 while work items of processor 1 count the same: what was counted, and should have been."""
    machine = SimulatedMachine(
        drivers=[DRIVER, "tests.bad_drivers.base_protocol"],
        processors=2,
        passive_workers=2,
        messages=3,
        seed=seed,
        defines={"ITEMS": ITEMS},
    )
    try:
        machine.wait_running()
        for number in range(FRAMES):
            frame = machine.ports[0].mac + OUTSIDE[:5] + bytes((number,)) + TYPE + bytes(46)
            assert machine.inject(frame, 0, delay=2000 * machine.choose(64))
        machine.run_for(SECOND // 100)
        machine.run_until_idle()
        shared, isr = machine.images.images[0].module.Total()
    finally:
        machine.close()
    return shared, isr + ITEMS * SYNCHRONIZED


def test_nothing_is_lost_between_an_isr_and_who_is_synchronised_with_it() -> None:
    for seed in SEEDS:
        counted, expected = count(seed)
        assert counted == expected
        assert expected > ITEMS * SYNCHRONIZED


def test_without_the_lock_a_count_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = interrupts._connect

    def without_locks(context: Context, *arguments: Any) -> list[int]:
        handles = connect(context, *arguments)
        for handle in handles:
            context.machine.objects[HandleKind.INTERRUPT].find(handle, HandleKind.INTERRUPT).lock = 0
        return handles

    monkeypatch.setattr(interrupts, "_connect", without_locks)
    assert any(counted != expected for counted, expected in map(count, range(40)))
