"""Lists in every order of three programs: the interlocked functions lose nothing, the plain ones break the list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from emulator.kernel import spinlocks
from emulator.kernel.lists import LIST_ENTRY
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.spinlocks import KSPIN_LOCK
from emulator.layout.records import Array, u64
from emulator.ndis.buffers.macros import CONTAINING_RECORD
from emulator.ndis.gates.ddi import declarations
from emulator.simulated import Simulation, explore

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = 3


class NODE(NONPAGED):
    Number: u64
    Link: LIST_ENTRY


class SHARED(NONPAGED):
    Head: LIST_ENTRY
    Lock: KSPIN_LOCK
    Nodes: Array[NODE, Literal[3]]


def function(name: str) -> Any:
    return declarations[name].function


def program(machine: Simulation, shared: SHARED, insert: Callable[[SHARED, int], None], number: int) -> None:
    insert(machine.of(shared), number)


def run(machine: Simulation, insert: Callable[[SHARED, int], None]) -> None:
    shared: SHARED = machine.make(SHARED)
    spinlocks.initialize(machine.main, shared.Lock)
    function("NdisInitializeListHead")(shared.Head)
    for number in range(PROGRAMS):
        machine.program(partial(program, machine, shared, insert, number))
    machine.finish()
    seen = set()
    while not function("IsListEmpty")(shared.Head):
        seen.add(CONTAINING_RECORD(function("RemoveHeadList")(shared.Head), NODE, "Link").Number)
    assert seen == set(range(PROGRAMS))


def interlocked(machine: Simulation) -> None:
    def insert(shared: SHARED, number: int) -> None:
        node = shared.Nodes[number]
        node.Number = number
        function("NdisInterlockedInsertTailList")(shared.Head, node.Link, shared.Lock)

    run(machine, insert)


def plain(machine: Simulation) -> None:
    def insert(shared: SHARED, number: int) -> None:
        assert current.context.irql == 0
        node = shared.Nodes[number]
        node.Number = number
        function("InsertTailList")(shared.Head, node.Link)

    run(machine, insert)


def test_nothing_is_lost_by_interlocked_functions() -> None:
    explore(interlocked, range(80), processors=2).require_none()


def test_plain_functions_lose_entries_or_break_the_list() -> None:
    assert explore(plain, range(200), processors=2).failure is not None
