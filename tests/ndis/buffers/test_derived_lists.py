"""Clones, fragments and reassembled lists: what they describe, what goes when they are freed, and what stops."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kernel.platform import current
from emulator.ndis.buffers import media_information, publication
from emulator.ndis.buffers.buffer_pools import RECORDS_TAG
from emulator.ndis.buffers.macros import NdisSetNetBufferListProtocolId
from emulator.ndis.buffers.media_information import (
    NDIS_NBL_MEDIA_SPECIFIC_INFORMATION,
    NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX,
)
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.headers.constants import (
    NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS,
    NDIS_PROTOCOL_ID_NBF,
    NDIS_PROTOCOL_ID_TCP_IP,
    MediaSpecificInformationEx,
)
from emulator.rules.errors import BugCheck
from tests.ndis.buffers.test_data_access import buffer_over, check, used
from tests.ndis.buffers.test_publication import Stashed
from tests.ndis.small_stack import MINI, PROTO, SmallStack, chain

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=4)
USE_ORIGINAL_MDLS = NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS


def original(stack: SmallStack, sizes: list[list[int]], offset: int = 0) -> Any:
    """A list of NET_BUFFERs over MDLs of these sizes, each with all bytes behind the offset in use."""
    buffers = [buffer_over(stack, each, offset, sum(each) - offset) for each in sizes]
    for buffer, following in zip(buffers, [*buffers[1:], None], strict=True):
        buffer.Next = following
    return buffers[0]._pool.thing(buffers[0]._index)


def blocks(stack: SmallStack) -> int:
    """Live blocks of nonpaged pool but the records of pools, which grow and stay."""
    return sum(block.tag != RECORDS_TAG for _, block in stack.fake.machine.pool.live())


@settings(max_examples=20, deadline=None)
@given(st.lists(lengths, min_size=1, max_size=3), st.data())
def test_a_clone_describes_the_same_bytes_and_leaves_nothing(sizes: list[list[int]], data: st.DataObject) -> None:
    stack = SmallStack(checked=data.draw(st.booleans()))
    mini = stack.mini
    flags = data.draw(st.sampled_from((0, USE_ORIGINAL_MDLS)))
    offset = data.draw(st.integers(0, min(map(sum, sizes)) - 1))
    parent = original(stack, sizes, offset)
    before = blocks(stack)
    clone = mini.NdisAllocateCloneNetBufferList(parent, None, None, flags)
    assert (clone.ParentNetBufferList, clone.ChildRefCount, clone.Context) == (None, 0, None)
    for buffer, source in zip(chain(clone.FirstNetBuffer), chain(parent.FirstNetBuffer), strict=True):
        check(buffer)
        assert used(buffer) == used(source)
        assert buffer.DataOffset == (source.CurrentMdlOffset if flags else 0)
        assert (buffer.CurrentMdl is source.CurrentMdl) == bool(flags)
        assert buffer.CurrentMdl.MappedSystemVa[buffer.CurrentMdlOffset] == used(source)[0]
    mini.NdisFreeCloneNetBufferList(clone, flags)
    assert blocks(stack) == before
    mini.NdisFreeNetBufferList(parent)


@settings(max_examples=20, deadline=None)
@given(st.lists(lengths, min_size=1, max_size=3), st.integers(1, 50), st.integers(0, 30), st.data())
def test_fragments_are_the_bytes_in_order_with_room_in_front(
    sizes: list[list[int]], most: int, delta: int, data: st.DataObject
) -> None:
    stack = SmallStack()
    mini = stack.mini
    start, back_fill = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 10))
    parent = original(stack, sizes)
    whole = [used(buffer)[start:] for buffer in chain(parent.FirstNetBuffer)]
    before = blocks(stack)
    fragments = mini.NdisAllocateFragmentNetBufferList(parent, None, None, start, most, delta, back_fill, 0)
    if not any(whole):
        assert fragments is None
        return
    pieces = [piece[at : at + most] for piece in whole for at in range(0, len(piece), most)]
    found = chain(fragments.FirstNetBuffer)
    assert [used(buffer)[delta:] for buffer in found] == pieces
    for buffer in found:
        check(buffer)
        assert buffer.DataLength == len(used(buffer)) <= most + delta
    mini.NdisFreeFragmentNetBufferList(fragments, delta, 0)
    assert blocks(stack) == before


@settings(max_examples=20, deadline=None)
@given(st.lists(lengths, min_size=1, max_size=3), st.integers(0, 20), st.integers(0, 30))
def test_a_reassembled_list_is_the_bytes_of_all(sizes: list[list[int]], start: int, delta: int) -> None:
    stack = SmallStack()
    mini = stack.mini
    parent = original(stack, sizes)
    whole = b"".join(used(buffer)[start:] for buffer in chain(parent.FirstNetBuffer))
    joined = mini.NdisAllocateReassembledNetBufferList(parent, None, start, delta, 8, 0)
    (buffer,) = chain(joined.FirstNetBuffer)
    assert used(buffer)[delta:] == whole
    assert buffer.DataLength == len(whole) + delta
    mini.NdisFreeReassembledNetBufferList(joined, delta, 0)


def test_lists_and_buffers_come_from_the_pools_that_are_named() -> None:
    stack = SmallStack()
    mini = stack.mini
    lists, parent = stack.pool(), original(stack, [[40], [40]])
    clone = mini.NdisAllocateCloneNetBufferList(parent, lists, None, 0)
    first, second = chain(clone.FirstNetBuffer)
    assert clone.NdisPoolHandle == first.NdisPoolHandle == lists
    assert second.NdisPoolHandle not in (0, lists)
    mini.NdisFreeCloneNetBufferList(clone, 0)
    mini.NdisFreeNetBufferListPool(lists)


def test_a_pool_that_gives_data_as_well_is_none_to_reassemble_with() -> None:
    stack = SmallStack()
    parent = original(stack, [[40]])
    with pytest.raises(BugCheck):
        stack.mini.NdisAllocateReassembledNetBufferList(parent, stack.pool(DataSize=64), 0, 0, 0, 0)
    assert "fAllocateNetBuffer TRUE and DataSize 0" in stack.fake.stop_report().text


def test_a_derivation_without_memory_leaves_nothing() -> None:
    stack = SmallStack()
    mini = stack.mini
    parent = original(stack, [[10, 10], [10, 10, 10]])
    mini.NdisFreeFragmentNetBufferList(mini.NdisAllocateFragmentNetBufferList(parent, None, None, 0, 5, 4, 0, 0), 4, 0)
    before = blocks(stack)
    pool = stack.fake.machine.pool
    real, made = pool.allocate, 0
    for allowed in range(200):
        left = [allowed]

        def allocate(*arguments: Any, left: list[int] = left, **options: Any) -> Any:
            left[0] -= 1
            return real(*arguments, **options) if left[0] >= 0 else None

        pool.allocate = allocate  # type: ignore[method-assign]
        found = mini.NdisAllocateFragmentNetBufferList(parent, None, None, 0, 5, 4, 0, 0)
        pool.allocate = real  # type: ignore[method-assign]
        if found is not None:
            made = allowed
            mini.NdisFreeFragmentNetBufferList(found, 4, 0)
            break
        assert blocks(stack) == before
    assert made > 10
    assert blocks(stack) == before
    mini.NdisFreeNetBufferList(parent)


def test_a_clone_goes_down_and_its_parent_back_when_it_is_freed() -> None:
    stack = SmallStack()
    receive, held = stack.pool(), []
    stack.mini.on_send = lambda context, nbl, port, flags: stack.mini.complete(stack.adapter, nbl)

    def on_receive(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        clone = stack.proto.NdisAllocateCloneNetBufferList(nbl, None, None, USE_ORIGINAL_MDLS)
        clone.SourceHandle, clone.ParentNetBufferList = stack.binding, nbl
        nbl.ChildRefCount += 1
        stack.proto.send(stack.binding, clone)

    def on_complete(context: Any, nbl: Any, flags: int) -> None:
        parent = nbl.ParentNetBufferList
        stack.proto.NdisFreeCloneNetBufferList(nbl, USE_ORIGINAL_MDLS)
        parent.ChildRefCount -= 1
        held.append(parent)
        stack.proto.give_back(stack.binding, parent)

    stack.proto.on_receive, stack.proto.on_complete = on_receive, on_complete
    with stack.fake.dispatch(driver=MINI):
        frame = stack.frames(receive, 1)
        stack.mini.indicate(stack.adapter, frame, 1)
        assert held == [frame]
        assert [nbl for nbl, _ in stack.mini.returned] == [frame]
        stack.mini.free(frame)


@pytest.mark.parametrize(
    ("text", "act"),
    [
        (
            "NdisFreeNetBufferList was given a NET_BUFFER_LIST that NdisAllocateCloneNetBufferList made",
            lambda mini, parent, clone: mini.NdisFreeNetBufferList(clone),
        ),
        (
            "NdisFreeFragmentNetBufferList was given a NET_BUFFER_LIST that NdisAllocateCloneNetBufferList made",
            lambda mini, parent, clone: mini.NdisFreeFragmentNetBufferList(clone, 0, 0),
        ),
        (
            "NdisFreeCloneNetBufferList was given the flags 0x2; NdisAllocateCloneNetBufferList had 0x0",
            lambda mini, parent, clone: mini.NdisFreeCloneNetBufferList(clone, USE_ORIGINAL_MDLS),
        ),
        (
            "that NdisAllocateCloneNetBufferList did not make",
            lambda mini, parent, clone: mini.NdisFreeCloneNetBufferList(parent, 0),
        ),
        ("while 1 that derive from it", lambda mini, parent, clone: mini.NdisFreeNetBufferList(parent)),
    ],
)
def test_what_is_freed_otherwise_than_it_was_made_stops(text: str, act: Any) -> None:
    stack = SmallStack()
    parent = stack.call(MINI, original, stack, [[40]])
    clone = stack.call(MINI, stack.mini.NdisAllocateCloneNetBufferList, parent, None, None, 0)
    with pytest.raises(BugCheck):
        stack.call(MINI, act, stack.mini, parent, clone)
    report = stack.fake.stop_report()
    assert (report.code, report.parameters[0]) == (0x7C, 0x1E)
    assert text in report.text


def test_a_parent_is_not_handed_on_while_a_clone_is_out() -> None:
    stack = SmallStack()
    pool = stack.pool()
    stack.mini.on_send = lambda context, nbl, port, flags: None
    with stack.fake.dispatch(driver=PROTO):
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        assert stack.proto.NdisAllocateCloneNetBufferList(nbl, None, None, 0) is not None
        with pytest.raises(BugCheck):
            stack.proto.send(stack.binding, nbl)
    assert "while 1 that derive from it have not been freed" in stack.fake.stop_report().text


def test_only_its_owner_derives_from_a_list() -> None:
    stack = SmallStack()
    pool = stack.pool()
    with stack.fake.dispatch(driver=PROTO):
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.proto.send(stack.binding, nbl)
        with pytest.raises(BugCheck):
            stack.proto.NdisAllocateCloneNetBufferList(nbl, None, None, 0)


def test_the_free_build_frees_a_clone_by_any_function_and_loses_nothing() -> None:
    stack = SmallStack(checked=False)
    mini = stack.mini
    parent = original(stack, [[40], [40]])
    before = blocks(stack)
    clone = mini.NdisAllocateCloneNetBufferList(parent, None, None, 0)
    mini.NdisFreeNetBufferList(clone)
    assert blocks(stack) == before
    again = mini.NdisAllocateCloneNetBufferList(parent, None, None, 0)
    mini.NdisFreeFragmentNetBufferList(again, 9, 0)
    assert blocks(stack) == before
    mini.NdisFreeNetBufferList(parent)


@pytest.mark.parametrize("checked", [True, False])
def test_a_clone_is_freed_in_another_context_and_its_entry_used_again_in_the_first(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    stack = stashed.stack
    with stashed.fake.dispatch(driver=MINI):
        pool = stack.pool(ContextSize=16)
        parent = stack.call(MINI, original, stack, [[20, 20], [30]])
        expected = [used(buffer) for buffer in chain(parent.FirstNetBuffer)]
        clone = stack.mini.NdisAllocateCloneNetBufferList(parent, pool, None, 0)
        clone.ParentNetBufferList = parent
        stashed.keep(clone)
        publication.leave(current.context)
    with stashed.fake.running(stashed.fake.passive_worker()) as worker:
        worker.driver = MINI
        arrived = stashed.take()
        assert arrived.Context is None
        assert [used(buffer) for buffer in chain(arrived.FirstNetBuffer)] == expected
        stack.mini.NdisFreeCloneNetBufferList(arrived, 0)
        plain = stack.mini.NdisAllocateNetBufferList(pool, 0, 0)
        assert plain.Context is not None
        stack.mini.NdisFreeNetBufferList(plain)
        publication.leave(worker)
    with stashed.fake.dispatch(driver=MINI):
        lists = [stack.mini.NdisAllocateNetBufferList(pool, 0, 0) for _ in range(64)]
        assert clone in lists
        assert all(nbl.Context is not None for nbl in lists)
        for nbl in lists:
            stack.mini.NdisFreeNetBufferList(nbl)


def test_media_specific_information_goes_with_a_list_to_another_context() -> None:
    stashed = Stashed(builtin_types=BUILT_IN_TYPES)
    mini = stashed.stack.mini
    kinds: list[tuple[Any, Any]] = [
        (NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX, media_information.NDIS_NBL_ADD_MEDIA_SPECIFIC_INFO_EX),
        (NDIS_NBL_MEDIA_SPECIFIC_INFORMATION, media_information.NDIS_NBL_ADD_MEDIA_SPECIFIC_INFO),
    ]
    with stashed.fake.dispatch(driver=MINI):
        nbl = mini.allocate(stashed.stack.pool(), stashed.stack.mdl(), 0, 60)
        for kind, add in kinds:
            for tag in (1, 2, 3):
                add(nbl, kind(Tag=tag))
        stashed.keep(nbl)
        publication.leave(current.context)
    with stashed.fake.running(stashed.fake.passive_worker()):
        arrived = stashed.take()
        get = media_information.NDIS_NBL_GET_MEDIA_SPECIFIC_INFO_EX
        remove = media_information.NDIS_NBL_REMOVE_MEDIA_SPECIFIC_INFO_EX
        for tag in (2, 3, 1):
            found = get(arrived, tag)
            assert found is not None
            assert found.Tag == tag
            remove(arrived, found)
            assert get(arrived, tag) is None
        assert arrived.NetBufferListInfo[MediaSpecificInformationEx] == 0
        assert media_information.NDIS_NBL_GET_MEDIA_SPECIFIC_INFO(arrived, 2) is not None


def test_the_protocol_of_a_list_is_its_pools_unless_it_is_told() -> None:
    stack = SmallStack()
    nbl = stack.mini.allocate(stack.pool(ProtocolId=NDIS_PROTOCOL_ID_TCP_IP), stack.mdl(), 0, 60)
    assert stack.mini.NdisGetNetBufferListProtocolId(nbl) == NDIS_PROTOCOL_ID_TCP_IP
    NdisSetNetBufferListProtocolId(nbl, NDIS_PROTOCOL_ID_NBF)
    assert stack.mini.NdisGetNetBufferListProtocolId(nbl) == NDIS_PROTOCOL_ID_NBF
