"""Pools give what they promise, take back what they gave, and are empty when they go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers.buffer_pools import BATCH, STOCK_LIMIT, find_pool
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.headers.structures_common import (
    NDIS_OBJECT_HEADER,
    NET_BUFFER_LIST_POOL_PARAMETERS,
    NET_BUFFER_POOL_PARAMETERS,
)
from emulator.rules.errors import BugCheck
from tests.ndis.small_stack import MINI, SmallStack, chain


@pytest.fixture(params=[True, False], ids=["checked", "free"])
def stack(request: pytest.FixtureRequest) -> SmallStack:
    return SmallStack(checked=bool(request.param))


def buffer_pool(stack: SmallStack, size: int = 0) -> Any:
    given = NET_BUFFER_POOL_PARAMETERS(Header=NDIS_OBJECT_HEADER(0x80, 1, 12), PoolTag=0x41414141, DataSize=size)
    return stack.mini.NdisAllocateNetBufferPool(None, given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Header": NDIS_OBJECT_HEADER(0x81, 1, 16)},
        {"Header": NDIS_OBJECT_HEADER(0x80, 9, 16)},
        {"Header": NDIS_OBJECT_HEADER(0x80, 1, 8)},
        {"PoolTag": 0},
        {"ContextSize": 8},
        {"DataSize": 128},
    ],
)
def test_a_pool_is_refused_for_bad_parameters_and_the_log_says_which(stack: SmallStack, wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"Header": NDIS_OBJECT_HEADER(0x80, 1, 16), "PoolTag": 0x41414141}
    parameters = NET_BUFFER_LIST_POOL_PARAMETERS(**{**good, **wrong})
    assert stack.mini.NdisAllocateNetBufferListPool(None, parameters) is None
    assert any("NET_BUFFER_LIST_POOL_PARAMETERS" in text for _, _, text in stack.fake.platform.logs)


def test_what_a_list_is_like_when_it_is_allocated(stack: SmallStack) -> None:
    pool = stack.pool()
    mdl = stack.mdl(100)
    for _ in range(2):
        nbl = stack.mini.NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, 20, 40)
        assert (nbl.Next, nbl.Context, nbl.ParentNetBufferList, nbl.ChildRefCount) == (None, None, None, 0)
        assert (nbl.Status, nbl.NblFlags, nbl.Flags, nbl.NdisPoolHandle) == (0, 0, 0, pool)
        assert nbl.NetBufferListInfo == [0] * 27
        buffer = nbl.FirstNetBuffer
        assert (buffer.Next, buffer.MdlChain, buffer.CurrentMdl) == (None, mdl, mdl)
        assert (buffer.DataOffset, buffer.CurrentMdlOffset, buffer.DataLength) == (20, 20, 40)
        nbl.NetBufferListInfo[3] = nbl.Flags = nbl.Status = 5
        stack.mini.NdisFreeNetBufferList(nbl)


def test_a_list_without_a_net_buffer_and_one_with_data(stack: SmallStack) -> None:
    bare = stack.mini.NdisAllocateNetBufferList(stack.pool(fAllocateNetBuffer=False), 0, 0)
    assert bare.FirstNetBuffer is None
    full = stack.mini.NdisAllocateNetBufferList(stack.pool(DataSize=256), 0, 0)
    mdl = full.FirstNetBuffer.MdlChain
    assert (mdl.ByteCount, len(mdl.MappedSystemVa), full.FirstNetBuffer.DataLength) == (256, 256, 0)
    other = stack.mini.NdisAllocateNetBufferList(full.NdisPoolHandle, 0, 0)
    mdl.MappedSystemVa[:] = b"a" * 256
    other.FirstNetBuffer.MdlChain.MappedSystemVa[:] = b"b" * 256
    assert bytes(mdl.MappedSystemVa) == b"a" * 256
    assert mdl.StartVa + mdl.ByteOffset != 0


def test_a_pool_of_another_kind_is_refused(stack: SmallStack) -> None:
    for parameters in ({"DataSize": 64}, {"fAllocateNetBuffer": False}):
        fresh = SmallStack(checked=stack.fake.machine.checked)
        pool = fresh.pool(**parameters)
        with pytest.raises(BugCheck) as caught:
            fresh.mini.NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, None, 0, 0)
        assert caught.value.parameters[0] == 0x21


def test_a_freed_pool_is_a_stale_handle(stack: SmallStack) -> None:
    pool = stack.pool()
    stack.mini.NdisFreeNetBufferListPool(pool)
    with pytest.raises(BugCheck) as caught:
        stack.mini.NdisAllocateNetBufferList(pool, 0, 0)
    assert (caught.value.code, caught.value.parameters[0]) == (0x7C, 0x21)


def test_net_buffers_of_a_pool_of_their_own(stack: SmallStack) -> None:
    pool = buffer_pool(stack)
    mdls = [stack.mdl(10), stack.mdl(10)]
    mdls[0].Next = mdls[1]
    buffer = stack.mini.NdisAllocateNetBuffer(pool, mdls[0], 14, 6)
    assert (buffer.CurrentMdl, buffer.CurrentMdlOffset) == (mdls[1], 4)
    assert stack.mini.NdisGetPoolFromNetBuffer(buffer) == pool
    stack.mini.NdisFreeNetBuffer(buffer)
    with pytest.raises(BugCheck):
        stack.mini.NdisFreeNetBuffer(buffer)


def test_a_net_buffer_with_data(stack: SmallStack) -> None:
    pool = buffer_pool(stack, 64)
    buffer = stack.mini.NdisAllocateNetBufferMdlAndData(pool)
    assert buffer.MdlChain.ByteCount == 64
    with pytest.raises(BugCheck):
        stack.mini.NdisAllocateNetBuffer(pool, None, 0, 0)


def test_the_context_of_a_list_is_a_stack(stack: SmallStack) -> None:
    mini = stack.mini
    pool = stack.pool(ContextSize=32)
    nbl = mini.NdisAllocateNetBufferList(pool, 32, 0)
    assert mini.NET_BUFFER_LIST_CONTEXT_DATA_SIZE(nbl) == 32
    mini.NET_BUFFER_LIST_CONTEXT_DATA_START(nbl)[0:4] = b"mine"
    assert mini.NdisAllocateNetBufferListContext(nbl, 16, 16, b"Ctx1") == 0
    above = mini.NET_BUFFER_LIST_CONTEXT_DATA_START(nbl)
    above[0:2] = b"up"
    assert mini.NET_BUFFER_LIST_CONTEXT_DATA_SIZE(nbl) == 16
    assert mini.NdisAllocateNetBufferListContext(nbl, 16, 0, b"Ctx2") == 0
    assert mini.NET_BUFFER_LIST_CONTEXT_DATA_SIZE(nbl) == 32
    mini.NdisFreeNetBufferListContext(nbl, 16)
    assert mini.NET_BUFFER_LIST_CONTEXT_DATA_START(nbl)[0:2] == b"up"
    mini.NdisFreeNetBufferListContext(nbl, 16)
    assert mini.NET_BUFFER_LIST_CONTEXT_DATA_START(nbl)[0:4] == b"mine"
    mini.NdisFreeNetBufferList(nbl)


def test_a_list_is_not_freed_with_context_that_was_added() -> None:
    stack = SmallStack()
    nbl = stack.mini.NdisAllocateNetBufferList(stack.pool(), 0, 0)
    stack.mini.NdisAllocateNetBufferListContext(nbl, 16, 0, b"Ctx1")
    with pytest.raises(BugCheck) as caught:
        stack.mini.NdisFreeNetBufferList(nbl)
    assert caught.value.parameters[0] == 0x27


def test_context_that_came_with_the_list_goes_with_it(stack: SmallStack) -> None:
    pool = stack.pool()
    stack.mini.NdisFreeNetBufferList(stack.mini.NdisAllocateNetBufferList(pool, 0, 0))
    before = stack.fake.machine.pool.state.blocks
    nbl = stack.mini.NdisAllocateNetBufferList(pool, 64, 32)
    assert stack.mini.NET_BUFFER_LIST_CONTEXT_DATA_SIZE(nbl) == 64
    stack.mini.NdisFreeNetBufferList(nbl)
    assert stack.fake.machine.pool.state.blocks == before


def test_an_exhausted_pool_gives_null() -> None:
    stack = SmallStack(pool_bytes=128 << 10)
    pool = stack.pool()
    lists = []
    while (nbl := stack.mini.NdisAllocateNetBufferList(pool, 0, 0)) is not None:
        lists.append(nbl)
    assert len(lists) >= 64
    for nbl in lists:
        stack.mini.NdisFreeNetBufferList(nbl)
    assert stack.mini.NdisAllocateNetBufferList(pool, 0, 0) is not None


def test_a_pool_for_which_there_is_no_record_takes_no_memory(stack: SmallStack) -> None:
    while buffer_pool(stack) is not None:
        pass
    before = stack.fake.machine.pool.state.blocks
    assert buffer_pool(stack) is None
    assert stack.fake.machine.pool.state.blocks == before


def test_a_processor_takes_and_gives_in_batches(stack: SmallStack) -> None:
    pool = stack.pool()
    lists = [stack.mini.NdisAllocateNetBufferList(pool, 0, 0) for _ in range(300)]
    takes = stack.fake.platform.lock_takes
    for nbl in lists:
        stack.mini.NdisFreeNetBufferList(nbl)
    used = stack.fake.platform.lock_takes - takes
    assert used <= 300 // (STOCK_LIMIT // 2) + 1
    view = find_pool(data_path(current.context), pool, HandleKind.NET_BUFFER_LIST_POOL, "")
    capacity, free = view.counts()
    assert free + len(view.stock) == capacity
    assert len(view.stock) <= STOCK_LIMIT
    assert BATCH < STOCK_LIMIT


def test_leaked_lists_are_counted_when_the_pool_goes() -> None:
    stack = SmallStack()
    pool = stack.pool()
    first, second = (stack.mini.NdisAllocateNetBufferList(pool, 0, 0) for _ in range(2))
    stack.mini.NdisFreeNetBufferList(first)
    del second
    with pytest.raises(BugCheck) as caught:
        stack.mini.NdisFreeNetBufferListPool(pool)
    assert caught.value.parameters[:3] == (0x27, 2, 1)
    assert stack.fake.stop_report().sites


class AllocatingInSeveralContexts(RuleBasedStateMachine):
    """Two processors and a worker allocate, hand over and free; no entry is lost or given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = SmallStack(processors=2, checked=False)
        fake = self.stack.fake
        self.contexts = [fake.processor(0), fake.processor(1), fake.passive_worker()]
        with fake.running(self.contexts[0]):
            self.pool = self.stack.pool()
        self.words: list[int] = []

    @rule(where=st.integers(0, 2), count=st.integers(1, 80))
    def allocate(self, where: int, count: int) -> None:
        from emulator.kernel.pointers import encode

        with self.stack.fake.running(self.contexts[where], driver=MINI) as context:
            for _ in range(count):
                nbl = self.stack.mini.NdisAllocateNetBufferList(self.pool, 0, 0)
                word = encode(context, nbl)
                assert word not in self.words
                self.words.append(word)

    @precondition(lambda self: self.words)
    @rule(where=st.integers(0, 2), count=st.integers(1, 120))
    def free(self, where: int, count: int) -> None:
        from emulator.kernel.pointers import decode

        with self.stack.fake.running(self.contexts[where], driver=MINI) as context:
            for word in self.words[:count]:
                self.stack.mini.NdisFreeNetBufferList(decode(context, word))
            del self.words[:count]

    @invariant()
    def every_entry_is_somewhere(self) -> None:
        kept = 0
        capacity = free = 0
        for context in self.contexts:
            with self.stack.fake.running(context):
                view = find_pool(data_path(context), self.pool, HandleKind.NET_BUFFER_LIST_POOL, "")
                kept += len(view.stock)
                capacity, free = view.counts()
        assert free + kept + len(self.words) == capacity


TestAllocatingInSeveralContexts = AllocatingInSeveralContexts.TestCase
TestAllocatingInSeveralContexts.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_chain_is_what_it_says() -> None:
    stack = SmallStack()
    frames = stack.frames(stack.pool(), 3)
    assert len(chain(frames)) == 3
