"""When a machine stops, each list in use is told once, with its owner and where it was last handed on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from emulator.kernel.pointers import encode
from emulator.kernel.stop import Possession
from emulator.ndis.buffers import publication
from emulator.ndis.buffers.possessions import possessions
from tests.ndis.small_stack import MINI, PROTO, SmallStack, chain


def told(rows: list[Possession]) -> dict[str, int]:
    """Counts by owner; every place that is named is a line of a driver."""
    assert all(re.match(r"<driver \w+>:\d+ in \w+", row.where) for row in rows if row.where)
    return {row.owner: row.count for row in rows}


@pytest.fixture
def stack() -> Any:
    """Three lists indicated and kept, two sent and kept, one of the miniport's own, one freed."""
    stack = SmallStack()
    receive_pool, send_pool = stack.pool(), stack.pool(PROTO)
    with stack.fake.dispatch(driver=MINI) as context:
        stack.mini.indicate(stack.adapter, stack.frames(receive_pool, 3), 3)
        for _ in range(2):
            nbl = stack.call(PROTO, stack.proto.allocate, send_pool, stack.mdl(), 0, 60)
            nbl.SourceHandle = stack.binding
            stack.call(PROTO, stack.proto.send, stack.binding, nbl)
        stack.frames(receive_pool, 1)
        stack.call(MINI, stack.mini.free, stack.frames(receive_pool, 1))
        publication.leave(context)
    return stack


EVERYTHING = {
    "is indicated to proto (binding 0)": 3,
    "is with the miniport of adapter 0, to be sent": 2,
    "belongs to mini": 1,
}


def test_a_context_tells_what_it_has_at_home(stack: SmallStack) -> None:
    assert told(possessions(stack.fake.processor(), everything=False)) == EVERYTHING
    assert told(possessions(stack.fake.processor(), everything=True)) == EVERYTHING


def test_what_is_published_is_told_by_whoever_stops_the_machine(stack: SmallStack) -> None:
    processor, worker = stack.fake.processor(), stack.fake.passive_worker()
    with stack.fake.dispatch(driver=PROTO) as context:
        for nbl in chain(stack.proto.received[0][1]):
            encode(context, nbl)
    assert told(possessions(worker, everything=False)) == {}
    assert told(possessions(worker, everything=True))["is indicated to proto (binding 0)"] == 3
    assert told(possessions(processor, everything=False)).get("is indicated to proto (binding 0)") is None
    assert told(possessions(processor, everything=True)) == EVERYTHING


def test_what_is_at_home_elsewhere_is_told_by_the_context_that_knows_it(stack: SmallStack) -> None:
    rows = possessions(stack.fake.passive_worker(), everything=True)
    assert [(row.owner, row.slot) for row in rows] == [("at home in processor 0", 4)]
    assert rows[0].count >= sum(EVERYTHING.values())  # with what it has in stock


def test_what_cannot_be_counted_is_said_and_not_raised(stack: SmallStack) -> None:
    processor = stack.fake.processor()
    processor.datapath.pools["broken"] = None
    (row,) = possessions(processor, everything=False)
    assert row.owner.startswith("could not be counted in processor 0: AttributeError: ")
