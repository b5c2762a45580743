"""The same script on live processes and on the simulated machine: the same DDI calls in every context."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.console import Console
from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import Geometry
from emulator.rules.control import ControlOperation
from emulator.simulated.machine import SimulatedMachine
from emulator.trace import first_difference
from tests.patience import DEADLINE
from tests.races.test_responder import arp_request, echo_request
from tests.simulated.scripts import HELLO, NETVMINI, RESPONDER, SCRIPTS, answer_to, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.host.specification import DriverKind

    Script = Callable[..., Iterator[None]]

CONTEXTS = ["zygote", "PnP thread", "request thread", "processor 0", "passive worker 0"]
MUX = "sample_drivers.mux"
WAITS = {"NdisMSleep", "NdisStallExecution"}
NEVER_MS = 3_600_000


def specification(protocol: str, *filters: str) -> MachineSpecification:
    return MachineSpecification(
        name="both",
        geometry=Geometry(passive_workers=1, work_items=256, frame_slots=1024, pool_bytes=4 << 20, traced=True),
        drivers=[
            DriverSpecification(kind="miniport", module=NETVMINI),
            *(DriverSpecification(kind=kind_of(each), module=each) for each in filters),
            DriverSpecification(kind="protocol", module=protocol, adapters=["*.*"] if MUX in filters else []),
        ],
        adapters=[AdapterSpecification(name="adapter0", mac="02:4e:44:01:00:01")],
        registry={"Address": "10.77.0.1/24", "AgingInterval": NEVER_MS, "VlanIds": "10"},
    ).prepared()


def kind_of(module: str) -> DriverKind:
    """What is between miniport and protocol."""
    return "intermediate" if module == MUX else "filter"


def pings(machine: Any) -> Iterator[None]:
    """ARP, then echo requests one by one."""
    machine.wait_running()
    cable = machine.cables[0]
    assert cable.wait_carrier(True, 5.0)
    for sent in (arp_request(3), echo_request(3, 1), echo_request(3, 2)):
        yield
        assert cable.send(sent)
        assert cable.receive(5.0) is not None
    yield
    assert machine.control(ControlOperation.PAUSE, 0) == 0
    assert machine.control(ControlOperation.RESTART, 0) == 0
    yield
    assert cable.send(echo_request(3, 3))
    assert cable.receive(5.0) is not None


def vlans(machine: Any) -> Iterator[None]:
    """Frames of a VLAN, and PnP of the adapter below."""
    machine.wait_running()
    cable = machine.cables[0]
    assert cable.wait_carrier(True, 5.0)
    tag = b"\x81\x00\x00\x0a"
    for number in range(3):
        yield
        sent = frame(number)[:12] + tag + frame(number)[12:]
        assert cable.send(sent)
        assert cable.receive(5.0) == answer_to(sent)
    yield
    assert machine.control(ControlOperation.PAUSE, 0) == 0
    assert machine.control(ControlOperation.RESTART, 0) == 0
    yield
    assert machine.control(ControlOperation.STOP_ADAPTER, 0) == 0


FILTERED = (RESPONDER, "sample_drivers.ndislwf", "tests.drivers.second_lwf")
CASES = [*(((HELLO,), script) for script in SCRIPTS), ((RESPONDER,), pings), (FILTERED, pings), ((HELLO, MUX), vlans)]


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with Console() as made:
        yield made


def calls_of(machine: Any) -> dict[str, list[str]]:
    """The calls of each context, without those by which it waits for time to pass: how many depends on the clock."""
    return {name: [call for call in machine.ddi_calls(name) if call not in WAITS] for name in CONTEXTS}


def simulated_calls(drivers: tuple[str, ...], script: Script, seed: int) -> list[dict[str, list[str]]]:
    """What the contexts of a simulated machine had called each time that nothing moved any more."""
    machine = SimulatedMachine(specification(*drivers), seed=seed)
    rests = []
    for _ in script(machine):
        machine.run_until_idle()
        rests.append(calls_of(machine))
    machine.run_until_idle()
    rests.append(calls_of(machine))
    assert machine.stop() is None
    machine.close()
    return rests


def live_calls(
    console: Console, drivers: tuple[str, ...], script: Script, rests: list[dict[str, list[str]]]
) -> dict[str, list[str]]:
    """What the contexts of live processes have called in the end.

    Before the script goes on they get their time to come as far as the simulated ones had come there.
    """
    machine = console.start_machine(specification(*drivers))
    reached = iter(rests)
    for _ in script(machine):
        _rest(machine, next(reached))
    calls = _rest(machine, next(reached))
    assert machine.stop() is None
    return calls


def _rest(machine: Any, wanted: dict[str, list[str]]) -> dict[str, list[str]]:
    deadline = time.monotonic() + DEADLINE
    while (calls := calls_of(machine)) != wanted and time.monotonic() < deadline:
        pass
    return calls


@pytest.mark.parametrize(
    ("drivers", "script"), CASES, ids=[f"{script.__name__}-{len(drivers) - 1}-filters" for drivers, script in CASES]
)
def test_a_script_makes_the_same_calls_on_both(console: Console, drivers: tuple[str, ...], script: Script) -> None:
    simulated = [simulated_calls(drivers, script, seed) for seed in range(3)]
    live = live_calls(console, drivers, script, simulated[0])
    assert live["processor 0"]
    assert live["PnP thread"]
    for seed, rests in enumerate(simulated):
        for name in CONTEXTS:
            assert first_difference(live[name], rests[-1][name]) == "", f"{name}, seed {seed}"
