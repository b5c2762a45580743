"""Runs of references in shared memory: whatever is remembered of them, what is stored is published and found again."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.ndis.buffers import publication
from emulator.ndis.buffers.net_buffers import AWAY_LIST
from tests.ndis.small_stack import MINI, SmallStack, chain

RING = """
    class RING(NONPAGED):
        Slots: Array[PVOID, 8]
"""
MANY = 3


class Ringed:
    """A small stack on one processor with an array of references."""

    def __init__(self) -> None:
        self.stack = SmallStack(extra=RING, cooperative=True)
        self.fake = self.stack.fake
        self.ring = self.stack.extra.RING()

    @property
    def slots(self) -> Any:
        """The array as this context sees it."""
        return decode(current.context, self.ring._pointer).Slots

    def lists(self, count: int = MANY) -> list[Any]:
        return chain(self.stack.frames(self.stack.pool(), count))

    def store(self, place: int, lists: list[Any], times: int = 1) -> None:
        """Store a run; from the second time on it is remembered."""
        for _ in range(times):
            self.slots[place : place + len(lists)] = lists


@pytest.fixture
def ringed() -> Ringed:
    return Ringed()


def unlinked(lists: list[Any]) -> list[Any]:
    for nbl in lists:
        nbl.Next = None
    return lists


def away(nbl: Any) -> bool:
    """Has a list been published?  In the checked build it has the class then that stops whoever touches it."""
    return type(nbl) is AWAY_LIST


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("times", [1, 3])
def test_a_run_is_found_as_it_was_stored_and_published_at_the_end_of_the_round(
    ringed: Ringed, count: int, times: int
) -> None:
    with ringed.fake.dispatch(driver=MINI) as context:
        lists = unlinked(ringed.lists(count))
        ringed.store(1, lists, times)
        assert ringed.slots[1 : 1 + count] == lists
        assert ringed.slots[:] == [None, *lists, *[None] * (7 - count)]
        publication.leave(context)
        assert [away(nbl) for nbl in lists] == [True] * count


def test_a_run_of_others_takes_the_place_of_the_one_before(ringed: Ringed) -> None:
    with ringed.fake.dispatch(driver=MINI):
        lists = unlinked(ringed.lists(5))
        ringed.store(0, lists[:3], 3)
        ringed.store(0, lists[2:])
        assert ringed.slots[:3] == lists[2:]
        ringed.store(1, [lists[0], None])
        assert ringed.slots[:4] == [lists[2], lists[0], None, None]


def test_a_list_that_was_freed_since_is_published_when_it_is_stored_where_it_was(ringed: Ringed) -> None:
    with ringed.fake.dispatch(driver=MINI) as context:
        lists = unlinked(ringed.lists())
        ringed.store(0, lists, 3)
        pool, mdl = lists[1].NdisPoolHandle, lists[1].FirstNetBuffer.MdlChain
        ringed.stack.mini.free(lists[1])
        again = ringed.stack.mini.allocate(pool, mdl, 0, 60)
        assert again is lists[1]
        ringed.store(0, lists)
        publication.leave(context)
        assert [away(nbl) for nbl in lists] == [True] * MANY


def test_a_list_that_was_away_since_is_published_when_it_is_stored_where_it_was(ringed: Ringed) -> None:
    with ringed.fake.dispatch(driver=MINI) as context:
        lists = unlinked(ringed.lists())
        for _ in range(3):
            ringed.store(0, lists, 3)
            publication.leave(context)
            assert ringed.slots[:MANY] == lists
            assert not any(away(nbl) for nbl in lists)


def test_what_another_context_has_stored_is_found(ringed: Ringed) -> None:
    worker = ringed.fake.passive_worker()
    with ringed.fake.dispatch(driver=MINI) as context:
        lists = unlinked(ringed.lists())
        ringed.store(0, lists, 3)
        publication.leave(context)
    with ringed.fake.running(worker):
        theirs = ringed.slots[:MANY]
        ringed.store(0, [theirs[2], theirs[1], theirs[0]])
        publication.leave(worker)
    with ringed.fake.dispatch(driver=MINI):
        assert ringed.slots[:MANY] == lists[::-1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_run_of_another_length_is_refused(ringed: Ringed, count: int) -> None:
    with ringed.fake.dispatch(driver=MINI):
        lists = unlinked(ringed.lists())
        ringed.store(0, lists, 3)
        with pytest.raises(ValueError, match=rf"{count} references do not fit .*; an array keeps its length"):
            ringed.slots[0:MANY] = lists[:count]
        assert ringed.slots[:4] == [*lists, None]


def test_a_reference_that_is_stored_by_its_place_is_published_as_one_of_a_run_is(ringed: Ringed) -> None:
    with ringed.fake.dispatch(driver=MINI) as context:
        lists = unlinked(ringed.lists())
        for place, nbl in enumerate(lists):
            ringed.slots[place] = ringed.slots[place + 1] = nbl
        ringed.slots[MANY] = None
        ringed.slots[5] = memory = ringed.stack.memory(16)
        assert ringed.slots[:] == [*lists, None, None, memory, None, None]
        ringed.stack.mini.free(lists.pop())
        publication.leave(context)
        assert [away(nbl) for nbl in lists] == [True] * (MANY - 1)
        assert ringed.slots[:2] == lists
        assert not any(away(nbl) for nbl in lists)
