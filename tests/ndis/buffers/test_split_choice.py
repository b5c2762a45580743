"""The sample of frames that the checked build cuts: which chains, and who has to put them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.platform import current
from emulator.layout.arena import Geometry
from emulator.layout.machine import CUT_COUNTER
from emulator.ndis.buffers import publication, split_frames
from emulator.ndis.buffers.split_choice import (
    ANY,
    ANY_ONE_IN,
    FIRST_CHAINS,
    MOST_FRAMES,
    NONE,
    SHORT,
    SHORT_CHAIN,
    SHORT_ONE_IN,
    Numbers,
    choices,
    is_cut,
)
from emulator.ndis.data_path import stacks
from emulator.rules.errors import BugCheck
from tests.ndis.buffers.test_publication import Stashed
from tests.ndis.buffers.test_split_frames import sizes
from tests.ndis.filtered_stack import EVERYTHING, FIRST_FILTER, FilteredStack
from tests.ndis.small_stack import MINI, PROTO, SmallStack, chain

if TYPE_CHECKING:
    from tests.fake_platform import FakeMachine


def being_cut(fake: FakeMachine) -> tuple[int, int]:
    """How many frames are cut just now, received and sent, by what the contexts share."""
    arena = fake.arena
    return tuple(arena.words[arena.cut_frames(0, sent=sent) // 8] for sent in (False, True))  # type: ignore[return-value]


def cut_so_far(fake: FakeMachine) -> int:
    return fake.arena.counted((0,))[CUT_COUNTER]


def row(seed: int, count: int) -> list[int]:
    choose = choices("sample", Numbers(seed))
    return [choose() for _ in range(count)]


def never(*_: Any) -> int:
    raise AssertionError("looked at what comes back, or cut it, though there was no need")


def choose(monkeypatch: pytest.MonkeyPatch, *values: int) -> None:
    """Choose chains by hand; nothing is chosen after these."""
    monkeypatch.setattr(split_frames, "choices", lambda *_: iter((*values, *[NONE] * 99)).__next__)


def test_the_machine_as_it_is_without_an_option_cuts_a_sample() -> None:
    assert Geometry().split_frames == "sample"


def test_one_seed_chooses_the_same_chains_and_another_one_others() -> None:
    assert row(1, 2000) == row(1, 2000) != row(2, 2000)


def test_the_first_chains_are_cut_and_of_the_others_as_many_as_is_said() -> None:
    drawn = row(3, 64_000 + FIRST_CHAINS)
    assert drawn[:FIRST_CHAINS] == [ANY] * FIRST_CHAINS
    rest = drawn[FIRST_CHAINS:]
    assert 0.9 < rest.count(ANY) * ANY_ONE_IN / len(rest) < 1.1
    assert 0.95 < (rest.count(ANY) + rest.count(SHORT)) * SHORT_ONE_IN / len(rest) < 1.05


@pytest.mark.parametrize("mode", ["allowed", "anywhere"])
def test_all_are_cut_where_that_is_asked_for(mode: str) -> None:
    choose = choices(mode, Numbers(0))
    assert {choose() for _ in range(1000)} == {ANY}


def test_a_short_chain_is_one_of_four() -> None:
    stack = SmallStack()
    with stack.fake.dispatch(driver=MINI):
        short, longer = (stack.frames(stack.pool(), SHORT_CHAIN + more) for more in (0, 1))
        assert [is_cut(choice, short) for choice in (NONE, SHORT, ANY)] == [False, True, True]
        assert [is_cut(choice, longer) for choice in (NONE, SHORT, ANY)] == [False, False, True]


def parts_seen(stack: SmallStack) -> list[list[int]]:
    """Let the protocol note in how many MDLs each frame of a chain lies, and give it back."""
    seen: list[list[int]] = []

    def on_receive(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        seen.append([len(sizes(each)) for each in chain(nbl)])
        stack.proto.give_back(stack.binding, nbl)

    stack.proto.on_receive = on_receive
    return seen


def test_the_first_frames_of_a_chosen_chain_are_cut_and_no_other_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, ANY, NONE, SHORT, SHORT)
    stack = SmallStack(split_frames="sample")
    seen = parts_seen(stack)
    with stack.fake.dispatch(driver=MINI):
        pool = stack.pool()
        for count in (MOST_FRAMES + 3, 3, SHORT_CHAIN, SHORT_CHAIN + 1):
            stack.mini.indicate(stack.adapter, stack.frames(pool, count, 90), count)
    assert all(parts > 1 for parts in seen[0][:MOST_FRAMES] + seen[2])
    assert seen[0][MOST_FRAMES:] == [1, 1, 1]
    assert seen[1] == [1, 1, 1]
    assert seen[3] == [1] * (SHORT_CHAIN + 1)
    assert cut_so_far(stack.fake) == MOST_FRAMES + SHORT_CHAIN
    assert being_cut(stack.fake) == (0, 0)


def test_what_comes_back_is_looked_at_only_while_something_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, ANY)
    stack = SmallStack(split_frames="sample")
    held: list[Any] = []

    def on_receive(context: Any, nbl: Any, *_: Any) -> None:
        held.extend(chain(nbl))
        for each in held:
            each.Next = None
        if len(held) == 3:  # back in another chain and another order than they came in
            held[2].Next = held[1]
            stack.proto.give_back(stack.binding, held[2])
            assert being_cut(stack.fake) == (1, 0)
            stack.proto.give_back(stack.binding, held[0])

    stack.proto.on_receive = on_receive
    with stack.fake.dispatch(driver=MINI):
        pool = stack.pool()
        stack.mini.indicate(stack.adapter, stack.frames(pool, 2, 90), 2)
        assert being_cut(stack.fake) == (2, 0)
        stack.mini.indicate(stack.adapter, stack.frames(pool, 1, 90), 1)
        assert being_cut(stack.fake) == (0, 0)
        assert [len(sizes(nbl)) for nbl in held] == [1, 1, 1]
        monkeypatch.setattr(split_frames.Cutter, "_cut", never)
        monkeypatch.setattr(split_frames.Cutter, "join", never)
        stack.proto.on_receive = lambda context, nbl, *_: stack.proto.give_back(stack.binding, nbl)
        stack.mini.indicate(stack.adapter, stack.frames(pool, 1, 90), 1)


def test_a_frame_that_was_cut_here_is_put_together_by_the_context_that_returns_it() -> None:
    stashed = Stashed(split_frames="sample", passive_workers=1)
    stack, fake = stashed.stack, stashed.fake
    whole: list[list[int]] = []
    stack.mini.on_return = lambda context, nbl, flags: whole.extend(sizes(each) for each in chain(nbl))
    with fake.dispatch(driver=MINI) as processor:
        first = stack.frames(stack.pool(), 3, 90)
        blocks = fake.machine.pool.state.blocks
        stack.mini.indicate(stack.adapter, first, 3)
        assert fake.machine.pool.state.blocks > blocks
        stashed.keep(first)
        publication.leave(processor)
    assert being_cut(fake) == (3, 0)
    with fake.running(fake.passive_worker(), driver=PROTO):
        arrived = stashed.take()
        assert all(len(sizes(nbl)) > 1 for nbl in chain(arrived))
        stack.proto.give_back(stack.binding, arrived, 0)
    assert whole == [[90]] * 3
    assert being_cut(fake) == (0, 0)
    assert fake.machine.pool.state.blocks == blocks


def test_a_send_that_was_cut_here_is_put_together_by_the_context_that_completes_it() -> None:
    stashed = Stashed(split_frames="sample", passive_workers=1)
    stack, fake = stashed.stack, stashed.fake
    whole: list[list[int]] = []
    stack.proto.on_complete = lambda context, nbl, flags: whole.extend(sizes(each) for each in chain(nbl))
    with fake.dispatch(driver=PROTO) as processor:
        pool = stack.pool(PROTO)
        lists = [stack.proto.allocate(pool, stack.mdl(90, PROTO), 0, 90) for _ in range(2)]
        lists[0].Next = lists[1]
        for nbl in lists:
            nbl.SourceHandle = stack.binding
        stack.proto.send(stack.binding, lists[0])
        stashed.keep(lists[0])
        publication.leave(processor)
    assert being_cut(fake) == (0, 2)
    with fake.running(fake.passive_worker(), driver=MINI):
        stack.mini.complete(stack.adapter, stashed.take(), 0)
    assert whole == [[90]] * 2
    assert being_cut(fake) == (0, 0)


def test_lent_frames_come_back_as_they_were_and_are_not_counted_as_cut_any_more() -> None:
    stack = SmallStack(split_frames="sample")
    seen: list[int] = []
    stack.proto.on_receive = lambda context, nbl, *_: seen.extend(len(sizes(each)) for each in chain(nbl))
    with stack.fake.dispatch(driver=MINI):
        first = stack.frames(stack.pool(), 3, 90)
        before = [(nbl, nbl.FirstNetBuffer.MdlChain, nbl.FirstNetBuffer.CurrentMdl) for nbl in chain(first)]
        stack.mini.indicate(stack.adapter, first, 3, 3)
        assert [(nbl, nbl.FirstNetBuffer.MdlChain, nbl.FirstNetBuffer.CurrentMdl) for nbl in chain(first)] == before
    assert all(parts > 1 for parts in seen)
    assert len(seen) == cut_so_far(stack.fake) == 3
    assert being_cut(stack.fake) == (0, 0)


@pytest.mark.parametrize("name", ["Next", "ByteCount"])
def test_a_lent_frame_whose_pieces_come_back_otherwise_is_found(name: str) -> None:
    stack = SmallStack(split_frames="sample")
    values = {"Next": stack.mdl(20), "ByteCount": 7}
    stack.proto.on_receive = lambda context, nbl, *_: setattr(nbl.FirstNetBuffer.MdlChain, name, values[name])
    with stack.fake.dispatch(driver=MINI), pytest.raises(BugCheck):
        stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 1, 90), 1, 3)
    assert "came back with other data" in stack.fake.stop_report().text


@pytest.mark.parametrize("handlers", [("Receive", "Return"), ("Receive",), ("Return",), ("Send", "SendComplete")])
def test_filters_pass_on_what_is_cut(handlers: tuple[str, ...]) -> None:
    stack = FilteredStack([EVERYTHING, handlers], split_frames="sample")
    seen = parts_seen(stack)
    with stack.fake.dispatch(driver=MINI):
        pool = stack.pool()
        for count in (1, 2, 3):
            stack.mini.indicate(stack.adapter, stack.frames(pool, count, 90), count)
    assert all(parts > 1 for each in seen for parts in each)
    assert [[len(sizes(nbl)) for nbl in chain(first)] for first, _ in stack.mini.returned] == [[1], [1, 1], [1, 1, 1]]
    assert being_cut(stack.fake) == (0, 0)


def test_a_filter_s_own_frames_are_not_cut_since_they_do_not_go_back_to_the_miniport() -> None:
    stack = FilteredStack([("Return",), EVERYTHING], split_frames="sample")
    seen = parts_seen(stack)
    with stack.fake.dispatch(driver=FIRST_FILTER):
        own = stack.frames_of(0, stack.pool(FIRST_FILTER))
        stack.filters[0].indicate(own, 1)
    with stack.fake.dispatch(driver=MINI):
        stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 1), 1)
    assert [parts > 1 for (parts,) in seen] == [False, True]
    assert being_cut(stack.fake) == (0, 0)


def test_each_processor_and_each_direction_has_a_row_of_its_own() -> None:
    stack = SmallStack(split_frames="sample", processors=2)
    rows = []
    for number in (0, 1):
        with stack.fake.running(stack.fake.processor(number)):
            stacks.refresh(current.context)
            view = current.context.datapath.views[stack.adapter]
            for direction in (split_frames.RECEIVED, split_frames.SENT):
                cutter = split_frames.Cutter(view, direction, 0)
                rows.append([cutter.choose() for _ in range(500)])
                rows.append([cutter.numbers.below(1000) for _ in range(500)])
    assert len({tuple(each) for each in rows}) == len(rows)


def test_a_stop_says_how_many_frames_were_cut_and_what_cuts_them_again() -> None:
    stack = SmallStack(split_frames="sample", split_seed=9)
    stack.proto.on_receive = lambda *_: stack.proto.NdisFreeNetBufferList(stack.proto.received[0][1])
    with stack.fake.dispatch(driver=MINI), pytest.raises(BugCheck):
        stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 2, 90), 2)
    assert stack.fake.stop_report().cut == "2 (split_frames = sample, split_seed = 9)"
