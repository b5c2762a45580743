"""Watched structures: the same layout, the same values, and an event for each access."""

from __future__ import annotations

import ctypes
import itertools
from typing import TYPE_CHECKING, Any, Literal

import pytest

from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED, HandleField, PointerField
from emulator.kernel.spinlocks import KSPIN_LOCK
from emulator.layout.cells import LONG
from emulator.layout.records import Array, Bytes, Record, u8, u16, u32, u64
from emulator.simulated import Simulation
from emulator.simulated.watched import watched
from emulator.trace import EventKind

if TYPE_CHECKING:
    REFERENCE = Any
    HANDLE = Any
else:
    REFERENCE = PointerField()
    HANDLE = HandleField()


class INNER(Record):
    Key: u32
    Value: u16


class NODE(NONPAGED):
    Number: u64
    Small: u8
    Address: Bytes[Literal[6]]
    Next: REFERENCE
    Handle: HANDLE
    Cell: LONG
    Lock: KSPIN_LOCK
    Inner: INNER
    Table: Array[INNER, Literal[4]]
    Words: Array[u32, Literal[8]]
    Links: Array[REFERENCE, Literal[2]]


@pytest.fixture
def machine() -> Any:
    made = Simulation()
    yield made
    made.close()


def seen(machine: Simulation, body: Any) -> list[tuple[str, str]]:
    """What a program's accesses leave in the trace."""
    machine.program(body)
    machine.finish()
    return [(e.kind.name, e.what) for e in machine.trace.events(EventKind.READ, EventKind.WRITE)]


def test_the_layout_is_the_raw_classs(machine: Simulation) -> None:
    wrapper = machine.images.wrapper_for(NODE)
    assert ctypes.sizeof(wrapper) == ctypes.sizeof(NODE)  # type: ignore[arg-type]
    assert issubclass(wrapper, NODE)
    assert wrapper.__name__ == "NODE"
    assert machine.images.wrapper_for(NODE) is wrapper
    assert watched(INNER, {}).size() == INNER.size()


def test_every_kind_of_field_reads_and_writes(machine: Simulation) -> None:
    node, other = machine.make(NODE), machine.make(NODE)

    def body() -> None:
        mine, next_one = machine.of(node), machine.of(other)
        mine.Number = 1 << 40
        mine.Small = 7
        mine.Address = b"\x02\0\0\0\0\x01"
        mine.Next = next_one
        mine.Handle = 0x12 << 56
        mine.Cell.value = -3
        mine.Inner.Key = 9
        mine.Table[2].Value = 5
        mine.Table[-1].Key = 11
        mine.Words[3] = 4
        mine.Links[1] = next_one
        assert (mine.Number, mine.Small, mine.Address) == (1 << 40, 7, b"\x02\0\0\0\0\x01")
        assert mine.Next is next_one
        assert mine.Handle == 0x12 << 56
        assert mine.Cell.value == -3
        assert (mine.Inner.Key, mine.Table[2].Value, mine.Table[3].Key, mine.Words[3]) == (9, 5, 11, 4)
        assert mine.Links[1] is next_one
        assert mine.Links[0] is None
        assert list(mine.Words) == [0, 0, 0, 4, 0, 0, 0, 0]
        assert len(mine.Table) == 4

    names = {what for _, what in seen(machine, body)}
    assert names >= {
        "NODE.Number",
        "NODE.Address",
        "NODE.Next",
        "NODE.Handle",
        "NODE.Cell",
        "INNER.Key",
        "INNER.Value",
        "NODE.Words[3]",
        "NODE.Links[1]",
    }
    # And what was written through the watched class lies where the raw class has it.
    raw = NODE.at(machine.memory, node._pointer & 0xFF_FFFF_FFFF)
    assert (raw.Number, raw.Table[3].Key, raw.Words[3], raw.Address[0]) == (1 << 40, 11, 4, 2)


def test_a_read_modify_write_is_two_accesses(machine: Simulation) -> None:
    node = machine.make(NODE)

    def body() -> None:
        machine.of(node).Number += 1

    assert seen(machine, body) == [("READ", "NODE.Number"), ("WRITE", "NODE.Number")]


def test_a_cell_is_an_access_only_by_its_value(machine: Simulation) -> None:
    node = machine.make(NODE)

    def body() -> None:
        cell = machine.of(node).Cell
        current.context.platform.fetch_add(cell, 5)
        assert cell.value == 5

    assert seen(machine, body) == [("READ", "NODE.Cell")]
    assert [e.what for e in machine.trace.events(EventKind.INTERLOCKED)] == ["add"]


def test_a_lock_inside_is_the_kernels(machine: Simulation) -> None:
    node = machine.make(NODE)

    def body() -> None:
        assert machine.of(node).Lock.index == 0

    assert seen(machine, body) == []


def test_different_fields_have_different_places(machine: Simulation) -> None:
    node = machine.make(NODE)

    def body() -> None:
        mine = machine.of(node)
        assert (mine.Number, mine.Small, mine.Inner.Key, mine.Table[0].Key, mine.Table[1].Key) == (0,) * 5
        assert (mine.Words[0], mine.Words[1], mine.Handle) == (0, 0, None)

    seen(machine, body)
    places = [event.value for event in machine.trace.events(EventKind.READ)]
    assert len(set(places)) == len(places) == 8
    assert all(one != other for one, other in itertools.pairwise(places))


def test_the_script_looks_without_leaving_a_trace(machine: Simulation) -> None:
    node = machine.make(NODE)
    node.Number = 4
    assert node.Number == 4
    assert machine.trace.events() == []


def test_each_context_has_a_wrapper_of_its_own(machine: Simulation) -> None:
    node = machine.make(NODE)
    wrappers: list[Any] = []
    for _ in range(2):
        machine.program(lambda: wrappers.append(machine.of(node)))
    machine.finish()
    assert wrappers[0] is not wrappers[1]
    assert wrappers[0].Number == wrappers[1].Number == 0
