"""Selective suspend: the clock, the notification, what wakes the adapter up, and what waits meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.oids import OID_PM_PARAMETERS, OID_PM_REMOVE_WOL_PATTERN, OID_PNP_SET_POWER
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_BUSY,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_power import NDIS_PM_PARAMETERS
from emulator.ndis.plug_and_play import pnp, pnp_power, pnp_wishes
from emulator.rules.states import AdapterState, IdleState
from tests.bad_drivers.computer import Computer

D0, D2 = surface.NDIS_DEVICE_POWER_STATE.NdisDeviceStateD0, surface.NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2


class IdleComputer(Computer):
    """A machine whose adapter is suspended while it is idle; it notes what the miniport hears."""

    def __init__(self, registry: dict[str, Any] | None = None, **hooks: Any) -> None:
        self.heard: list[Any] = []
        super().__init__("base_idle", "base_protocol", plant={"base_idle": {"OnOid": self._oid, **hooks}})
        self.fake.machine.configuration["specification"].adapters[0].registry.update(registry or {})
        self.load()
        assert self.control(pnp.start_adapter, 0) == 0
        self.settle()
        self.heard.clear()

    def _oid(self, adapter: Any, request: Any) -> NDIS_STATUS:
        given = request.DATA.SET_INFORMATION
        buffer = given.InformationBuffer
        self.heard.append((given.Oid, bytes(buffer[0 : given.InformationBufferLength]) if buffer is not None else b""))
        return NDIS_STATUS_SUCCESS

    @property
    def adapter(self) -> Any:
        """Its record."""
        found = pnp.find_adapter(self.fake.pnp(), 0)
        assert found is not None
        return found[1]

    def idle_for(self, seconds: float) -> None:
        """Let so much time pass, in tenths of a second."""
        for _ in range(round(seconds * 10)):
            self.fake.platform.advance(100_000_000)
            self.settle(1)
            self.grant()

    def grant(self) -> None:
        """Let the PnP thread do what is wanted."""
        while self.control(lambda context: int(pnp_wishes.serve(context))):
            pass
        self.settle(1)


def parameters(heard: list[Any]) -> NDIS_PM_PARAMETERS:
    return NDIS_PM_PARAMETERS.from_bytes(dict(heard)[OID_PM_PARAMETERS])


def test_an_adapter_that_nobody_uses_is_suspended_and_a_wake_up_event_brings_it_back() -> None:
    machine = IdleComputer()
    machine.idle_for(4.5)
    assert machine.adapter.idle_state == IdleState.WATCHED
    machine.idle_for(2)
    adapter = machine.adapter
    assert (adapter.idle_state, adapter.power_state, adapter.state) == (IdleState.SUSPENDED, D2, AdapterState.RUNNING)
    assert [oid for oid, _ in machine.heard] == [OID_PM_PARAMETERS, OID_PNP_SET_POWER]
    assert parameters(machine.heard).WakeUpFlags == surface.NDIS_PM_SELECTIVE_SUSPEND_ENABLED
    assert parameters(machine.heard).EnabledWoLPacketPatterns == 0
    machine.heard.clear()
    assert machine.control(pnp_power.wake, 0) == NDIS_STATUS_SUCCESS
    assert (adapter.idle_state, adapter.power_state) == (IdleState.WATCHED, D0)
    assert machine.heard == [(OID_PNP_SET_POWER, D0.to_bytes(4, "little"))]
    assert machine.control(pnp_power.wake, 0) == NDIS_STATUS_INVALID_STATE
    machine.idle_for(7)
    assert adapter.idle_state == IdleState.SUSPENDED
    machine.control(pnp.stop_adapter, 0)
    machine.control(pnp.unload)
    assert machine.left() == []


@pytest.mark.parametrize(("registry", "seconds"), [({"*SSIdleTimeout": "2"}, 2), ({"*SSIdleTimeout": 0}, 1)])
def test_the_registry_says_how_long(registry: dict[str, Any], seconds: int) -> None:
    machine = IdleComputer(registry)
    machine.idle_for(seconds - 0.5)
    assert machine.adapter.idle_state == IdleState.WATCHED
    machine.idle_for(1.6 + seconds * 0.3)
    assert machine.adapter.idle_state == IdleState.SUSPENDED


def test_a_machine_may_do_without() -> None:
    machine = IdleComputer({"*SelectiveSuspend": "0"})
    machine.idle_for(10)
    assert machine.adapter.idle_state == IdleState.WATCHED
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_NOT_SUPPORTED


def test_a_veto_begins_the_clock_anew() -> None:
    asked: list[bool] = []

    def veto(adapter: Any, force: bool) -> NDIS_STATUS:
        asked.append(force)
        return NDIS_STATUS_BUSY if len(asked) < 2 else NDIS_STATUS_FAILURE

    machine = IdleComputer(OnIdle=veto)
    machine.idle_for(7)
    assert (asked, machine.adapter.idle_state) == ([False], IdleState.WATCHED)
    machine.idle_for(6)
    assert asked == [False, False]
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_FAILURE
    assert asked == [False, False, True]


def test_a_forced_notification_says_nothing_of_selective_suspend() -> None:
    machine = IdleComputer()
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_SUCCESS
    assert parameters(machine.heard).WakeUpFlags == 0
    assert machine.adapter.power_state == D2
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_INVALID_STATE


def as_protocol(machine: IdleComputer, act: Any) -> Any:
    """What the protocol does with its binding, in a processor at DISPATCH_LEVEL."""
    [(handle, binding)] = machine.fake.machine.objects[HandleKind.BINDING].live()
    processor = machine.fake.processor()
    processor.driver = binding.head.driver
    with machine.fake.running(processor, 2):
        return act(surface.BindingHandle(handle))


def send_again(machine: IdleComputer) -> None:
    """Let the protocol's timer fire, in which it sends a frame."""
    [(_, binding)] = machine.fake.machine.objects[HandleKind.BINDING].live()
    timers = machine.fake.machine.objects[HandleKind.TIMER].live()
    handle = next(handle for handle, timer in timers if timer.head.driver == binding.head.driver)
    as_protocol(machine, lambda _: surface.NdisSetTimerObject(surface.TimerHandle(handle), -10_000, 0, None))


def test_a_request_waits_until_the_adapter_is_awake() -> None:
    machine = IdleComputer()
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_SUCCESS
    machine.heard.clear()

    def request(binding: Any) -> Any:
        made = surface.NDIS_OID_REQUEST(RequestType=1)
        made.Header.Type, made.Header.Revision, made.Header.Size = 0x96, 1, 236
        made.DATA.SET_INFORMATION.Oid = OID_PM_REMOVE_WOL_PATTERN
        return surface.NdisOidRequest(binding, made)

    assert as_protocol(machine, request) == NDIS_STATUS_PENDING
    assert machine.heard == []
    machine.settle()
    assert [oid for oid, _ in machine.heard] == [OID_PNP_SET_POWER, OID_PM_REMOVE_WOL_PATTERN]
    assert machine.adapter.idle_state == IdleState.WATCHED


def test_a_send_waits_until_the_adapter_is_awake() -> None:
    sent: list[int] = []

    def on_send(adapter: Any, nbl: Any) -> None:
        sent.append(len(sent) and machine.adapter.power_state)
        surface.NdisMSendNetBufferListsComplete(adapter.Handle, nbl, 1)

    machine = IdleComputer(OnSend=on_send)
    before = len(sent)
    assert before
    machine.control(pnp_power.notify_idle, 0)
    send_again(machine)
    assert len(sent) == before
    machine.settle()
    assert sent[before:] == [D0] * (len(sent) - before)
    assert len(sent) > before
    machine.control(pnp.stop_adapter, 0)
    machine.control(pnp.unload)
    assert machine.left() == []


def test_what_is_not_confirmed_yet_is_cancelled_without_a_power_state() -> None:
    seen: list[str] = []

    def cancel(adapter: Any) -> None:
        seen.append("cancel")
        surface.NdisMIdleNotificationConfirm(adapter.Handle, D2)  # too late, and no offence
        surface.NdisMIdleNotificationComplete(adapter.Handle)

    machine = IdleComputer(OnIdle=lambda adapter, force: NDIS_STATUS_PENDING, OnCancelIdle=cancel)
    machine.idle_for(7)
    assert machine.adapter.idle_state == IdleState.NOTIFIED
    send_again(machine)
    machine.settle()
    assert (seen, machine.heard, machine.adapter.idle_state) == (["cancel"], [], IdleState.WATCHED)


def test_a_miniport_confirms_later_and_completes_by_its_own_wish() -> None:
    kept: list[Any] = []

    def idle(adapter: Any, force: bool) -> NDIS_STATUS:
        kept.append(adapter.Handle)
        return NDIS_STATUS_PENDING

    machine = IdleComputer(OnIdle=idle)
    machine.idle_for(7)
    worker = machine.fake.passive_worker(0)
    worker.driver = machine.adapter.head.driver
    with machine.fake.running(worker):
        surface.NdisMIdleNotificationConfirm(kept[0], D2)
    assert machine.adapter.power_state == D2
    processor = machine.fake.processor()
    with machine.fake.running(processor, 2):
        surface.NdisMIdleNotificationComplete(kept[0])
    machine.settle()
    assert (machine.adapter.idle_state, machine.adapter.power_state) == (IdleState.WATCHED, D0)
    assert [oid for oid, _ in machine.heard] == [OID_PM_PARAMETERS, OID_PNP_SET_POWER, OID_PNP_SET_POWER]


def test_a_miniport_that_refuses_its_parameters_stays_awake() -> None:
    seen: list[Any] = []

    def oid(adapter: Any, request: Any) -> NDIS_STATUS:
        seen.append(request.DATA.SET_INFORMATION.Oid)
        return NDIS_STATUS_FAILURE if seen[-1] == OID_PM_PARAMETERS else NDIS_STATUS_SUCCESS

    machine = IdleComputer(OnOid=oid)
    seen.clear()
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_SUCCESS
    machine.grant()
    assert (seen, machine.adapter.idle_state) == ([OID_PM_PARAMETERS], IdleState.WATCHED)
    assert any("was not suspended: NDIS_STATUS_FAILURE" in text for text in machine.logs)


@pytest.mark.parametrize("act", [pnp.pause, pnp.surprise_remove, lambda c, n: pnp_power.power(c, n, D2)])
def test_what_is_asked_of_a_suspended_adapter_wakes_it_up_first(act: Any) -> None:
    machine = IdleComputer()
    machine.control(pnp_power.notify_idle, 0)
    machine.heard.clear()
    assert machine.control(act, 0) == NDIS_STATUS_SUCCESS
    woken = (OID_PNP_SET_POWER, D0.to_bytes(4, "little"))
    assert (woken in machine.heard) == (act is not pnp.surprise_remove)


def test_both_handlers_are_set_or_none() -> None:
    answers: list[int] = []

    def options(handle: Any) -> NDIS_STATUS:
        given = surface.NDIS_MINIPORT_SS_CHARACTERISTICS(Header=surface.NDIS_OBJECT_HEADER(0xB4, 1, 24))
        answers.append(surface.NdisSetOptionalHandlers(handle, given))
        return NDIS_STATUS_SUCCESS

    machine = IdleComputer(OnSetOptions=options)
    assert answers == [NDIS_STATUS_BAD_CHARACTERISTICS]
    assert machine.control(pnp_power.notify_idle, 0) == NDIS_STATUS_NOT_SUPPORTED
