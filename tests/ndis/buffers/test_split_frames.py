"""Frames that NDIS cuts: at the places that are allowed, whole again where they came from, the same for one seed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kernel.platform import current
from emulator.ndis.buffers.split_choice import Numbers
from emulator.ndis.buffers.split_frames import MOST_CUTS
from emulator.rules.errors import BugCheck
from emulator.rules.header_edges import header_edges
from tests.ndis.buffers.test_data_access import check, used
from tests.ndis.small_stack import MINI, PROTO, SmallStack, chain

UDP = bytes.fromhex("020000000001 020000000009 0800 45000000 00000000 40110000 0a000001 0a000002 00070007 00000000")


def sizes(nbl: Any) -> list[int]:
    """How many bytes of the frame each MDL has."""
    buffer = nbl.FirstNetBuffer
    rest, found, offset = buffer.DataLength, [], buffer.CurrentMdlOffset
    for mdl in chain(buffer.CurrentMdl):
        found.append(min(mdl.ByteCount - offset, rest))
        rest, offset = rest - found[-1], 0
    return found


def cuts(stack: SmallStack, pool: int, frame: bytes) -> list[int]:
    """Indicate a frame; where the protocol finds it cut."""
    seen: list[list[int]] = []

    def on_receive(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        check(nbl.FirstNetBuffer)
        assert used(nbl.FirstNetBuffer) == frame
        seen.append(sizes(nbl))
        stack.proto.give_back(stack.binding, nbl)

    stack.proto.on_receive = on_receive
    nbl = stack.call(MINI, stack.mini.allocate, pool, stack.mdl(), 40, len(frame))
    nbl.SourceHandle = stack.adapter
    mdl = nbl.FirstNetBuffer.CurrentMdl
    mdl.MappedSystemVa[40 : 40 + len(frame)] = frame
    stack.mini.indicate(stack.adapter, nbl, 1)
    buffer = nbl.FirstNetBuffer
    assert (buffer.MdlChain, buffer.CurrentMdl, mdl.Next) == (mdl, mdl, None)
    assert (buffer.DataOffset, buffer.CurrentMdlOffset, buffer.DataLength) == (40, 40, len(frame))
    stack.mini.free(nbl)
    places = [sum(seen[0][: place + 1]) for place in range(len(seen[0]) - 1)]
    assert 1 <= len(places) <= MOST_CUTS
    return places


def test_a_received_frame_is_cut_only_where_it_may_be() -> None:
    stack = SmallStack(split_frames="allowed")
    pool, frame = stack.pool(), UDP + bytes(range(100))
    edges, free = header_edges(frame, len(frame))
    assert (edges, free) == ((14, 34, 42), 42)
    seen: set[int] = set()
    with stack.fake.dispatch(driver=MINI):
        for _ in range(60):
            seen.update(cuts(stack, pool, frame))
    assert seen >= {14, 34}
    assert all(place in edges or place >= free for place in seen)


def test_behind_the_lookahead_every_place_is_allowed() -> None:
    stack = SmallStack(split_frames="allowed")
    stack.adapter_record.lookahead = 20
    pool, frame = stack.pool(), UDP + bytes(100)
    with stack.fake.dispatch(driver=MINI):
        seen = [cuts(stack, pool, frame) for _ in range(80)]
    assert any(20 <= place < 34 for places in seen for place in places)
    for places in seen:
        assert places[0] in (14, 34, 42) or places[0] >= 20
        if places[0] == 14:
            assert all(place in (34, 42) or place >= 42 for place in places[1:])


def test_anywhere_is_anywhere() -> None:
    stack = SmallStack(split_frames="anywhere")
    pool, frame = stack.pool(), UDP + bytes(20)
    with stack.fake.dispatch(driver=MINI):
        seen = {place for _ in range(60) for place in cuts(stack, pool, frame)}
    assert min(seen) < 14
    assert any(14 < place < 34 for place in seen)


def test_one_seed_one_row_of_places() -> None:
    rows = []
    for seed in (1, 1, 2):
        stack = SmallStack(split_frames="allowed", split_seed=seed)
        pool, frame = stack.pool(), UDP + bytes(200)
        with stack.fake.dispatch(driver=MINI):
            rows.append([cuts(stack, pool, frame) for _ in range(10)])
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("options", [{}, {"split_frames": "anywhere", "checked": False}], ids=["off", "free build"])
def test_nothing_is_cut_and_nothing_installed_otherwise(options: dict[str, Any]) -> None:
    stack = SmallStack(**options)
    seen: list[Any] = []
    stack.proto.on_receive = lambda context, nbl, port, count, flags: seen.extend(sizes(nbl))
    with stack.fake.dispatch(driver=MINI):
        stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 3), 1 if not stack.fake.machine.checked else 3)
        view = current.context.datapath.views[stack.adapter]
        assert "emulator" not in view.returns.function.__module__
    assert seen == [60]


def test_a_lent_frame_is_whole_again_when_the_call_returns() -> None:
    stack = SmallStack(split_frames="allowed", bindings=2)
    pool = stack.pool()
    seen: list[tuple[int, int]] = []
    stack.proto.on_receive = lambda context, nbl, port, count, flags: seen.append((len(sizes(nbl)), flags))
    with stack.fake.dispatch(driver=MINI):
        frame = stack.frames(pool, 1, 90)
        before = (frame.FirstNetBuffer.MdlChain, frame.FirstNetBuffer.CurrentMdl)
        stack.mini.indicate(stack.adapter, frame, 1, 3)
        assert (frame.FirstNetBuffer.MdlChain, frame.FirstNetBuffer.CurrentMdl) == before
    assert all(parts > 1 and flags == 3 for parts, flags in seen)
    assert len(seen) == 2


def test_a_lent_frame_that_comes_back_changed_is_found_all_the_same() -> None:
    stack = SmallStack(split_frames="allowed")

    def on_receive(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        stack.proto.NdisAdvanceNetBufferDataStart(nbl.FirstNetBuffer, 14, False, None)

    stack.proto.on_receive = on_receive
    with stack.fake.dispatch(driver=MINI), pytest.raises(BugCheck):
        stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 1, 90), 1, 3)
    assert "came back with other data" in stack.fake.stop_report().text


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.sampled_from(("allowed", "anywhere")), st.data())
def test_a_send_is_cut_for_the_miniport_and_whole_for_the_sender(
    lengths: list[int], mode: str, data: st.DataObject
) -> None:
    stack = SmallStack(split_frames=mode, split_seed=data.draw(st.integers(0, 99)))
    offset = data.draw(st.integers(0, lengths[0] - 1))
    parts: list[int] = []

    def on_send(context: Any, nbl: Any, port: int, flags: int) -> None:
        check(nbl.FirstNetBuffer)
        parts.extend(sizes(nbl))
        stack.mini.complete(stack.adapter, nbl)

    stack.mini.on_send = on_send
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO):
        mdls = [stack.mdl(length, PROTO) for length in lengths]
        for mdl, following in zip(mdls, [*mdls[1:], None], strict=True):
            mdl.Next = following
        nbl = stack.proto.allocate(pool, mdls[0], offset, sum(lengths) - offset)
        nbl.SourceHandle = stack.binding
        blocks = stack.fake.machine.pool.state.blocks
        stack.proto.send(stack.binding, nbl)
        assert chain(nbl.FirstNetBuffer.MdlChain) == mdls
        assert stack.fake.machine.pool.state.blocks == blocks
        assert nbl.FirstNetBuffer.CurrentMdl is mdls[0]
        stack.proto.free(nbl)
    assert sum(parts) == sum(lengths) - offset
    if mode == "allowed" and len(lengths) == 1 and len(parts) > 1:
        assert parts[0] >= 14


@pytest.mark.parametrize("slot", [None, 0, 2, 22])
def test_a_send_that_the_adapter_shall_cut_into_segments_stays_in_one_piece(slot: int | None) -> None:
    stack = SmallStack(split_frames="allowed")
    parts: list[int] = []

    def on_send(context: Any, nbl: Any, port: int, flags: int) -> None:
        parts.append(len(sizes(nbl)))
        stack.mini.complete(stack.adapter, nbl)

    stack.mini.on_send = on_send
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO):
        for _ in range(8):
            nbl = stack.proto.allocate(pool, stack.mdl(100, PROTO), 0, 100)
            nbl.SourceHandle = stack.binding
            if slot is not None:
                nbl.NetBufferListInfo[slot] = 1
            stack.proto.send(stack.binding, nbl)
            stack.proto.free(nbl)
    assert all((each == 1) == (slot in (2, 22)) for each in parts)
    assert len(parts) == 8


@pytest.mark.parametrize(("mode", "said"), [("anywhere", True), ("allowed", False)])
def test_a_stop_of_a_machine_that_cuts_anywhere_says_so(mode: str, said: bool) -> None:
    stack = SmallStack(split_frames=mode)
    stack.proto.on_receive = lambda *_: stack.proto.NdisFreeNetBufferList(stack.proto.received[0][1])
    with stack.fake.dispatch(driver=MINI), pytest.raises(BugCheck):
        stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 1, 90), 1)
    assert ("Beyond the contract" in stack.fake.stop_report().remedy) == said


def test_the_numbers_are_decided_by_the_seed_alone() -> None:
    assert [Numbers(7, 1).below(1000) for _ in range(2)] == [Numbers(7, 1).below(1000)] * 2
    row = Numbers(7, 1)
    drawn = [row.below(10) for _ in range(1000)]
    assert all(60 < drawn.count(digit) < 140 for digit in range(10))
