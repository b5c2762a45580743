"""The life of a work item: a total table, the legal surprises, the stops, and walks that never leave the table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emulator.rules.bugchecks import bug_check_entry
from emulator.rules.work_items import (
    FOREIGN_HANDLE,
    HANDLES,
    LEAKED,
    TABLE,
    WORKER_PRIORITY,
    Impossible,
    Stop,
    WorkItemEvent,
    WorkItemState,
    outcome,
)


def walk(*events: WorkItemEvent) -> WorkItemState | Stop | Impossible:
    state = WorkItemState.FREE
    for event in events:
        found = outcome(state, event)
        if not isinstance(found, WorkItemState):
            return found
        state = found
    return state


E = WorkItemEvent


def test_every_pair_is_decided() -> None:
    assert set(TABLE) == {(state, event) for state in WorkItemState for event in WorkItemEvent}


def test_the_ordinary_life() -> None:
    assert walk(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.LAST_RETURN, E.FREE) is WorkItemState.FREE


def test_an_item_may_be_queued_again_inside_its_routine() -> None:
    assert walk(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.QUEUE, E.DEQUEUE, E.LAST_RETURN) is WorkItemState.IDLE


def test_an_item_may_be_freed_inside_its_routine() -> None:
    assert walk(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.FREE, E.LAST_RETURN) is WorkItemState.FREE


def test_the_driver_may_go_while_the_routine_of_a_freed_item_still_runs() -> None:
    assert walk(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.FREE, E.PARENT_ENDS) is WorkItemState.FREED_WHILE_RUNNING


def stop_of(*events: WorkItemEvent) -> tuple[int, int]:
    found = walk(*events)
    assert isinstance(found, Stop)
    return found.code, int(found.p1)


def test_queued_twice() -> None:
    assert stop_of(E.ALLOCATE, E.QUEUE, E.QUEUE) == (0xE4, 1)
    assert stop_of(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.QUEUE, E.QUEUE) == (0xE4, 1)


def test_freed_while_queued() -> None:
    assert stop_of(E.ALLOCATE, E.QUEUE, E.FREE) == (0xE4, 2)
    assert stop_of(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.QUEUE, E.FREE) == (0xE4, 2)


def test_used_after_free() -> None:
    assert stop_of(E.ALLOCATE, E.FREE, E.QUEUE) == (0xE4, 0)
    assert stop_of(E.ALLOCATE, E.FREE, E.FREE) == (0xE4, 0)
    assert stop_of(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.FREE, E.QUEUE) == (0xE4, 0)
    assert stop_of(E.ALLOCATE, E.QUEUE, E.DEQUEUE, E.FREE, E.FREE) == (0xE4, 0)


def test_left_behind() -> None:
    for events in ((), (E.QUEUE,), (E.QUEUE, E.DEQUEUE), (E.QUEUE, E.DEQUEUE, E.QUEUE)):
        assert walk(E.ALLOCATE, *events, E.PARENT_ENDS) is LEAKED


def test_every_stop_is_in_the_table_of_bug_checks_and_our_choices_are_marked() -> None:
    stops = {found for found in (*TABLE.values(), FOREIGN_HANDLE) if isinstance(found, Stop)}
    for found in stops:
        entry = bug_check_entry(found.code)
        assert entry is not None
        assert entry.subcode(int(found.p1)) is not None
    assert {(found.code, int(found.p1)) for found in stops if not found.choice} == {(0xE4, 1), (0xE4, 2)}


@given(st.lists(st.sampled_from(list(WorkItemEvent))))
def test_no_walk_leaves_the_table(events: list[WorkItemEvent]) -> None:
    assert isinstance(walk(*events), WorkItemState | Stop | Impossible)


def test_the_handles_that_are_accepted() -> None:
    accepted = {kind for kind, rule in HANDLES.items() if rule.accepted}
    assert accepted == {
        "ADAPTER",
        "MINIPORT_DRIVER",
        "FILTER_DRIVER",
        "FILTER_MODULE",
        "DEVICE",
    }
    assert not HANDLES["PROTOCOL_DRIVER"].accepted
    assert not HANDLES["BINDING"].accepted
    assert all(rule.freed_before for rule in HANDLES.values() if rule.accepted)
    assert HANDLES["ADAPTER"].freed_before == "MiniportHaltEx returns"


def test_the_critical_queue_is_served_before_the_delayed_one() -> None:
    assert WORKER_PRIORITY[0] == 13
    assert WORKER_PRIORITY[1] == 12
    assert max(WORKER_PRIORITY.values()) == WORKER_PRIORITY[5] == 18
