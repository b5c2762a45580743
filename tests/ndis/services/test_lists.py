"""Lists inside nonpaged structures: order, what is given back, and the way from an entry to its structure."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from emulator.kernel.pointers import load_block, sizeof
from emulator.ndis import CONTAINING_RECORD, LIST_ENTRY, LONG, NDIS_SPIN_LOCK, NONPAGED, SINGLE_LIST_ENTRY, SLIST_HEADER
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.layout import Array, Pointer, u32
from emulator.rules.errors import BugCheck
from emulator.rules.irql import DIRQL
from tests.fake_platform import FakeMachine, WouldBlock


class NODE(NONPAGED):
    """An entry of every kind of list."""

    Number: u32
    Link: LIST_ENTRY
    Single: SINGLE_LIST_ENTRY


class OWNER(NONPAGED):
    """Heads of lists, and some entries that lie beside them."""

    Head: LIST_ENTRY
    Single: SINGLE_LIST_ENTRY
    Sequenced: SLIST_HEADER
    Lock: NDIS_SPIN_LOCK
    Cell: LONG
    Kept: Pointer[LIST_ENTRY]
    Inside: Array[NODE, Literal[2]]


class Lists:
    """A machine with an owner and nodes; functions of the DDI by name."""

    def __init__(self) -> None:
        self.fake = FakeMachine(builtin_types=(NODE, OWNER), processors=2, pool_bytes=1 << 16)
        self.context = self.fake.processor(0)
        self.owner: Any = self.make(OWNER)
        self.NdisAllocateSpinLock(self.owner.Lock)
        self.NdisInitializeListHead(self.owner.Head)
        self.NdisInitializeSListHead(self.owner.Sequenced)

    def __getattr__(self, name: str) -> Any:
        return declarations[name].function

    def make(self, kind: Any) -> Any:
        pointer = self.fake.machine.pool.allocate(
            sizeof(kind), tag=1, type_number=self.fake.images.type_numbers[kind], site=0, driver=0, owner=0
        )
        assert pointer is not None
        return load_block(self.context, pointer)

    def nodes(self, count: int) -> list[Any]:
        made = [self.make(NODE) for _ in range(count)]
        for number, node in enumerate(made):
            node.Number = number
        return made


@pytest.fixture
def lists() -> Lists:
    return Lists()


def test_a_doubly_linked_list_keeps_its_order(lists: Lists) -> None:
    head, (one, two, three) = lists.owner.Head, lists.nodes(3)
    assert lists.IsListEmpty(head)
    lists.InsertTailList(head, two.Link)
    lists.InsertTailList(head, three.Link)
    lists.InsertHeadList(head, one.Link)
    assert not lists.IsListEmpty(head)
    found, entry = [], head.Flink
    while entry != head:
        found.append(CONTAINING_RECORD(entry, NODE, "Link"))
        entry = entry.Flink
    assert found == [one, two, three]
    assert found[0] is one
    assert head.Blink == three.Link
    assert lists.RemoveEntryList(two.Link) is False
    assert lists.RemoveTailList(head) == three.Link
    assert lists.RemoveHeadList(head) == one.Link
    assert lists.IsListEmpty(head)
    assert lists.RemoveHeadList(head) == head
    lists.InsertHeadList(head, two.Link)
    assert lists.RemoveEntryList(two.Link) is True


def test_interlocked_ones_give_back_what_was_there(lists: Lists) -> None:
    head, lock, (one, two) = lists.owner.Head, lists.owner.Lock, lists.nodes(2)
    with lists.fake.running(lists.context, DIRQL):
        assert lists.NdisInterlockedInsertTailList(head, one.Link, lock) is None
        assert lists.NdisInterlockedInsertTailList(head, two.Link, lock) == one.Link
        assert lists.NdisInterlockedRemoveHeadList(head, lock) == one.Link
        assert lists.NdisInterlockedInsertHeadList(head, one.Link, lock) == two.Link
        assert lists.NdisInterlockedRemoveHeadList(head, lock) == one.Link
        assert lists.NdisInterlockedRemoveHeadList(head, lock) == two.Link
        assert lists.NdisInterlockedRemoveHeadList(head, lock) is None
    assert lock.index not in lists.fake.platform.owners


def test_an_interlocked_one_waits_for_the_lock(lists: Lists) -> None:
    (one,) = lists.nodes(1)
    with lists.fake.running(lists.fake.processor(1)):
        lists.NdisAcquireSpinLock(lists.owner.Lock)
    with lists.fake.running(lists.context), pytest.raises(WouldBlock):
        lists.NdisInterlockedInsertTailList(lists.owner.Head, one.Link, lists.owner.Lock)


def test_singly_linked_and_sequenced_lists_are_last_in_first_out(lists: Lists) -> None:
    one, two = lists.nodes(2)
    head = lists.owner.Single
    head.Next = None
    assert lists.PopEntryList(head) is None
    lists.PushEntryList(head, one.Single)
    lists.PushEntryList(head, two.Single)
    assert head.Next == two.Single
    assert two.Single.Next == one.Single
    assert lists.PopEntryList(head) == two.Single
    assert lists.PopEntryList(head) == one.Single
    assert head.Next is None
    head, lock = lists.owner.Sequenced, lists.owner.Lock
    assert lists.NdisInterlockedPushEntrySList(head, one.Single, lock) is None
    assert lists.NdisInterlockedPushEntrySList(head, two.Single, lock) == one.Single
    assert lists.NdisQueryDepthSList(head) == 2
    popped = lists.NdisInterlockedPopEntrySList(head, lock)
    assert CONTAINING_RECORD(popped, NODE, "Single") is two
    assert lists.NdisInterlockedPopEntrySList(head, lock) == one.Single
    assert lists.NdisInterlockedPopEntrySList(head, lock) is None
    assert lists.NdisQueryDepthSList(head) == 0


def test_the_structure_around_an_entry_may_lie_inside_another(lists: Lists) -> None:
    inside = lists.owner.Inside[1]
    inside.Number = 77
    lists.InsertTailList(lists.owner.Head, inside.Link)
    assert CONTAINING_RECORD(lists.owner.Head.Flink, NODE, "Link").Number == 77
    assert CONTAINING_RECORD(lists.owner.Head, OWNER, "Head") is lists.owner
    with pytest.raises(AttributeError, match="no member Nowhere"):
        CONTAINING_RECORD(lists.owner.Head, OWNER, "Nowhere")


def test_a_pointer_to_an_entry_is_a_link_in_another_context_too(lists: Lists) -> None:
    (one,) = lists.nodes(1)
    lists.owner.Kept = one.Link
    with lists.fake.running(lists.fake.processor(1)) as other:
        owner: Any = load_block(other, lists.owner._pointer)
        assert CONTAINING_RECORD(owner.Kept, NODE, "Link").Number == 0
        assert owner.Kept == one.Link
        assert len({owner.Kept, one.Link}) == 1


def test_add_ulong_gives_the_value_before(lists: Lists) -> None:
    cell = lists.owner.Cell
    cell.value = -1
    assert lists.NdisInterlockedAddUlong(cell, 3, lists.owner.Lock) == 0xFFFF_FFFF
    assert cell.value == 2


def test_a_lock_that_is_none_yet_is_refused(lists: Lists) -> None:
    lists.NdisFreeSpinLock(lists.owner.Lock)
    with pytest.raises(BugCheck):
        lists.NdisInterlockedRemoveHeadList(lists.owner.Head, lists.owner.Lock)
    assert lists.fake.stop_report().parameters[0] == 0x1002


def test_an_entry_whose_memory_was_freed_breaks_the_list(lists: Lists) -> None:
    (one,) = lists.nodes(1)
    lists.InsertTailList(lists.owner.Head, one.Link)
    lists.fake.machine.pool.free(one._pointer, site=0)
    with pytest.raises(BugCheck):
        lists.RemoveHeadList(lists.owner.Head)
    assert lists.fake.stop_report().code == 0x139
