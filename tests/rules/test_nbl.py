"""Ownership of a NET_BUFFER_LIST: which call demands what, and that a list always has one owner."""

from __future__ import annotations

from emulator.rules.bugchecks import bug_check_entry
from emulator.rules.nbl import (
    HANDOVERS,
    OFFENCES,
    Direction,
    Party,
    handover,
)


def test_every_operation_is_named_once() -> None:
    names = [row.operation for row in HANDOVERS]
    assert len(set(names)) == len(names)
    assert handover("NdisReturnNetBufferLists") is not None
    assert handover("NdisAllocateMdl") is None


def test_who_hands_on_owns_and_owns_no_more() -> None:
    for row in HANDOVERS:
        assert row.required is not row.next, row.operation
        if row.direction is not Direction.NONE:
            assert row.required is Party.CALLER
            assert row.next in {Party.ABOVE, Party.BELOW}


def test_sends_go_down_and_receives_come_up() -> None:
    ways = {row.operation: row.next for row in HANDOVERS if row.direction is not Direction.NONE}
    assert ways == {
        "NdisSendNetBufferLists": Party.BELOW,
        "NdisFSendNetBufferLists": Party.BELOW,
        "NdisMSendNetBufferListsComplete": Party.ABOVE,
        "NdisFSendNetBufferListsComplete": Party.ABOVE,
        "NdisMIndicateReceiveNetBufferLists": Party.ABOVE,
        "NdisFIndicateReceiveNetBufferLists": Party.ABOVE,
        "NdisReturnNetBufferLists": Party.BELOW,
        "NdisFReturnNetBufferLists": Party.BELOW,
    }


def test_offences_are_stops_that_exist() -> None:
    for offence in OFFENCES:
        entry = bug_check_entry(offence.code)
        assert entry is not None
        if entry.subcodes:
            assert entry.subcode(offence.subcode) is not None, offence.name
