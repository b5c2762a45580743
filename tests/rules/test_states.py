"""The state machines: tables against the pages, reachability, duties, and the pictures drawn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.states import (
    ADAPTER,
    BINDING,
    FILTER,
    AdapterEvent,
    AdapterState,
    BindingEvent,
    BindingState,
    FilterEvent,
    FilterState,
    Machine,
    Operation,
    Transition,
    legal_operations,
    may,
    mermaid,
    next_state,
)

if TYPE_CHECKING:
    from enum import IntEnum

MACHINES = (ADAPTER, FILTER, BINDING)


def rows(machine: Machine[Any, Any]) -> set[tuple[str, str, str]]:
    return {(row.state.name, row.event.name, row.next.name) for row in machine.transitions}


COMMON = {
    ("PAUSED", "RESTART_CALLED", "RESTARTING"),
    ("RESTARTING", "RESTART_SUCCEEDED", "RUNNING"),
    ("RESTARTING", "RESTART_FAILED", "PAUSED"),
    ("RUNNING", "PAUSE_CALLED", "PAUSING"),
    ("PAUSING", "PAUSE_COMPLETED", "PAUSED"),
}


def test_the_adapter_is_as_its_page_has_it() -> None:
    shutdown = {(name, "SHUTDOWN_CALLED", "SHUTDOWN") for name in ("PAUSED", "RESTARTING", "RUNNING", "PAUSING")}
    assert rows(ADAPTER) == COMMON | shutdown | {
        ("HALTED", "INITIALIZE_CALLED", "INITIALIZING"),
        ("INITIALIZING", "INITIALIZE_SUCCEEDED", "PAUSED"),
        ("INITIALIZING", "INITIALIZE_FAILED", "HALTED"),
        ("PAUSED", "HALT_CALLED", "HALTED"),
    }


def test_the_filter_module_is_as_its_page_has_it() -> None:
    assert rows(FILTER) == COMMON | {
        ("DETACHED", "ATTACH_CALLED", "ATTACHING"),
        ("ATTACHING", "ATTACH_SUCCEEDED", "PAUSED"),
        ("ATTACHING", "ATTACH_FAILED", "DETACHED"),
        ("PAUSED", "DETACH_CALLED", "DETACHED"),
    }


def test_the_binding_is_as_its_page_has_it() -> None:
    assert rows(BINDING) == COMMON | {
        ("UNBOUND", "BIND_CALLED", "OPENING"),
        ("OPENING", "BIND_SUCCEEDED", "PAUSED"),
        ("OPENING", "BIND_FAILED", "UNBOUND"),
        ("PAUSED", "UNBIND_CALLED", "CLOSING"),
        ("CLOSING", "UNBIND_COMPLETED", "UNBOUND"),
    }


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_pair_is_decided_and_every_state_is_reached(machine: Machine[Any, Any]) -> None:
    legal = 0
    for state in machine.states:
        for event in machine.events:
            found = next_state(machine, state, event)
            assert found is None or found in machine.states
            legal += found is not None
    assert legal == len(machine.transitions)
    reached: set[IntEnum] = {machine.initial}
    for _ in machine.states:
        reached |= {row.next for row in machine.transitions if row.state in reached}
    assert reached == set(machine.states.__members__.values())
    assert {row.event for row in machine.transitions} == set(machine.events.__members__.values())


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_the_initial_state_is_zero_as_in_fresh_memory(machine: Machine[Any, Any]) -> None:
    assert machine.initial == 0


def test_two_rows_for_one_pair_are_refused() -> None:
    row = Transition(AdapterState.HALTED, AdapterEvent.INITIALIZE_CALLED, AdapterState.PAUSED)
    with pytest.raises(ValueError, match="two rows"):
        Machine("broken", AdapterState.HALTED, AdapterState, AdapterEvent, "", (*ADAPTER.transitions, row), {}, {})


def test_halt_only_from_paused() -> None:
    for state in AdapterState:
        legal = next_state(ADAPTER, state, AdapterEvent.HALT_CALLED) is not None
        assert legal == (state is AdapterState.PAUSED)


def test_nothing_follows_shutdown() -> None:
    assert all(next_state(ADAPTER, AdapterState.SHUTDOWN, event) is None for event in AdapterEvent)
    assert legal_operations(ADAPTER, AdapterState.SHUTDOWN) == ()


@pytest.mark.parametrize(
    ("machine", "operation", "states"),
    [
        (ADAPTER, Operation.SEND, {"RUNNING", "PAUSING"}),
        (ADAPTER, Operation.RECEIVE, {"RESTARTING", "RUNNING", "PAUSING"}),
        (ADAPTER, Operation.START_RECEIVE, {"RESTARTING", "RUNNING"}),
        (ADAPTER, Operation.OID_REQUEST, {"PAUSED", "RESTARTING", "RUNNING", "PAUSING"}),
        (ADAPTER, Operation.STATUS_INDICATION, {"INITIALIZING", "PAUSED", "RESTARTING", "RUNNING", "PAUSING"}),
        (FILTER, Operation.OID_REQUEST, {"PAUSED", "RESTARTING", "RUNNING", "PAUSING"}),
        (FILTER, Operation.SEND, {"RUNNING", "PAUSING"}),
        (BINDING, Operation.START_SEND, {"RUNNING"}),
        (BINDING, Operation.OID_REQUEST, {"CLOSING", "PAUSED", "RESTARTING", "RUNNING", "PAUSING"}),
        (BINDING, Operation.RESET, set()),
    ],
)
def test_operations_are_legal_where_the_pages_say(
    machine: Machine[Any, Any], operation: Operation, states: set[str]
) -> None:
    assert {state.name for state in machine.states if may(machine, operation, state)} == states


def test_a_completion_that_nobody_waits_for_has_its_stop() -> None:
    assert ADAPTER.offences[AdapterEvent.PAUSE_COMPLETED] == (0x7C, 0x1F)
    assert FILTER.offences[FilterEvent.RESTART_SUCCEEDED] == (0x7C, 0x1F)
    assert BINDING.offences[BindingEvent.PAUSE_COMPLETED] == (0x7C, 0x22)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_the_picture_has_one_arrow_for_each_row(machine: Machine[Any, Any]) -> None:
    lines = mermaid(machine).splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert lines[1].strip().startswith("[*] --> ")
    assert len(lines) == 2 + len(machine.transitions)
    assert len(set(lines)) == len(lines)


def test_the_picture_names_states_and_events() -> None:
    assert "    Initializing --> Paused : initialize succeeded" in mermaid(ADAPTER).splitlines()
    assert "    Opening --> Paused : bind succeeded" in mermaid(BINDING).splitlines()
    assert FilterState.DETACHED is FILTER.initial
    assert BindingState.UNBOUND is BINDING.initial
