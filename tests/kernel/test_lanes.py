"""The control lanes: order, who may go beside whom, and when a lane that blocks gets a stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.kernel.context import Context
from emulator.kernel.lanes import (
    begin_operation,
    blocked_lane,
    claim,
    end_operation,
    end_operations,
    operations_under_way,
    unclaim,
    waiting_operation,
)
from emulator.layout.arena import CONTROL_ENTRIES, Geometry
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SlotState
from emulator.rules.control import ControlOperation
from tests.fake_platform import FakeMachine

if TYPE_CHECKING:
    from emulator.layout.control import CONTROL

PAUSE, UNLOAD, RESET = ControlOperation.PAUSE, ControlOperation.UNLOAD, ControlOperation.RESET


class Ring:
    """A machine of three adapters with its PnP thread, and the host's end of the control ring."""

    def __init__(self, adapters: int = 3) -> None:
        self.fake = FakeMachine(adapters=adapters, bindings=4, pools=4, filters=2, pool_bytes=1 << 16)
        self.arena = self.fake.arena
        self.pnp = self.context(0)

    def context(self, index: int) -> Context:
        slot = self.fake.geometry.lane_slots(ContextKind.PNP)[index]
        made = Context(self.fake.machine, self.fake.platform, slot, ContextKind.PNP, index)
        made.enter_state(SlotState.RUNNING)
        return made

    def hand_over(self, operation: int, target: int = 0) -> None:
        ring = self.arena.control
        entry = self.arena.control_entry(ring.put)
        entry.operation, entry.target, entry.started, entry.finished = operation, target, 0, 0
        ring.put = ring.put + 1 & 0xFFFF_FFFF

    def begin(self, context: Context | None = None) -> CONTROL | None:
        with self.fake.running(context or self.pnp) as running:
            return begin_operation(running)

    def end(self, entry: CONTROL, status: int = 0) -> None:
        with self.fake.running(self.pnp) as running:
            end_operation(running, entry, status)


def target_of(entry: CONTROL | None) -> int:
    assert entry is not None
    return int(entry.target)


def test_operations_on_one_adapter_follow_each_other_and_on_two_go_side_by_side() -> None:
    ring = Ring()
    for target in (1, 1, 2):
        ring.hand_over(PAUSE, target)
    first, beside = ring.begin(), ring.begin(ring.context(1))
    assert (target_of(first), target_of(beside)) == (1, 2)
    assert first is not None
    assert beside is not None
    assert beside.slot == ring.fake.geometry.lane_slots(ContextKind.PNP)[1]
    assert ring.begin() is None
    ring.end(beside, -1)
    assert (beside.status, ring.arena.control.done, ring.arena.control.finished) == (0xFFFF_FFFF, 0, 1)
    assert ring.begin() is None
    ring.end(first)
    assert (ring.arena.control.done, ring.arena.control.finished) == (1, 2)
    last = ring.begin()
    assert target_of(last) == 1
    assert last is not None
    ring.end(last)
    assert ring.arena.control.done == ring.arena.control.put == 3


def test_what_concerns_the_whole_machine_runs_alone() -> None:
    ring = Ring()
    ring.hand_over(PAUSE, 0)
    ring.hand_over(UNLOAD)
    ring.hand_over(PAUSE, 2)
    first = ring.begin()
    assert first is not None
    assert ring.begin() is None  # neither the unload nor, past it, the pause
    ring.end(first)
    unload = ring.begin()
    assert unload is not None
    assert unload.operation == UNLOAD
    assert ring.begin() is None
    ring.end(unload)
    assert target_of(ring.begin()) == 2


def test_a_reset_begins_beside_what_is_under_way_and_not_before_what_waits() -> None:
    ring = Ring()
    for operation in (PAUSE, RESET, PAUSE, RESET):
        ring.hand_over(operation, 1)
    pause, reset = ring.begin(), ring.begin()
    assert pause is not None
    assert reset is not None
    assert (pause.operation, reset.operation) == (PAUSE, RESET)
    assert ring.begin() is None  # the second pause waits for the first, and the second reset for that
    ring.end(pause)
    second = ring.begin()
    assert second is not None
    assert second.operation == PAUSE  # beside the first reset
    with ring.fake.running(ring.fake.pnp()) as context:
        end_operations(context, RESET, 2, 0)
        assert not reset.finished
        end_operations(context, RESET, 1, 7)
    assert (reset.status, bool(reset.finished)) == (7, True)


def test_the_count_of_operations_may_wrap() -> None:
    ring = Ring()
    ring.arena.control.put = ring.arena.control.done = 0xFFFF_FFFF
    for target in (0, 1):
        ring.hand_over(PAUSE, target)
    assert ring.arena.control.put == 1
    for target in (0, 1):
        entry = ring.begin()
        assert target_of(entry) == target
        assert entry is not None
        ring.end(entry)
    assert ring.arena.control.done == 1


def test_a_ring_that_holds_nonsense_is_read_to_its_end_and_no_further() -> None:
    ring = Ring()
    ring.arena.control.put, ring.arena.control.done = 5, 0x1234_5678
    assert len(operations_under_way(ring.arena)) <= CONTROL_ENTRIES
    waiting_operation(ring.arena)
    blocked_lane(ring.arena)


def test_a_lane_is_blocked_when_all_its_contexts_are_at_something_and_another_adapter_has_work() -> None:
    ring = Ring()
    for target in (0, 0):
        ring.hand_over(PAUSE, target)
    first = ring.begin()
    assert first is not None
    assert blocked_lane(ring.arena) is None  # what waits is for the adapter that is busy
    ring.hand_over(PAUSE, 1)
    assert blocked_lane(ring.arena) == (ContextKind.PNP, first.started)
    stand_in = ring.context(1)
    assert blocked_lane(ring.arena) is None  # it will come for it
    ring.begin(stand_in)
    ring.hand_over(PAUSE, 2)
    assert blocked_lane(ring.arena) is not None
    ring.end(first)
    assert blocked_lane(ring.arena) is None


def test_what_a_driver_has_asked_for_and_what_the_host_asks_for_follow_each_other() -> None:
    ring = Ring()
    with ring.fake.running(ring.pnp) as context:
        adapters = ring.fake.machine.objects[HandleKind.ADAPTER]
        for number in (0, 1):
            made = adapters.allocate(HandleKind.ADAPTER, driver=0, parent=0, site=0)
            assert made is not None
            made[1].number, made[1].claimed = number, 0
        first, second = adapters.records[0], adapters.records[1]
        assert claim(context, first)
        assert not claim(context, first)
        ring.hand_over(PAUSE, 0)
        ring.hand_over(PAUSE, 1)
        assert target_of(ring.begin()) == 1
        assert not claim(context, second)
        assert ring.begin() is None
        unclaim(context, first)
        assert target_of(ring.begin()) == 0
        ring.hand_over(UNLOAD)


def test_a_machine_of_one_adapter_needs_no_stand_in() -> None:
    ring = Ring(adapters=1)
    assert ring.fake.geometry.stand_ins == 0
    ring.hand_over(PAUSE, 0)
    ring.begin()
    ring.hand_over(PAUSE, 1)
    assert blocked_lane(ring.arena) is None


@pytest.mark.parametrize("adapters", [1, 2, 3, 9])
def test_every_slot_is_for_one_context(adapters: int) -> None:
    geometry = Geometry(adapters=adapters, processors=3)
    places = [geometry.place_of(slot) for slot in range(geometry.slots)]
    assert len(set(places)) == geometry.slots < 64  # an event's waiters are the bits of one word
    for kind in (ContextKind.PNP, ContextKind.REQUESTS):
        assert [geometry.place_of(slot) for slot in geometry.lane_slots(kind)] == [
            (kind, index) for index in range(geometry.stand_ins + 1)
        ]
