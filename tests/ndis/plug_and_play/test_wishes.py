"""What drivers ask the PnP thread to do, and closes that pend."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.kernel.lanes import wake_lane
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.oids import OID_GEN_CURRENT_PACKET_FILTER, OID_PM_REMOVE_WOL_PATTERN
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_REMOVED,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_FILE_NOT_FOUND,
    NDIS_STATUS_INVALID_STATE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import binding_closes, driver_changes, pnp, pnp_wishes
from emulator.ndis.plug_and_play.bindings import WAITING
from emulator.rules.errors import BugCheck
from emulator.rules.states import AdapterState, BindingState
from tests.bad_drivers.computer import Computer, Operation


def started(protocol: str = "base_protocol", **plant: dict[str, Any]) -> Computer:
    machine = Computer("base_miniport", protocol, plant=plant)
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    machine.settle()
    return machine


def grant(machine: Computer) -> bool:
    """Let the PnP thread do what is wanted."""
    done = False
    while machine.control(lambda context: int(pnp_wishes.serve(context))):
        done = True
    machine.settle()
    return done


def wish(machine: Computer, act: Any, handle: Any, irql: int = 0) -> Any:
    """Ask as a driver, in a processor."""
    with machine.fake.running(machine.fake.processor(), irql):
        return act(handle)


def bindings(machine: Computer) -> list[tuple[int, Any]]:
    return machine.fake.machine.objects[HandleKind.BINDING].live()


def adapter(machine: Computer) -> tuple[int, Any]:
    found = pnp.find_adapter(machine.fake.pnp(), 0)
    assert found is not None
    return found


def test_a_protocol_unbinds_itself_and_is_bound_again_when_it_asks() -> None:
    machine = started()
    [(handle, _)] = bindings(machine)
    assert wish(machine, surface.NdisUnbindAdapter, surface.BindingHandle(handle), 2) == NDIS_STATUS_SUCCESS
    assert grant(machine)
    assert bindings(machine) == []
    assert adapter(machine)[1].state == AdapterState.RUNNING
    assert not grant(machine)
    protocol = next(
        handle
        for handle, driver in machine.fake.machine.objects[HandleKind.PROTOCOL_DRIVER].live()
        if driver.head.kind == HandleKind.PROTOCOL_DRIVER
    )
    wish(machine, surface.NdisReEnumerateProtocolBindings, surface.ProtocolDriverHandle(protocol))
    assert grant(machine)
    [(_, binding)] = bindings(machine)
    assert binding.state == BindingState.RUNNING
    wish(machine, surface.NdisReEnumerateProtocolBindings, surface.ProtocolDriverHandle(protocol))
    assert not grant(machine)


def test_a_binding_of_a_paused_stack_is_bound_and_stays_paused() -> None:
    machine = started()
    machine.control(pnp.pause, 0)
    [(handle, binding)] = bindings(machine)
    protocol = binding.protocol
    wish(machine, surface.NdisUnbindAdapter, surface.BindingHandle(handle))
    assert grant(machine)
    wish(machine, surface.NdisReEnumerateProtocolBindings, surface.ProtocolDriverHandle(protocol))
    assert grant(machine)
    [(_, binding)] = bindings(machine)
    assert binding.state == BindingState.PAUSED
    assert machine.control(pnp.restart, 0) == 0
    assert binding.state == BindingState.RUNNING


def test_a_miniport_that_has_failed_is_removed() -> None:
    seen: list[Any] = []
    machine = started(base_miniport={"OnHaltAction": seen.append})
    handle = surface.AdapterHandle(adapter(machine)[0])
    assert wish(machine, surface.NdisMRemoveMiniport, handle, 2) == NDIS_STATUS_SUCCESS
    assert grant(machine)
    assert pnp.find_adapter(machine.fake.pnp(), 0) is None
    assert seen == [4]
    assert any("0x15E" in text for text in machine.logs)
    assert machine.fake.machine.arena.machine.failed == 1
    assert machine.control(pnp.start_adapter, 0) == NDIS_STATUS_ADAPTER_REMOVED
    machine.control(pnp.unload)
    assert machine.left() == []


def test_a_miniport_that_initializes_is_not_removed() -> None:
    seen: list[Any] = []

    def initialize(adapter: Any) -> NDIS_STATUS:
        seen.append(surface.NdisMRemoveMiniport(adapter.Handle))
        return NDIS_STATUS_SUCCESS

    machine = started(base_miniport={"OnInitialize": initialize})
    assert seen == [NDIS_STATUS_FAILURE]
    assert adapter(machine)[1].state == AdapterState.RUNNING


def test_a_close_pends_while_a_request_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    seen: list[str] = []

    def oid(adapter: Any, request: Any) -> NDIS_STATUS:
        if request.DATA.SET_INFORMATION.Oid != OID_PM_REMOVE_WOL_PATTERN:
            return NDIS_STATUS_SUCCESS
        kept.append((adapter, request))
        surface.NdisSetTimerObject(adapter.Timer, -10_000, 0, None)
        return NDIS_STATUS_PENDING

    def timer(adapter: Any) -> None:
        while kept:
            _, request = kept.pop()
            seen.append("request")
            surface.NdisMOidRequestComplete(adapter.Handle, request, NDIS_STATUS_SUCCESS)

    machine = started(
        "asks_at_unbind",
        base_miniport={"OnOid": oid, "OnTimer": timer},
        asks_at_unbind={"OnClosed": lambda binding: seen.append("closed")},
    )
    [(_, binding)] = bindings(machine)
    fence = machine.fake.platform.fence

    def passed() -> None:
        fence()
        published.append(binding.closing)

    def woken(*arguments: Any) -> None:
        published.append("woken")
        wake_lane(*arguments)

    published: list[Any] = []
    monkeypatch.setattr(machine.fake.platform, "fence", passed)
    monkeypatch.setattr(binding_closes, "wake_lane", woken)
    assert machine.control(pnp.stop_adapter, 0) == 0
    assert seen == ["request", "closed"]
    assert bindings(machine) == []
    assert published[published.index("woken") - 1] == WAITING, "who sleeps meanwhile may not have seen it"


def test_a_protocol_is_uninstalled_when_it_is_unbound() -> None:
    seen: list[Any] = []
    machine: Computer = started(base_protocol={"OnUninstall": lambda: seen.append(len(bindings(machine)))})
    [(_, binding)] = bindings(machine)
    protocol = binding.protocol

    def uninstall(name: str) -> tuple[int, str]:
        operation = Operation(content=name.encode())
        status = machine.control(lambda context: driver_changes.uninstall(context, operation))  # type: ignore[arg-type]
        return status, operation.content.decode()

    assert uninstall("base_protocol") == (0, "")
    assert seen == [0]
    assert uninstall("base_protocol") == (NDIS_STATUS_INVALID_STATE, "base_protocol is uninstalled already")
    there = "there are base_protocol"
    assert uninstall("base_miniport") == (NDIS_STATUS_FILE_NOT_FOUND, f"base_miniport has no protocol; {there}")
    assert uninstall("nobody") == (NDIS_STATUS_FILE_NOT_FOUND, f"no protocol driver nobody is loaded; {there}")
    wish(machine, surface.NdisReEnumerateProtocolBindings, surface.ProtocolDriverHandle(protocol))
    assert not grant(machine)
    assert machine.control(pnp.stop_adapter, 0) == machine.control(pnp.start_adapter, 0) == 0
    assert bindings(machine) == []
    machine.control(pnp.stop_adapter, 0)
    machine.control(pnp.unload)
    assert machine.left() == []


def test_the_miniport_is_told_when_a_binding_closes_and_not_when_it_is_halted_itself() -> None:
    asked: list[int] = []

    def oid(adapter: Any, request: Any) -> NDIS_STATUS:
        asked.append(request.DATA.SET_INFORMATION.Oid)
        return NDIS_STATUS_SUCCESS

    machine = started(base_miniport={"OnOid": oid})
    assert adapter(machine)[1].packet_filter
    asked.clear()
    machine.control(pnp.stop_adapter, 0)
    assert asked == []
    machine.control(pnp.start_adapter, 0)
    machine.settle()
    asked.clear()
    [(handle, _)] = bindings(machine)
    wish(machine, surface.NdisUnbindAdapter, surface.BindingHandle(handle))
    assert grant(machine)
    assert (bindings(machine), asked) == ([], [OID_GEN_CURRENT_PACKET_FILTER])
    assert adapter(machine)[1].packet_filter == 0


def test_an_open_pends_where_the_machine_says_so() -> None:
    seen: list[Any] = []
    plant = {"base_protocol": {"OnBind": lambda *_: seen.append("bound")}}
    machine = Computer("base_miniport", "base_protocol", plant=plant, opens_pend=True)
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    machine.settle()
    [(_, binding)] = bindings(machine)
    assert (seen, binding.state, binding.opening) == (["bound"], BindingState.RUNNING, 0)
    machine.control(pnp.stop_adapter, 0)
    machine.control(pnp.unload)
    assert machine.left() == []


def test_a_binding_that_opens_still_may_not_be_used() -> None:
    machine = started()
    [(handle, binding)] = bindings(machine)
    binding.opening = 1
    with pytest.raises(BugCheck) as raised:
        wish(machine, lambda each: surface.NdisCancelOidRequest(each, 1), surface.BindingHandle(handle))
    assert raised.value.parameters[0] == 0x21
