"""Network PnP events: one at a time for each binding, and NdisMNetPnPEvent of virtual miniports."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.enumerations import NET_PNP_EVENT_CODE
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import pnp, pnp_calls, pnp_waits
from emulator.ndis.plug_and_play.pnp_structures import net_event
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer

EVENT = NET_PNP_EVENT_CODE
QUERY_REMOVE, CANCEL_REMOVE = net_event(EVENT.NetEventQueryRemoveDevice), net_event(EVENT.NetEventCancelRemoveDevice)


def started(on_event: Any) -> tuple[Computer, int, Any]:
    """A machine, and its adapter."""
    machine = Computer("base_miniport", "base_protocol", plant={"base_protocol": {"OnEvent": on_event}})
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    machine.settle()
    found = pnp.find_adapter(machine.fake.pnp(), 0)
    assert found is not None
    return machine, *found


def binding_of(machine: Computer) -> Any:
    [(_, binding)] = machine.fake.machine.objects[HandleKind.BINDING].live()
    return binding


def test_an_event_waits_for_the_one_that_another_context_has_for_the_binding() -> None:
    seen: list[int] = []

    def on_event(binding: Any, event: Any) -> NDIS_STATUS:
        del binding
        seen.append(event.NetPnPEvent.NetEvent)
        return NDIS_STATUS_SUCCESS

    machine, handle, _ = started(on_event)
    binding = binding_of(machine)
    binding.event_slot = 77
    sleep, slept = machine.fake.platform.on_sleep, []

    def on_sleep(context: Any, deadline: int | None) -> None:
        assert not seen
        slept.append(deadline)
        if len(slept) == 3:
            binding.event_slot = 0
        assert sleep is not None
        sleep(context, deadline)

    machine.fake.platform.on_sleep = on_sleep
    assert machine.control(lambda context: pnp_calls.event_above(context, handle, CANCEL_REMOVE)) == 0
    assert seen == [EVENT.NetEventCancelRemoveDevice]
    assert len(slept) >= 3
    assert binding.event_slot == binding.completion == 0


def test_who_waits_for_an_event_that_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pnp_waits, "WATCHDOG_NS", 50_000_000)
    machine, handle, _ = started(lambda binding, event: NDIS_STATUS_SUCCESS)
    binding_of(machine).event_slot = 77
    with pytest.raises(BugCheck):
        machine.control(lambda context: pnp_calls.event_above(context, handle, CANCEL_REMOVE))
    assert machine.report.parameters[:2] == (0x25, 2)
    assert machine.report.text.startswith("The event before NetEventCancelRemoveDevice")


def test_an_event_out_of_the_handler_itself_is_told_at_once() -> None:
    seen: list[int] = []

    def on_event(binding: Any, event: Any) -> NDIS_STATUS:
        del binding
        seen.append(event.NetPnPEvent.NetEvent)
        if len(seen) == 1:
            pnp_calls.event_above(machine.fake.pnp(), handle, CANCEL_REMOVE)
        return NDIS_STATUS_SUCCESS

    machine, handle, _ = started(on_event)
    assert machine.control(lambda context: pnp_calls.event_above(context, handle, QUERY_REMOVE)) == 0
    assert seen == [EVENT.NetEventQueryRemoveDevice, EVENT.NetEventCancelRemoveDevice]
    assert binding_of(machine).event_slot == 0


def test_the_status_of_an_event_counts_where_the_page_says_so() -> None:
    machine, handle, adapter = started(lambda binding, event: NDIS_STATUS_FAILURE)

    def tell(event: Any) -> int:
        def act(context: Any) -> int:
            del context
            return int(surface.NdisMNetPnPEvent(surface.AdapterHandle(handle), event))

        return machine.control(act)

    assert tell(QUERY_REMOVE) == NDIS_STATUS_INVALID_PARAMETER  # it is no intermediate driver's
    adapter.virtual = 1
    assert tell(QUERY_REMOVE) == NDIS_STATUS_FAILURE
    assert tell(CANCEL_REMOVE) == NDIS_STATUS_SUCCESS
    for code in (EVENT.NetEventPause, EVENT.NetEventRestart, EVENT.NetEventBindsComplete):
        assert tell(net_event(code)) == NDIS_STATUS_INVALID_PARAMETER
