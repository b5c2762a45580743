"""Filters and drivers that come and go on the simulated machine, by seed: frames and OID requests in between."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.waits import look_until
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.status import NDIS_STATUS_RESOURCES
from emulator.ndis.plug_and_play import filter_changes
from emulator.rules.control import ControlOperation
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.wire import SECOND
from tests.simulated.scripts import FEW_BUFFERS, HELLO, NETVMINI, answer_to, frame

MINIPORT = "tests.bad_drivers.base_miniport"
FILTERS = ["sample_drivers.ndislwf", "tests.drivers.second_lwf"]
ATTACH, DETACH = ControlOperation.ATTACH_FILTER, ControlOperation.DETACH_FILTER


def made(drivers: list[str], seed: int, **options: object) -> SimulatedMachine:
    machine = SimulatedMachine(drivers=drivers, seed=seed, **options)  # type: ignore[arg-type]
    machine.wait_running()
    return machine


def change(machine: SimulatedMachine, operation: ControlOperation, name: str) -> int:
    return int(machine.control(operation, data=name.encode()))


def attached(machine: SimulatedMachine) -> list[str]:
    modules = [record for _, record in machine.machine.objects[HandleKind.FILTER_MODULE].live()]
    modules.sort(key=lambda each: -each.position)
    return [machine.images.driver_name(each.head.driver) for each in modules]


@pytest.mark.parametrize("seed", range(4))
def test_frames_pass_whoever_is_there(seed: int) -> None:
    machine = made([NETVMINI, *FILTERS, HELLO], seed, defines=FEW_BUFFERS, processors=2)
    cable = machine.cables[0]
    steps = [(DETACH, "second_lwf"), (DETACH, "ndislwf"), (ATTACH, "second_lwf"), (ATTACH, "ndislwf")]
    for number, (operation, name) in enumerate(steps):
        sent = [frame(10 * number + each) for each in range(3)]
        for each in sent:
            cable.send(each)
        assert change(machine, operation, name) == 0
        while cable.receive(0.1) is not None:
            pass
        last = frame(100 + number)
        assert cable.send(last)
        assert cable.receive(5.0) == answer_to(last)
    assert attached(machine) == ["ndislwf", "second_lwf"]
    assert machine.stop() is None
    machine.close()


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("name", ["ndislwf", "second_lwf"])
def test_requests_that_wait_for_a_module_that_leaves_go_below(
    monkeypatch: pytest.MonkeyPatch, name: str, slowly: bool
) -> None:
    """They are asked all the time; where the module leaves slowly some wait for it already."""
    waited: list[int] = []
    close = filter_changes.close_lane

    def close_and_wait(context: Any, adapter_handle: int, adapter: Any, module: Any) -> None:
        close(context, adapter_handle, adapter, module)
        look_until(context, lambda: module.request_head != 0, context.platform.now() + SECOND)
        waited.append(module.request_head)

    if slowly:
        monkeypatch.setattr(filter_changes, "close_lane", close_and_wait)
    machine = made([MINIPORT, *FILTERS, "tests.drivers.asks_all_the_time"], 0, passive_workers=1)
    machine.run_for(3_000_000)
    for _ in range(3):
        assert change(machine, DETACH, name) == 0
        assert change(machine, ATTACH, name) == 0
        machine.run_for(1_000_000)
    assert machine.stop() is None
    counts = machine.images.globals_of(machine.main, 4)["Counts"]
    assert counts.Asked.value == counts.Answered.value > 10
    assert all(waited)
    assert len(waited) == 3 * slowly
    machine.close()


def test_a_filter_that_fails_to_attach_is_told_and_the_stack_runs_on() -> None:
    machine = made([NETVMINI, "tests.drivers.attaches_once", HELLO], 0, defines=FEW_BUFFERS)
    assert attached(machine) == ["attaches_once"]
    assert change(machine, DETACH, "attaches_once") == 0
    failed = machine.control(ATTACH, data=b"attaches_once")
    assert (int(failed), failed.data) == (
        NDIS_STATUS_RESOURCES & 0xFFFF_FFFF,
        b"FilterAttach of attaches_once returned NDIS_STATUS_RESOURCES",
    )
    assert attached(machine) == []
    sent = frame(1)
    assert machine.cables[0].send(sent)
    assert machine.cables[0].receive(5.0) == answer_to(sent)
    assert machine.stop() is None
    machine.close()


@pytest.mark.parametrize("seed", range(3))
def test_drivers_are_unloaded_amid_frames(seed: int) -> None:
    machine = made([NETVMINI, *FILTERS, HELLO], seed, defines=FEW_BUFFERS, processors=2)
    cable = machine.cables[0]
    for number, name in enumerate(["second_lwf", "ndislwf"]):
        for each in range(3):
            cable.send(frame(10 * number + each))
        assert change(machine, ControlOperation.UNLOAD_DRIVER, name) == 0
        while cable.receive(0.1) is not None:
            pass
        assert cable.send(frame(100 + number))
        assert cable.receive(5.0) == answer_to(frame(100 + number))
    refused = machine.control(ControlOperation.UNLOAD_DRIVER, data=b"netvmini")
    assert refused.data == b"netvmini runs adapter0; first: ndisemu ctl halt"
    assert change(machine, ControlOperation.UNLOAD_DRIVER, "hello") == 0
    assert machine.control(ControlOperation.STOP_ADAPTER) == 0
    assert change(machine, ControlOperation.UNLOAD_DRIVER, "netvmini") == 0
    assert machine.stop() is None
    machine.close()
