"""Retreat and advance, data buffers and copies over any chain of MDLs keep the invariants of a NET_BUFFER."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.ndis.headers.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.rules.errors import BugCheck
from tests.ndis.small_stack import SmallStack, chain

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@pytest.fixture
def stack() -> SmallStack:
    return SmallStack()


def buffer_over(stack: SmallStack, sizes: list[int], offset: int, length: int) -> Any:
    """A NET_BUFFER over MDLs of these sizes, whose bytes count from 0."""
    mdls = [stack.mdl(size) for size in sizes]
    place = 0
    for mdl, following in zip(mdls, [*mdls[1:], None], strict=True):
        mdl.Next = following
        mdl.MappedSystemVa[:] = bytes((place + n) & 0xFF for n in range(mdl.ByteCount))
        place += mdl.ByteCount
    nbl = stack.mini.NdisAllocateNetBufferAndNetBufferList(stack.pool(), 0, 0, mdls[0], offset, length)
    return nbl.FirstNetBuffer


def used(buffer: Any) -> bytes:
    """The used bytes, read by hand."""
    data = b"".join(bytes(mdl.MappedSystemVa) for mdl in chain(buffer.MdlChain))
    return data[buffer.DataOffset : buffer.DataOffset + buffer.DataLength]


def check(buffer: Any) -> None:
    """The invariant of nbl.md, section 1."""
    before = 0
    for mdl in chain(buffer.MdlChain):
        if mdl is buffer.CurrentMdl:
            break
        before += mdl.ByteCount
    else:
        raise AssertionError("CurrentMdl is not in the chain")
    assert buffer.DataOffset == before + buffer.CurrentMdlOffset
    assert sum(mdl.ByteCount for mdl in chain(buffer.MdlChain)) >= buffer.DataOffset + buffer.DataLength


@settings(max_examples=60, deadline=None)
@given(lengths, st.data())
def test_retreats_and_advances_in_pairs_leave_everything_as_it_was(sizes: list[int], data: st.DataObject) -> None:
    stack = SmallStack()
    mini = stack.mini
    offset = data.draw(st.integers(0, sum(sizes) - 1))
    length = data.draw(st.integers(0, sum(sizes) - offset))
    buffer = buffer_over(stack, sizes, offset, length)
    chain_before, blocks = [mdl._word for mdl in chain(buffer.MdlChain)], stack.fake.machine.pool.state.blocks
    before, place = used(buffer), (buffer.DataOffset, buffer.CurrentMdl, buffer.CurrentMdlOffset, buffer.DataLength)
    deltas = data.draw(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 30)), max_size=4))
    for number, (delta, back_fill) in enumerate(deltas):
        assert mini.NdisRetreatNetBufferDataStart(buffer, delta, back_fill, None) == NDIS_STATUS_SUCCESS
        check(buffer)
        assert used(buffer).endswith(before)
        assert buffer.DataLength == length + sum(delta for delta, _ in deltas[: number + 1])
    for delta, _ in reversed(deltas):
        mini.NdisAdvanceNetBufferDataStart(buffer, delta, True, None)
        check(buffer)
    assert [mdl._word for mdl in chain(buffer.MdlChain)] == chain_before
    assert (buffer.DataOffset, buffer.CurrentMdl, buffer.CurrentMdlOffset, buffer.DataLength) == place or not length
    assert used(buffer) == before
    assert stack.fake.machine.pool.state.blocks == blocks


@settings(max_examples=60, deadline=None)
@given(lengths, st.data())
def test_a_data_buffer_is_the_data_or_a_copy_of_them(sizes: list[int], data: st.DataObject) -> None:
    stack = SmallStack()
    offset = data.draw(st.integers(0, sum(sizes) - 1))
    buffer = buffer_over(stack, sizes, offset, sum(sizes) - offset)
    needed = data.draw(st.integers(1, sum(sizes) + 2))
    storage = bytearray(needed)
    found = stack.mini.NdisGetDataBuffer(buffer, needed, storage, 1, 0)
    if needed > buffer.DataLength:
        assert found is None
        return
    assert bytes(found) == used(buffer)[:needed]
    contiguous = buffer.CurrentMdlOffset + needed <= buffer.CurrentMdl.ByteCount
    assert (stack.mini.NdisGetDataBuffer(buffer, needed, None, 1, 0) is not None) == contiguous
    found[0] ^= 0xFF
    assert (used(buffer)[0] == found[0]) == contiguous


def test_a_misaligned_data_buffer_is_copied(stack: SmallStack) -> None:
    buffer = buffer_over(stack, [64], 2, 40)
    storage = bytearray(8)
    assert stack.mini.NdisGetDataBuffer(buffer, 8, None, 4, 0) is None
    assert stack.mini.NdisGetDataBuffer(buffer, 8, None, 4, 2) is not None
    copied = stack.mini.NdisGetDataBuffer(buffer, 8, storage, 4, 0)
    assert bytes(copied) == bytes(storage) == bytes(range(2, 10))


def test_a_retreat_without_room_is_contiguous_with_its_back_fill_in_front(stack: SmallStack) -> None:
    buffer = buffer_over(stack, [20, 20], 4, 36)
    status = stack.mini.NdisRetreatNetBufferDataStart(buffer, 14, 6, None)
    assert status == NDIS_STATUS_SUCCESS
    assert (buffer.DataOffset, buffer.CurrentMdlOffset, buffer.CurrentMdl.ByteCount) == (6, 6, 20)
    header = stack.mini.NdisGetDataBuffer(buffer, 14, None, 1, 0)
    header[:] = b"h" * 14
    assert used(buffer) == b"h" * 14 + bytes(range(4, 40))


def test_a_drivers_own_handlers_give_and_take_the_mdls(stack: SmallStack) -> None:
    given: list[Any] = []
    freed: list[Any] = []

    def allocate(size: int) -> Any:
        given.append(stack.mdl(size + 8))
        return given[-1]

    buffer = buffer_over(stack, [20], 0, 20)
    assert stack.mini.NdisRetreatNetBufferDataStart(buffer, 10, 0, allocate) == NDIS_STATUS_SUCCESS
    assert buffer.DataOffset == 8
    stack.mini.NdisAdvanceNetBufferDataStart(buffer, 10, True, freed.append)
    assert freed == given
    check(buffer)


def test_a_list_that_cannot_retreat_is_left_as_it_was(stack: SmallStack) -> None:
    first, second = buffer_over(stack, [20], 10, 10), buffer_over(stack, [20], 0, 20)
    nbl = stack.mini.NdisAllocateNetBufferList(stack.pool(fAllocateNetBuffer=False), 0, 0)
    nbl.FirstNetBuffer, first.Next = first, second
    status = stack.mini.NdisRetreatNetBufferListDataStart(nbl, 5, 0, lambda size: None, None)
    assert status == NDIS_STATUS_RESOURCES
    assert (first.DataOffset, first.DataLength, second.DataOffset) == (10, 10, 0)
    assert stack.mini.NdisRetreatNetBufferListDataStart(nbl, 5, 0, None, None) == NDIS_STATUS_SUCCESS
    stack.mini.NdisAdvanceNetBufferListDataStart(nbl, 5, True, None)
    assert (first.DataOffset, second.DataOffset, second.DataLength) == (10, 0, 20)


def test_advancing_beyond_the_data_is_a_stop(stack: SmallStack) -> None:
    buffer = buffer_over(stack, [20], 0, 10)
    with pytest.raises(BugCheck):
        stack.mini.NdisAdvanceNetBufferDataStart(buffer, 11, False, None)


@settings(max_examples=60, deadline=None)
@given(lengths, lengths, st.data())
def test_copying_between_net_buffers(source: list[int], target: list[int], data: st.DataObject) -> None:
    stack = SmallStack()
    from_offset = data.draw(st.integers(0, sum(source) - 1))
    to_offset = data.draw(st.integers(0, sum(target) - 1))
    here = buffer_over(stack, source, from_offset, sum(source) - from_offset)
    there = buffer_over(stack, target, to_offset, sum(target) - to_offset)
    skip, at = data.draw(st.integers(0, here.DataLength)), data.draw(st.integers(0, there.DataLength))
    count = data.draw(st.integers(0, 80))
    expected = bytearray(used(there))
    part = used(here)[skip : skip + count][: len(expected) - at]
    expected[at : at + len(part)] = part
    copied = stack.mini.NdisCopyFromNetBufferToNetBuffer(there, at, count, here, skip)
    assert copied == (NDIS_STATUS_SUCCESS, len(part))
    assert used(there) == bytes(expected)


def test_information_is_copied_slot_by_slot(stack: SmallStack) -> None:
    source, target = chain(stack.frames(stack.pool(), 2))
    for slot in range(27):
        source.NetBufferListInfo[slot] = slot + 1
    stack.mini.NdisCopySendNetBufferListInfo(target, source)
    assert [slot for slot in range(27) if target.NetBufferListInfo[slot]] == [0, 1, 2, 4, 5, 6, 7, 11, 12, 14, 20]
    target.NetBufferListInfo[:] = [0] * 27
    stack.mini.NdisCopyReceiveNetBufferListInfo(target, source)
    assert [slot for slot in range(27) if target.NetBufferListInfo[slot]] == [0, 1, 2, 4, 6, 7, 8, 9, 11, 12, 14, 20]


def test_physical_pieces_are_counted_by_page(stack: SmallStack) -> None:
    memory = stack.memory(12288)
    aligned = -memory.offset % 4096
    mdl = stack.mini.NdisAllocateMdl(None, memory + aligned, 8000)
    nbl = stack.mini.NdisAllocateNetBufferAndNetBufferList(stack.pool(), 0, 0, mdl, 0, 4096)
    assert stack.mini.NdisQueryNetBufferPhysicalCount(nbl.FirstNetBuffer) == 1
    nbl.FirstNetBuffer.DataLength = 4097
    assert stack.mini.NdisQueryNetBufferPhysicalCount(nbl.FirstNetBuffer) == 2


def test_an_mdl_describes_memory_at_its_address(stack: SmallStack) -> None:
    memory = stack.memory(100)
    mdl = stack.mini.NdisAllocateMdl(None, memory + 10, 50)
    memory[10:14] = b"data"
    assert bytes(mdl.MappedSystemVa[:4]) == b"data"
    assert mdl.StartVa + mdl.ByteOffset == memory.offset + 10 == stack.mini.MmGetMdlVirtualAddress(mdl)
    assert stack.mini.NdisQueryMdl(mdl, 0).Length == 50
    stack.mini.NdisAdjustMdlLength(mdl, 20)
    assert len(stack.mini.NdisQueryMdl(mdl, 0).VirtualAddress) == stack.mini.MmGetMdlByteCount(mdl) == 20
    assert len(mdl.MappedSystemVa) == 50, "an address knows no end"


def too_long(stack: SmallStack) -> None:
    stack.mini.NdisAllocateMdl(None, stack.memory(10), 11)


def private_memory(stack: SmallStack) -> None:
    stack.mini.NdisAllocateMdl(None, bytearray(10), 10)


def freed_twice(stack: SmallStack) -> None:
    mdl = stack.mdl()
    stack.mini.NdisFreeMdl(mdl)
    stack.mini.NdisFreeMdl(mdl)


def of_a_pool(stack: SmallStack) -> None:
    nbl = stack.mini.NdisAllocateNetBufferList(stack.pool(DataSize=64), 0, 0)
    stack.mini.NdisFreeMdl(nbl.FirstNetBuffer.MdlChain)


def beyond_its_size(stack: SmallStack) -> None:
    stack.mini.NdisAdjustMdlLength(stack.mdl(20), 21)


@pytest.mark.parametrize(
    "act", [too_long, private_memory, freed_twice, of_a_pool, beyond_its_size], ids=lambda act: act.__name__
)
def test_what_may_not_be_done_with_an_mdl(stack: SmallStack, act: Any) -> None:
    with pytest.raises(BugCheck):
        act(stack)
