"""The same script on live processes and on the simulated machine: the same DDI calls in every context."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.console import Console
from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import Geometry
from emulator.simulated.machine import SimulatedMachine
from emulator.trace import first_difference
from tests.simulated.scripts import HELLO, NETVMINI, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTEXTS = ["zygote", "PnP thread", "request thread", "processor 0", "passive worker 0"]
SPECIFICATION = MachineSpecification(
    name="both",
    geometry=Geometry(passive_workers=1, work_items=256, frame_slots=1024, pool_bytes=4 << 20, traced=True),
    drivers=[
        DriverSpecification(kind="miniport", module=NETVMINI),
        DriverSpecification(kind="protocol", module=HELLO),
    ],
    adapters=[AdapterSpecification(name="adapter0", mac="02:4e:44:01:00:01")],
).prepared()


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with Console() as made:
        yield made


def live_calls(console: Console, script: Callable[[Any], None], wanted: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the live machine's contexts called, once they have come as far as the simulated ones or time is up."""
    machine = console.start_machine(SPECIFICATION)
    script(machine)
    deadline = time.monotonic() + 5.0
    while (calls := {name: machine.ddi_calls(name) for name in CONTEXTS}) != wanted and time.monotonic() < deadline:
        pass
    assert machine.stop() is None
    return calls


def simulated_calls(script: Callable[[Any], None], seed: int) -> dict[str, list[str]]:
    """What the simulated machine's contexts called until nothing moved any more."""
    machine = SimulatedMachine(SPECIFICATION, seed=seed)
    script(machine)
    machine.run_until_idle()
    calls = {name: machine.ddi_calls(name) for name in CONTEXTS}
    assert machine.stop() is None
    machine.close()
    return calls


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.__name__ for script in SCRIPTS])
def test_a_script_makes_the_same_calls_on_both(console: Console, script: Callable[[Any], None]) -> None:
    simulated = [simulated_calls(script, seed) for seed in range(3)]
    live = live_calls(console, script, simulated[0])
    assert live["processor 0"]
    assert live["PnP thread"]
    for seed, calls in enumerate(simulated):
        for name in CONTEXTS:
            assert first_difference(live[name], calls[name]) == "", f"{name}, seed {seed}"
