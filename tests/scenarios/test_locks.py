"""Locks and lists between contexts of both platforms: what several workers count under them is all there in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from emulator.rules.limits import VnicLimit
from emulator.simulated.machine import SimulatedMachine

if TYPE_CHECKING:
    from emulator.testing import Lab

MINIPORT: Final = "tests.scenarios.drivers.shares_under_locks"
COUNTS: Final = "tests.scenarios.drivers.counts_at_dispatch_level"
PROTOCOL: Final = "tests.bad_drivers.base_protocol"


def test_workers_of_a_live_machine_lose_nothing(lab: Lab) -> None:
    sizes: dict[str, Any] = {"pool_bytes": 1 << 20, "frame_slots": 64, "work_items": 256}
    nic = lab.start(MINIPORT, protocol=PROTOCOL, processors=2, passive_workers=3, **sizes)
    assert lab.log.wait_for("counted").text == "counted 200 200 200 200, 4 entries"
    nic.machine.end()
    assert nic.machine.screen == ""


@pytest.mark.parametrize("seed", range(3))
def test_workers_of_a_simulated_machine_lose_nothing(seed: int) -> None:
    machine = SimulatedMachine(
        drivers=[MINIPORT, PROTOCOL], processors=2, passive_workers=3, seed=seed, defines={"ROUNDS": 3}
    )
    machine.wait_running()
    assert machine.run_within(lambda: any("counted" in text for _, _, text in machine.platform.logs), 10.0)
    assert machine.platform.logs[-1][2] == "counted 12 12 12 12, 4 entries"
    assert machine.stop() is None
    machine.close()


def test_at_dispatch_level_a_context_has_its_processor_for_itself(lab: Lab) -> None:
    nic = lab.start(COUNTS, protocol=PROTOCOL, passive_workers=4, pool_bytes=1 << 20)
    assert lab.log.wait_for("counted").text == "counted 8000"
    nic.machine.end()


@pytest.mark.parametrize(("level", "lost"), [(2, False), (0, True)], ids=["at DISPATCH_LEVEL", "at PASSIVE_LEVEL"])
def test_only_below_it_counts_are_lost(level: int, lost: bool) -> None:
    counted = set()
    for seed in range(4):
        machine = SimulatedMachine(
            drivers=[COUNTS, PROTOCOL], passive_workers=4, seed=seed, defines={"ROUNDS": 5, "LEVEL": level}
        )
        machine.wait_running()
        assert machine.run_within(lambda logs=machine.platform.logs: any("counted" in log[2] for log in logs), 10.0)  # type: ignore[misc]
        counted.add(machine.platform.logs[-1][2])
        assert machine.stop() is None
        machine.close()
    assert (counted != {"counted 20"}) == lost, counted


def test_a_holder_that_is_killed_stops_its_machine_and_is_named(lab: Lab) -> None:
    with lab.expect_stop(VnicLimit.VNIC_CONTEXT_TERMINATED) as stop:
        lab.start("tests.scenarios.drivers.dies_under_lock", protocol=PROTOCOL, processors=2, pool_bytes=1 << 20)
    assert "SIGKILL" in stop.report.text
    assert stop.report.callback == "dies_under_lock!Work"
    assert "holds reader/writer lock" in stop.screen
