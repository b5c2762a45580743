"""Whole simulated machines: the sample drivers, private modules, hardware, control operations and ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SlotState
from emulator.rules.control import ControlOperation
from emulator.rules.errors import BugCheck, ConfigurationError
from emulator.rules.limits import VnicLimit
from emulator.rules.states import BindingState, IdleState
from emulator.simulated import NotReached
from emulator.simulated.machine import SimulatedMachine
from emulator.simulated.wire import ROOM, SECOND
from emulator.trace import EventKind
from tests.simulated.scripts import (
    FEW_BUFFERS,
    HELLO,
    NETVMINI,
    OUTSIDE,
    SCRIPTS,
    answer_to,
    echo,
    echo_burst,
    frame,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DRIVERS = [NETVMINI, HELLO]

HOLDER = """
from emulator.ndis import *

TABLE = [1, 2]
PLACES = {"table": TABLE}
Count = 0

class BLOCK(NONPAGED):
    Number: u64

Shared = BLOCK()

@NDIS_IO_WORKITEM_FUNCTION
def Look(WorkItemContext, NdisIoWorkItemHandle):
    TABLE.append(3)
    return TABLE, PLACES, Count, Shared, Look

def DriverEntry(DriverObject, RegistryPath):
    global Count
    Count = 7
    Shared.Number = 9
    return NDIS_STATUS_SUCCESS
"""


def made(**options: Any) -> SimulatedMachine:
    return SimulatedMachine(**{"drivers": DRIVERS, "defines": FEW_BUFFERS, **options})


@pytest.mark.parametrize("script", [*SCRIPTS, echo_burst], ids=lambda script: script.__name__)
@pytest.mark.parametrize("scheduler", ["random", "pct:3:4000", "round_robin"])
def test_the_sample_drivers_pass_their_scripts(script: Callable[..., Iterator[None]], scheduler: str) -> None:
    for seed in range(2):
        machine = made(seed=seed, scheduler=scheduler, processors=2, passive_workers=2)
        run(script, machine)
        assert machine.stop() is None
        machine.close()


def test_the_free_build_runs_too() -> None:
    machine = made(checked=False)
    run(echo, machine)
    assert machine.stop() is None
    machine.close()


def test_the_free_build_has_no_gates_here_either() -> None:
    """As on live processes: who sleeps at DISPATCH_LEVEL is stopped in the checked build and sleeps in the free one."""
    drivers = ["tests.bad_drivers.irql_sleep_in_timer", "tests.bad_drivers.base_protocol"]
    machine = SimulatedMachine(drivers=drivers, checked=False)
    machine.wait_running()
    machine.run_for(SECOND)
    assert machine.stop() is None
    machine.close()


def test_two_adapters_do_not_hear_each_other() -> None:
    machine = made(adapters=2, frame_slots=2048, processors=2)
    machine.wait_running()
    assert machine.statuses == [0, 0]
    second = machine.ports[1].mac + frame(1)[6:]
    assert machine.inject(second, adapter=1)
    machine.run_until_idle()
    assert machine.frames(0) == []
    assert machine.frames(1) == [answer_to(second)]
    assert machine.stop() is None
    machine.close()


def test_two_machines_of_the_same_drivers_share_nothing() -> None:
    machines = [made(seed=seed) for seed in range(2)]
    for machine in machines:
        machine.wait_running()
    for number, machine in enumerate(machines):
        machine.inject(frame(number))
        machine.run_until_idle()
    assert [machine.frames() for machine in machines] == [[answer_to(frame(0))], [answer_to(frame(1))]]
    for machine in machines:
        assert machine.stop() is None
        machine.close()


def test_the_surface_is_left_as_it_was() -> None:
    before = dict(vars(surface))
    machine = made()
    run(echo, machine)
    assert machine.ddi_calls("processor 0")
    assert {name for name, value in vars(surface).items() if before.get(name) is not value} == set()
    machine.close()


def test_no_driver_is_found_in_sys_modules() -> None:
    before = {name: sys.modules.get(name) for name in DRIVERS}
    machine = made()
    machine.wait_running()
    assert {name: sys.modules.get(name) for name in DRIVERS} == before
    assert all(image.module not in sys.modules.values() for image in machine.images.images)
    assert [image.name for image in machine.images.images] == DRIVERS
    machine.close()


def test_each_context_has_a_copy_of_what_driver_entry_left(tmp_path: Path) -> None:
    path = tmp_path / "holder.py"
    path.write_text(HOLDER, encoding="ascii")
    machine = SimulatedMachine(drivers=[str(path)], adapters=0, passive_workers=2)
    machine.wait_running()
    first, second = machine.geometry.first_passive_slot, machine.geometry.first_passive_slot + 1
    look = next(r.number for r in machine.images.routines if r is not None and r.name == "Look")
    one = machine.contexts[first].routines[look]
    other = machine.contexts[second].routines[look]
    assert one is not None
    assert other is not None
    assert one is not other
    assert one.__code__ is other.__code__
    assert one.__ndis_routine__ == other.__ndis_routine__ == look  # type: ignore[attr-defined]
    table, places, count, shared, self_reference = one(None, None)
    assert (table, count, shared.Number) == ([1, 2, 3], 7, 9)
    assert places["table"] is table
    assert self_reference is one
    their_table, _, _, their_shared, _ = other(None, None)
    assert their_table == [1, 2, 3]
    assert their_table is not table
    assert their_shared.Number == 9
    machine.close()


def test_frames_arrive_at_their_virtual_times() -> None:
    machine = made()
    machine.wait_running()
    start = machine.now
    machine.inject(frame(1), delay=5 * SECOND // 1000)
    machine.inject(frame(2), delay=2 * SECOND // 1000)
    machine.run_for(SECOND)
    sent = machine.ports[0].wire.sent
    assert [one.frame for one in sent] == [answer_to(frame(2)), answer_to(frame(1))]
    assert start + 2_000_000 < sent[0].time < start + 3_000_000
    assert start + 5_000_000 < sent[1].time < start + 6_000_000
    assert machine.now == start + SECOND
    assert len(machine.trace.events(EventKind.FRAME_IN)) == len(machine.trace.events(EventKind.FRAME_OUT)) == 2
    machine.close()


def test_a_frame_for_somebody_else_is_not_answered() -> None:
    machine = made()
    machine.wait_running()
    machine.inject(OUTSIDE + frame(1)[6:])
    assert machine.cables[0].receive(1.0) is None
    assert machine.stop() is None
    machine.close()


def test_the_link_goes_down_and_comes_back() -> None:
    machine = made()
    run(echo, machine)
    cable = machine.cables[0]
    assert machine.control(ControlOperation.LINK, 0, 0) == 0
    assert cable.wait_carrier(False, 1.0)
    assert not cable.send(frame(5))
    machine.run_until_idle()
    assert machine.control(ControlOperation.STOP_ADAPTER) == 0
    assert machine.control(ControlOperation.START_ADAPTER) == 0
    assert not machine.cables[0].carrier, "an adapter that starts has the cable that it had"
    assert machine.control(ControlOperation.LINK, 0, 1) == 0
    assert cable.send(frame(6))
    assert cable.receive(1.0) == answer_to(frame(6))
    assert machine.control(ControlOperation.LINK, 4, 1) != 0
    assert machine.stop() is None
    machine.close()


def test_a_wire_that_is_torn_out_is_a_surprise_removal() -> None:
    for seed in range(3):
        machine = made(seed=seed)
        run(echo, machine)
        machine.cables[0].remove()
        assert machine.cables[0].gone
        assert not machine.cables[0].carrier
        machine.run_until_idle()
        assert machine.stop() is None
        machine.close()


def test_an_adapter_that_has_failed_is_gone() -> None:
    machine = SimulatedMachine(drivers=["tests.scenarios.drivers.fails_for_good", HELLO])
    oid, address = 0x01010103, bytes.fromhex("01005e000001")
    assert machine.control(ControlOperation.OID_SET, 0, oid, data=address) == 0
    assert machine.run_within(lambda: machine.cables[0].gone, 1)
    assert not machine.cables[0].carrier
    assert machine.control(ControlOperation.START_ADAPTER) == surface.NDIS_STATUS_ADAPTER_REMOVED & 0xFFFF_FFFF
    assert machine.stop() is None
    machine.close()


def test_frames_that_a_removed_adapter_never_takes_keep_nobody_busy() -> None:
    machine = made()
    run(echo, machine)
    for number in range(3):
        machine.inject(frame(number), delay=1000 * number)
    machine.cables[0].remove()
    steps = machine.platform.steps
    machine.run_for(SECOND)
    assert machine.platform.steps < steps + 5000
    assert machine.stop() is None
    machine.close()


def test_more_frames_than_buffers_are_all_answered() -> None:
    for seed in range(3):
        machine = made(seed=seed)
        machine.wait_running()
        sent = [frame(number) for number in range(100)]
        for one in sent:
            assert machine.inject(one)
        machine.run_for(SECOND)
        assert sorted(machine.frames()) == sorted(map(answer_to, sent))
        assert machine.stop() is None
        machine.close()


def test_a_wire_holds_no_more_than_it_has_room_for() -> None:
    machine = made()
    machine.wait_running()
    cable = machine.cables[0]
    assert all(cable.send(frame(number)) for number in range(ROOM))
    assert not cable.send(frame(1))
    assert cable.dropped == 1
    assert cable.send(frame(2), timeout=1.0)
    machine.close()


def test_a_control_operation_answers_with_its_status() -> None:
    machine = made()
    machine.wait_running()
    assert machine.control(ControlOperation.STOP_ADAPTER, 0) == 0
    assert machine.control(ControlOperation.STOP_ADAPTER, 0) != 0
    assert machine.control(ControlOperation.START_ADAPTER, 0) == 0
    assert machine.stop() is None
    machine.close()


def test_what_does_not_come_to_be_is_said_with_what_everybody_does() -> None:
    machine = made()
    machine.wait_running()
    with pytest.raises(NotReached, match="passive worker 0 has nothing to do"):
        machine.require(lambda: False, 0.5, "a miracle")
    machine.close()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = ", "holder.*does not import.*SyntaxError"),
        ("import nothing_of_that_name", "does not import: ModuleNotFoundError"),
        ("x = 1", "no DriverEntry"),
        ("def DriverEntry(a, b):\n    return -0x3FFFFFFF", "DriverEntry"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_is_one_line(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "holder.py"
    path.write_text(source, encoding="ascii")
    with pytest.raises(ConfigurationError, match=message) as refused:
        SimulatedMachine(drivers=[str(path)], adapters=0)
    assert "\n" not in str(refused.value)


def test_a_stop_in_driver_entry_is_the_scripts(tmp_path: Path) -> None:
    path = tmp_path / "holder.py"
    path.write_text("def DriverEntry(a, b):\n    return 1 // 0\n", encoding="ascii")
    with pytest.raises(BugCheck) as stopped:
        SimulatedMachine(drivers=[str(path)], adapters=0)
    assert stopped.value.code == 0x7E


def test_what_a_driver_does_to_the_hardware_stops_the_machine() -> None:
    machine = made()
    machine.wait_running()
    machine.ports[0].hardware.queues[0].transmit.indices[0] += 5000  # more than the ring holds
    machine.inject(frame(1))
    with pytest.raises(BugCheck) as stopped:
        machine.run_for(SECOND)
    assert stopped.value.code == VnicLimit.VNIC_ARENA_DAMAGED
    assert machine.stopped is not None
    assert "adapter 0" in machine.stopped.text
    machine.close()


def test_every_context_has_left_after_the_end() -> None:
    machine = made(processors=2, passive_workers=2)
    run(echo, machine)
    assert machine.stop() is None
    assert machine.state == "ended"
    assert {machine.arena.slots[slot].state for slot in machine.contexts} == {SlotState.EXITED}
    machine.close()


@pytest.mark.parametrize("seed", range(4))
def test_an_adapter_that_is_suspended_under_traffic_wakes_up_and_loses_nothing(seed: int) -> None:
    drivers = ["tests.bad_drivers.base_idle", "tests.bad_drivers.sends_often"]
    machine = SimulatedMachine(drivers=drivers, seed=seed, processors=2, passive_workers=2)
    machine.wait_running()
    adapter = machine.machine.objects[HandleKind.ADAPTER].records[0]
    for _ in range(3):
        machine.control(ControlOperation.IDLE)
        assert machine.run_within(lambda: adapter.idle_state == IdleState.WATCHED, 1)
    machine.control(ControlOperation.IDLE)
    assert machine.control(ControlOperation.PAUSE) == 0
    assert machine.control(ControlOperation.RESTART) == 0
    assert machine.stop() is None
    machine.close()


@pytest.mark.parametrize(
    "protocols", [["hello"], ["responder"], ["ndisprot"], ["bridge"], ["mux", "hello"]], ids="-".join
)
def test_the_sample_protocols_wait_for_an_open_that_pends(protocols: list[str]) -> None:
    drivers = [NETVMINI, *(f"sample_drivers.{name}" for name in protocols)]
    for seed in range(2):
        options: dict[str, Any] = {"opens_pend": True, "virtual_adapters": 2, "registry": {"IpAddress": "192.0.2.2/24"}}
        machine = SimulatedMachine(drivers=drivers, defines=FEW_BUFFERS, seed=seed, **options)
        machine.wait_running()
        states = [binding.state for _, binding in machine.machine.objects[HandleKind.BINDING].live()]
        assert states
        assert set(states) == {BindingState.RUNNING}
        assert machine.stop() is None
        machine.close()
