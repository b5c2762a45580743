"""Ports: numbers, states, what is told of them, and frames, requests and statuses that name one."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.enumerations import NET_PNP_EVENT_CODE
from emulator.ndis.headers.status import (
    NDIS_STATUS_INVALID_DATA,
    NDIS_STATUS_INVALID_PORT,
    NDIS_STATUS_INVALID_PORT_STATE,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from emulator.ndis.headers.structures_port import NDIS_PORT, NDIS_PORT_CHARACTERISTICS
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.plug_and_play.adapters import REGISTRATION_SET
from emulator.ndis.plug_and_play.pnp_structures import net_event
from emulator.rules.states import BindingState
from tests.bad_drivers.computer import Computer
from tests.ndis.filtered_stack import EVERYTHING, FilteredStack
from tests.ndis.plug_and_play import test_wishes as wishes
from tests.ndis.small_stack import MINI, MINIPORT, PROTO, SmallStack
from tests.ndis.test_nothing_ignored import request

ON_PORT = """
    def indicate_on(handle, nbl, port, count, flags=1):
        NdisMIndicateReceiveNetBufferLists(handle, nbl, port, count, flags)
"""
ACTIVATION, DEACTIVATION = NET_PNP_EVENT_CODE.NetEventPortActivation, NET_PNP_EVENT_CODE.NetEventPortDeactivation


def characteristics(**members: Any) -> NDIS_PORT_CHARACTERISTICS:
    return NDIS_PORT_CHARACTERISTICS(Header=NDIS_OBJECT_HEADER(0x9C, 1, 60), **members)


def listed(*numbers: int) -> NDIS_PORT | None:
    first = None
    for number in reversed(numbers):
        first = NDIS_PORT(Next=first, PortCharacteristics=characteristics(PortNumber=number))
    return first


def activated(stack: SmallStack, *numbers: int) -> None:
    """Ports that are active: allocated by the miniport, and made so behind its back."""
    for number in numbers:
        made = stack.fake.machine.objects[HandleKind.PORT].allocate(
            HandleKind.PORT, driver=MINI, parent=stack.adapter, site=0
        )
        assert made is not None
        made[1].number, made[1].state = number, 2
    stack.changed()


def test_ports_are_numbered_from_one_and_numbers_come_again() -> None:
    stack = SmallStack()
    mini, adapter = stack.mini, stack.adapter
    assert mini.NdisMAllocatePort(adapter, characteristics()) == NDIS_STATUS_INVALID_DATA  # no attributes yet
    stack.adapter_record.attributes_set = REGISTRATION_SET
    given = [characteristics(), characteristics(), characteristics()]
    assert [mini.NdisMAllocatePort(adapter, each) for each in given] == [NDIS_STATUS_SUCCESS] * 3
    assert [each.PortNumber for each in given] == [1, 2, 3]
    assert mini.NdisMFreePort(adapter, 2) == NDIS_STATUS_SUCCESS
    assert mini.NdisMFreePort(adapter, 2) == mini.NdisMFreePort(adapter, 0) == NDIS_STATUS_INVALID_PORT
    again = characteristics()
    assert mini.NdisMAllocatePort(adapter, again) == NDIS_STATUS_SUCCESS
    assert again.PortNumber == 2
    wrong = NDIS_PORT_CHARACTERISTICS(Header=NDIS_OBJECT_HEADER(0x9C, 1, 8))
    assert mini.NdisMAllocatePort(adapter, wrong) == NDIS_STATUS_INVALID_DATA


@pytest.mark.parametrize("filtered", [False, True], ids=["plain", "filtered"])
def test_frames_move_through_an_active_port_and_say_which(filtered: bool) -> None:
    kind: Any = FilteredStack if filtered else SmallStack
    options = {} if not filtered else {"filters": (EVERYTHING,)}
    stack = kind(miniport=MINIPORT + ON_PORT, **options)
    sends, ports, pool, receives = [], [], stack.pool(PROTO), stack.pool()

    def on_send(context: Any, nbl: Any, port: int, flags: int) -> None:
        sends.append(port)
        stack.mini.complete(stack.adapter, nbl)

    def on_receive(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        ports.append((port, flags))
        if not flags & 2:
            stack.proto.give_back(stack.binding, nbl)

    stack.mini.on_send, stack.proto.on_receive = on_send, on_receive
    with stack.fake.dispatch(driver=PROTO):
        activated(stack, 3)
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.proto.NdisSendNetBufferLists(stack.binding, nbl, 3, 1)
        assert (sends, nbl.Status) == ([3], NDIS_STATUS_SUCCESS)
        stack.proto.free(nbl)
    with stack.fake.dispatch(driver=MINI):
        for flags in (1, 3):
            stack.mini.indicate_on(stack.adapter, stack.frames(receives, 1), 3, 1, flags)
    assert ports == [(3, 1), (3, 3)]
    assert len(stack.mini.returned) == 1


@pytest.mark.parametrize(("state", "status"), [(0, NDIS_STATUS_INVALID_PORT), (1, NDIS_STATUS_INVALID_PORT_STATE)])
def test_frames_of_a_port_that_is_not_active_come_back(state: int, status: int) -> None:
    stack = SmallStack(miniport=MINIPORT + ON_PORT)
    pool, receives = stack.pool(PROTO), stack.pool()
    with stack.fake.dispatch(driver=PROTO):
        if state:
            activated(stack, 5)
            stack.fake.machine.objects[HandleKind.PORT].records[0].state = state
            stack.changed()
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.proto.NdisSendNetBufferLists(stack.binding, nbl, 5, 1)
        assert (nbl.Status, stack.mini.sent, len(stack.proto.completed)) == (status, [], 1)
        stack.proto.free(nbl)
    with stack.fake.dispatch(driver=MINI):
        stack.mini.indicate_on(stack.adapter, stack.frames(receives, 2), 5, 2)
        stack.mini.indicate_on(stack.adapter, stack.frames(receives, 1), 5, 1, 3)
    assert (stack.proto.received, len(stack.mini.returned)) == ([], 1)
    assert any("port 5, which is not active" in text for _, _, text in stack.fake.platform.logs)


def test_a_port_from_its_activation_to_its_end() -> None:
    """One life: told to the protocol, used by a request and a status, told again before it goes."""
    told: list[Any] = []
    asked: list[Any] = []
    result: dict[str, Any] = {}

    def on_initialize(adapter: Any) -> int:
        given = characteristics(Type=surface.NdisPortTypeBridge)
        result["allocated"] = surface.NdisMAllocatePort(adapter.Handle, given)
        return int(result["allocated"])

    def event(adapter: Any, code: int, buffer: Any) -> int:
        return int(surface.NdisMNetPnPEvent(adapter.Handle, net_event(NET_PNP_EVENT_CODE(code), buffer)))

    def on_restart(adapter: Any) -> int:
        if "active" in result:
            return NDIS_STATUS_SUCCESS  # it is restarted once more
        result["unknown"] = event(adapter, ACTIVATION, listed(9))
        result["active"] = event(adapter, ACTIVATION, listed(1))
        result["twice"] = event(adapter, ACTIVATION, listed(1))
        result["busy"] = surface.NdisMFreePort(adapter.Handle, 1)
        return NDIS_STATUS_SUCCESS

    def on_event(binding: Any, notification: Any) -> int:
        code, buffer = notification.NetPnPEvent.NetEvent, notification.NetPnPEvent.Buffer
        if code in (ACTIVATION, DEACTIVATION):
            told.append((code, buffer.PortCharacteristics.PortNumber if code == ACTIVATION else list(buffer)))
        if code == ACTIVATION:
            status = surface.NdisOidRequest(binding.Handle, request(PortNumber=1, RequestType=1))
            result["request"] = status in (NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING) or int(status)
            result["other"] = surface.NdisOidRequest(binding.Handle, request(PortNumber=7))
        return NDIS_STATUS_SUCCESS

    def on_oid(adapter: Any, given: Any) -> int:
        if given.PortNumber:
            asked.append(given.PortNumber)
        return NDIS_STATUS_SUCCESS

    def on_halt(adapter: Any) -> None:
        result["inactive"] = event(adapter, DEACTIVATION, [1])
        result["freed"] = surface.NdisMFreePort(adapter.Handle, 1)

    plant: dict[str, dict[str, Any]] = {
        "base_miniport": {"OnInitialize": on_initialize, "OnRestart": on_restart, "OnHalt": on_halt, "OnOid": on_oid},
        "base_protocol": {"OnEvent": on_event},
    }
    machine = Computer("base_miniport", "base_protocol", plant=plant)
    assert machine.life() == 0
    assert told[0] == (ACTIVATION, 1)
    assert asked
    assert (result["unknown"], result["active"]) == (NDIS_STATUS_INVALID_PORT, NDIS_STATUS_SUCCESS)
    assert result["twice"] == result["busy"] == NDIS_STATUS_INVALID_PORT_STATE
    assert result["other"] == NDIS_STATUS_INVALID_PORT
    assert (result["inactive"], result["freed"]) == (NDIS_STATUS_SUCCESS, NDIS_STATUS_SUCCESS)
    assert machine.fake.stop_report() is None


def test_nobody_is_bound_before_a_miniport_activates_its_default_port() -> None:
    machine = wishes.started(base_miniport={"FLAGS": surface.NDIS_MINIPORT_ATTRIBUTES_CONTROLS_DEFAULT_PORT})
    assert wishes.bindings(machine) == []
    handle = surface.AdapterHandle(wishes.adapter(machine)[0])

    def tell(event: NET_PNP_EVENT_CODE, buffer: Any) -> Any:
        return wishes.wish(machine, lambda each: surface.NdisMNetPnPEvent(each, net_event(event, buffer)), handle)

    assert tell(DEACTIVATION, [0]) == NDIS_STATUS_INVALID_PORT_STATE
    assert tell(ACTIVATION, listed(0, 4)) == NDIS_STATUS_INVALID_PORT
    assert tell(ACTIVATION, listed(0)) == NDIS_STATUS_SUCCESS
    assert wishes.grant(machine)
    [(_, binding)] = wishes.bindings(machine)
    assert binding.state == BindingState.RUNNING
    assert tell(DEACTIVATION, [0]) == NDIS_STATUS_SUCCESS
    assert wishes.grant(machine)
    assert wishes.bindings(machine) == []
    machine.control(pnp.stop_adapter, 0)
    machine.control(pnp.unload)
    assert machine.left() == []


def test_the_default_port_of_other_miniports_is_ndis_s() -> None:
    machine = wishes.started()
    handle = surface.AdapterHandle(wishes.adapter(machine)[0])
    act = lambda each: surface.NdisMNetPnPEvent(each, net_event(DEACTIVATION, [0]))  # noqa: E731
    assert wishes.wish(machine, act, handle) == NDIS_STATUS_INVALID_PORT
    assert len(wishes.bindings(machine)) == 1
