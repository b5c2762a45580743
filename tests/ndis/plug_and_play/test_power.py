"""Device power states, the battery and the end of the computer, as the drivers of a stack hear of them."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.constants import (
    NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND,
    NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND,
    NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK,
    NDIS_PAUSE_LOW_POWER,
    NDIS_PAUSE_MINIPORT_DEVICE_REMOVE,
    NDIS_PAUSE_NDIS_INTERNAL,
)
from emulator.ndis.headers.oids import OID_PNP_SET_POWER
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_NOT_ACCEPTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import pnp, pnp_power
from emulator.rules.errors import BugCheck
from emulator.rules.irql import HIGH_LEVEL
from emulator.rules.states import AdapterState
from tests.bad_drivers.computer import Computer

D0, D2, D3 = 1, 3, 4
QUERY, SET = 1, 0
LOW_POWER, INTERNAL, REMOVE = NDIS_PAUSE_LOW_POWER, NDIS_PAUSE_NDIS_INTERNAL, NDIS_PAUSE_MINIPORT_DEVICE_REMOVE


class Powered:
    """A machine with the small drivers, of which the test hears what power does to them."""

    def __init__(self, flags: int = NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND) -> None:
        self.seen: list[Any] = []
        self.answers: dict[int, NDIS_STATUS] = {}
        self.set_power = NDIS_STATUS_SUCCESS
        miniport = {
            "OnOid": self.oid,
            "OnPauseReason": self.pause,
            "OnRestart": self.restart,
            "OnHalt": lambda adapter: self.seen.append("halt"),
            "OnEvent": self.device_event,
            "OnShutdown": self.shutdown,
            "FLAGS": flags,
        }
        protocol = {"OnEvent": self.event}
        self.computer = Computer(
            "base_miniport", "base_protocol", plant={"base_miniport": miniport, "base_protocol": protocol}
        )
        self.computer.load()
        assert self.computer.control(pnp.start_adapter, 0) == 0
        self.computer.settle()
        self.seen.clear()

    def oid(self, adapter: Any, request: Any) -> NDIS_STATUS:
        del adapter
        given = request.DATA.SET_INFORMATION
        if given.Oid != OID_PNP_SET_POWER:
            return NDIS_STATUS_SUCCESS
        self.seen.append(("power", int.from_bytes(given.InformationBuffer.view[:4], "little")))
        return self.set_power

    def pause(self, adapter: Any, reason: int) -> None:
        del adapter
        self.seen.append(("pause", reason))

    def restart(self, adapter: Any) -> NDIS_STATUS:
        del adapter
        self.seen.append("restart")
        return NDIS_STATUS_SUCCESS

    def device_event(self, adapter: Any, event: Any) -> None:
        del adapter
        self.seen.append((event.DevicePnPEvent, event.InformationBuffer, event.InformationBufferLength))

    def event(self, binding: Any, event: Any) -> NDIS_STATUS:
        del binding
        told = event.NetPnPEvent
        assert told.BufferLength == 4
        self.seen.append((told.NetEvent, told.Buffer))
        return self.answers.get(told.NetEvent, NDIS_STATUS_SUCCESS)

    def shutdown(self, adapter: Any, action: int) -> None:
        self.seen.append(("shutdown", action))
        if action:
            self.seen.append(current.context.irql)
            surface.NdisFreeSpinLock(adapter.Lock)
            raise ValueError("what comes out of it is lost")

    def power(self, state: int, number: int = 0) -> int:
        return self.computer.control(pnp_power.power, number, state)

    @property
    def adapter(self) -> Any:
        found = pnp.find_adapter(self.computer.fake.pnp(), 0)
        return found[1] if found is not None else None


def test_a_stack_is_paused_before_its_device_sleeps_and_restarted_when_it_is_awake() -> None:
    machine = Powered()
    assert machine.power(D3) == 0
    assert machine.seen == [(QUERY, D3), (SET, D3), ("pause", LOW_POWER), ("power", D3)]
    assert (machine.adapter.state, machine.adapter.power_state) == (AdapterState.PAUSED, D3)
    assert machine.computer.control(pnp.restart, 0) == NDIS_STATUS_INVALID_STATE
    machine.seen.clear()
    assert machine.power(D0) == 0
    assert machine.seen == [("power", D0), "restart", (SET, D0)]
    assert machine.adapter.state == AdapterState.RUNNING


def test_from_one_low_state_into_another_nothing_is_paused_again() -> None:
    machine = Powered()
    assert machine.power(D2) == 0
    machine.seen.clear()
    assert machine.power(D3) == 0
    assert machine.seen == [(SET, D3), ("power", D3)]
    assert machine.power(D0) == 0
    assert machine.adapter.state == AdapterState.RUNNING


def test_a_stack_that_was_paused_before_stays_paused() -> None:
    machine = Powered()
    assert machine.computer.control(pnp.pause, 0) == 0
    machine.seen.clear()
    assert machine.power(D3) == machine.power(D0) == 0
    assert machine.seen == [(QUERY, D3), (SET, D3), ("power", D3), ("power", D0), (SET, D0)]
    assert machine.adapter.state == AdapterState.PAUSED


def test_with_the_flag_and_new_drivers_nothing_is_paused() -> None:
    flags = NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND | NDIS_MINIPORT_ATTRIBUTES_NO_PAUSE_ON_SUSPEND
    machine = Powered(flags)
    assert machine.power(D3) == 0
    assert machine.seen == [(QUERY, D3), (SET, D3), ("power", D3)]
    assert machine.adapter.state == AdapterState.RUNNING
    assert machine.power(D0) == 0
    assert "restart" not in machine.seen


def test_a_protocol_may_say_no() -> None:
    machine = Powered()
    machine.answers[QUERY] = NDIS_STATUS_FAILURE
    assert machine.power(D3) == NDIS_STATUS_FAILURE
    assert machine.seen == [(QUERY, D3), (SET, D0)]
    assert machine.adapter.state == AdapterState.RUNNING


def test_a_miniport_that_is_being_reset_stays_awake() -> None:
    machine = Powered()
    machine.set_power = NDIS_STATUS_NOT_ACCEPTED
    assert machine.power(D3) == NDIS_STATUS_NOT_ACCEPTED
    assert machine.seen[-3:] == [("power", D3), "restart", (SET, D0)]
    assert machine.adapter.state == AdapterState.RUNNING


def test_a_miniport_that_does_not_wake_up_is_removed() -> None:
    machine = Powered()
    assert machine.power(D3) == 0
    machine.set_power = NDIS_STATUS_NOT_ACCEPTED
    assert machine.power(D0) == NDIS_STATUS_NOT_ACCEPTED
    assert machine.seen[-1] == "halt"
    assert machine.adapter is None


def test_a_miniport_that_knows_nothing_of_power_is_halted_and_started_again() -> None:
    machine = Powered(flags=0)
    assert machine.power(D3) == 0
    assert machine.seen == [(QUERY, D3), (SET, D3), ("pause", REMOVE), "halt"]
    assert machine.power(D3) == NDIS_STATUS_ADAPTER_NOT_FOUND
    assert machine.power(D0) == 0
    assert machine.adapter.state == AdapterState.RUNNING
    assert machine.power(D0, 7) == NDIS_STATUS_ADAPTER_NOT_FOUND


def test_states_that_are_none_and_states_that_change_nothing() -> None:
    machine = Powered()
    for state in (0, 5, 17):
        assert machine.power(state) == NDIS_STATUS_INVALID_PARAMETER
    assert machine.power(D0) == 0
    assert machine.seen == []


def test_pauses_say_why() -> None:
    machine = Powered()
    machine.computer.control(pnp.pause, 0)
    machine.computer.control(pnp.restart, 0)
    machine.computer.control(pnp.stop_adapter, 0)
    assert [each for each in machine.seen if each[0] == "pause"] == [("pause", INTERNAL), ("pause", REMOVE)]


def test_the_battery_is_a_device_event() -> None:
    machine = Powered()
    for argument in (1, 0):
        assert machine.computer.control(pnp_power.power_profile, 0, argument) == 0
    assert machine.seen == [(5, 0, 4), (5, 1, 4)]


def test_a_shutdown_is_the_last_call() -> None:
    machine = Powered()
    assert machine.computer.control(pnp_power.shut_down) == 0
    assert machine.seen == [("shutdown", 0)]
    assert machine.adapter.state == AdapterState.SHUTDOWN
    machine.computer.run_for(5)
    assert machine.computer.control(pnp.stop_adapter, 0) == NDIS_STATUS_INVALID_STATE
    assert machine.power(D3) == NDIS_STATUS_INVALID_STATE
    assert machine.computer.control(pnp_power.shut_down) == 0
    assert machine.seen == [("shutdown", 0)]


@pytest.mark.parametrize("wanted", [True, False])
def test_after_a_bug_check_a_miniport_hears_of_it_if_it_asks(wanted: bool) -> None:
    machine = Powered(NDIS_MINIPORT_ATTRIBUTES_REGISTER_BUGCHECK_CALLBACK if wanted else 0)
    with machine.computer.fake.running(machine.computer.fake.pnp()) as context, pytest.raises(BugCheck):
        stop(0xC4, 0x62, text="A test stops the machine.")
    assert machine.seen == ([("shutdown", 1), HIGH_LEVEL] if wanted else [])
    assert context.irql == 0
    assert machine.computer.report.text == "A test stops the machine."


def test_a_virtual_miniport_is_not_halted_for_power() -> None:
    computer = Computer("base_miniport", "base_protocol", intermediate_driver="base_intermediate")
    computer.load()
    assert computer.control(pnp.start_adapter, 0) == 0
    computer.settle()
    adapter = computer.fake.machine.objects[HandleKind.ADAPTER].records[1]
    for state, becomes in ((D3, AdapterState.PAUSED), (D0, AdapterState.RUNNING)):
        assert computer.control(pnp_power.power, adapter.number, state) == 0
        assert (adapter.power_state, adapter.state) == (state, becomes)
    assert any("has not set NDIS_MINIPORT_ATTRIBUTES_NO_HALT_ON_SUSPEND" in text for text in computer.logs)
