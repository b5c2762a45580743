"""A callback that waits for another adapter's on both platforms: its lane gets a stand-in, which leaves again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.layout.machine import ContextKind, SlotState
from emulator.simulated.machine import SimulatedMachine
from tests.patience import eventually

if TYPE_CHECKING:
    from emulator.testing import Lab

MINIPORT = "tests.bad_drivers.waits_for_the_other_adapter"
ASKS = "tests.bad_drivers.asks_at_dispatch"
LANES = {"initialize": ContextKind.PNP, "request": ContextKind.REQUESTS, "halt": ContextKind.PNP}


def simulated(where: str, **options: Any) -> SimulatedMachine:
    return SimulatedMachine(drivers=[MINIPORT, ASKS], adapters=2, defines={"WHERE": where}, **options)


@pytest.mark.parametrize("where", LANES)
@pytest.mark.parametrize("seed", range(3))
def test_one_adapter_does_not_stop_the_other(where: str, seed: int) -> None:
    machine = simulated(where, seed=seed)
    machine.wait_running()
    assert machine.statuses == [0, 0]
    slot = machine.geometry.lane_slots(LANES[where])[1]
    machine.run_for(500_000_000)
    assert (slot in machine.contexts) == (where != "halt")
    machine.run_for(2_000_000_000)
    assert machine.stop() is None
    assert machine.contexts[slot].name == ("PnP thread 1" if LANES[where] is ContextKind.PNP else "request thread 1")
    assert machine.arena.slots[slot].state in (SlotState.RETIRING, SlotState.EXITED)
    machine.close()


def test_an_adapter_that_nobody_waits_for_needs_no_stand_in() -> None:
    machine = simulated("nowhere")
    machine.wait_running()
    machine.run_for(500_000_000)
    assert machine.stop() is None
    assert not any(context.index for context in machine.contexts.values() if context.kind in LANES.values())
    machine.close()


@pytest.mark.parametrize("where", LANES)
def test_live_machines_get_one_too_and_it_leaves(where: str, lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=ASKS, adapters=2, environment={"WAITS": where}, processors=2)
    machine = nic.machine
    slot = machine.proxy.specification.geometry.lane_slots(LANES[where])[1]
    if where == "request":
        assert eventually(lambda: slot in machine.proxy.pids())
    if where != "halt":
        assert eventually(lambda: slot not in machine.proxy.pids())
    machine.end()
    assert machine.proxy.stop_report() is None
