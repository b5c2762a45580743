"""Each hand-over by somebody who does not own the list is a stop with both call sites; its repaired twin is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER, NET_BUFFER_LIST
from emulator.rules.bugcheck_ndis import NdisBugCheck
from emulator.rules.errors import BugCheck
from tests.ndis.small_stack import MINI, PROTO, SmallStack, chain


def sendable(stack: SmallStack) -> Any:
    nbl = stack.call(PROTO, stack.proto.allocate, stack.pool(PROTO), stack.mdl(), 0, 60)
    nbl.SourceHandle = stack.binding
    return nbl


def receivable(stack: SmallStack, count: int = 1) -> Any:
    return stack.frames(stack.pool(), count)


def send(stack: SmallStack, nbl: Any) -> None:
    stack.call(PROTO, stack.proto.send, stack.binding, nbl)


def complete(stack: SmallStack, nbl: Any) -> None:
    stack.call(MINI, stack.mini.complete, stack.adapter, nbl)


def indicate(stack: SmallStack, nbl: Any, count: int = 1, flags: int = 1) -> None:
    stack.call(MINI, stack.mini.indicate, stack.adapter, nbl, count, flags)


def give_back(stack: SmallStack, nbl: Any) -> None:
    stack.call(PROTO, stack.proto.give_back, stack.binding, nbl)


def free(stack: SmallStack, nbl: Any, driver: int = PROTO) -> None:
    stack.call(driver, (stack.proto if driver == PROTO else stack.mini).free, nbl)


def completed_twice(stack: SmallStack) -> None:
    nbl = sendable(stack)
    send(stack, nbl)
    complete(stack, nbl)
    complete(stack, nbl)


def sent_twice(stack: SmallStack) -> None:
    nbl = sendable(stack)
    send(stack, nbl)
    send(stack, nbl)


def returned_twice(stack: SmallStack) -> None:
    nbl = receivable(stack)
    indicate(stack, nbl)
    give_back(stack, nbl)
    give_back(stack, nbl)


def freed_in_flight(stack: SmallStack) -> None:
    nbl = sendable(stack)
    send(stack, nbl)
    free(stack, nbl)


def freed_twice(stack: SmallStack) -> None:
    nbl = sendable(stack)
    free(stack, nbl)
    free(stack, nbl)


def freed_by_the_receiver(stack: SmallStack) -> None:
    nbl = receivable(stack)
    indicate(stack, nbl)
    free(stack, nbl)


def indicated_twice(stack: SmallStack) -> None:
    nbl = receivable(stack)
    indicate(stack, nbl)
    indicate(stack, nbl)


def completed_what_was_received(stack: SmallStack) -> None:
    nbl = receivable(stack)
    indicate(stack, nbl)
    complete(stack, nbl)


def kept_what_was_lent(stack: SmallStack) -> None:
    nbl = receivable(stack)
    stack.proto.on_receive = lambda context, first, port, count, flags: give_back(stack, first)
    indicate(stack, nbl, 1, 3)


def freed_with_children(stack: SmallStack) -> None:
    nbl = sendable(stack)
    nbl.ChildRefCount = 1
    free(stack, nbl)


DOUBLE = [
    (completed_twice, 0x1E, "belongs to proto", "completed"),
    (sent_twice, 0x1E, "is with the miniport of adapter 0", "sent"),
    (returned_twice, 0x1E, "belongs to mini", "returned"),
    (freed_in_flight, 0x1E, "is with the miniport of adapter 0", "freed"),
    (freed_twice, 0x1E, "freed twice", "freed"),
    (freed_by_the_receiver, 0x1E, "is indicated to proto", "freed"),
    (indicated_twice, 0x06, "is indicated to proto", "indicated"),
    (completed_what_was_received, 0x1E, "is indicated to proto", "completed"),
    (kept_what_was_lent, 0x1E, "is lent to proto", "returned"),
    (freed_with_children, 0x1E, "1 lists derive", "freed"),
]


@pytest.mark.parametrize(("act", "subcode", "owner", "verb"), DOUBLE, ids=lambda value: getattr(value, "__name__", ""))
def test_a_hand_over_by_a_non_owner_is_a_stop_with_both_sites(
    act: Callable[[SmallStack], None], subcode: int, owner: str, verb: str
) -> None:
    stack = SmallStack()
    with stack.fake.dispatch(), pytest.raises(BugCheck) as caught:
        act(stack)
    assert caught.value.code == 0x7C
    assert caught.value.parameters[0] == subcode
    report = stack.fake.stop_report()
    assert owner in report.text
    assert verb in report.text
    assert report.traceback[-1].startswith(("<driver mini>", "<driver proto>"))
    assert report.sites[0].where.startswith(("<driver mini>", "<driver proto>"))


@pytest.mark.parametrize(
    "act",
    [completed_twice, sent_twice, returned_twice, freed_by_the_receiver, indicated_twice],
    ids=lambda act: act.__name__,
)
def test_the_free_build_does_not_look(act: Callable[[SmallStack], None]) -> None:
    stack = SmallStack(checked=False)
    with stack.fake.dispatch():
        act(stack)


def test_a_list_goes_round_as_often_as_it_likes() -> None:
    stack = SmallStack()
    with stack.fake.dispatch():
        nbl, received = sendable(stack), receivable(stack, 2)
        for _ in range(3):
            send(stack, nbl)
            complete(stack, nbl)
            indicate(stack, received, 2)
            give_back(stack, received)
        indicate(stack, received, 2, 3)
        free(stack, nbl)
        for each in chain(received):
            free(stack, each, MINI)


def test_a_freed_list_says_so_when_it_is_read() -> None:
    stack = SmallStack()
    with stack.fake.dispatch():
        nbl = sendable(stack)
        free(stack, nbl)
        with pytest.raises(BugCheck) as caught:
            stack.call(PROTO, stack.proto.touch, nbl)
    assert caught.value.code == 0xD5
    assert stack.fake.stop_report().sites[0].what == "freed"


def touched_after_send(stack: SmallStack) -> Any:
    nbl = sendable(stack)
    send(stack, nbl)
    return nbl, PROTO, stack.proto.touch


def touched_after_indication(stack: SmallStack) -> Any:
    nbl = receivable(stack)
    indicate(stack, nbl)
    return nbl, MINI, stack.mini.touch


def touched_after_return(stack: SmallStack) -> Any:
    nbl = receivable(stack)
    indicate(stack, nbl)
    give_back(stack, nbl)
    return nbl, PROTO, stack.proto.touch


def touched_after_completion(stack: SmallStack) -> Any:
    nbl = sendable(stack)
    send(stack, nbl)
    complete(stack, nbl)
    return nbl, MINI, stack.mini.touch


TOUCHES = [touched_after_send, touched_after_indication, touched_after_return, touched_after_completion]


@pytest.mark.parametrize("act", TOUCHES, ids=lambda act: act.__name__)
def test_a_touch_by_who_has_handed_a_list_on_is_a_stop_with_both_sites(act: Callable[[SmallStack], Any]) -> None:
    stack = SmallStack()
    with stack.fake.dispatch():
        nbl, driver, touch = act(stack)
        with pytest.raises(BugCheck) as caught:
            stack.call(driver, touch, nbl)
    assert caught.value.code == 0xD5
    report = stack.fake.stop_report()
    assert "read NET_BUFFER_LIST.FirstNetBuffer after it had handed the list on" in report.text
    assert report.sites[0].what == "handed on"
    assert report.sites[0].where.startswith("<driver")


@pytest.mark.parametrize("act", TOUCHES, ids=lambda act: act.__name__)
def test_the_owner_touches_it_as_it_likes(act: Callable[[SmallStack], Any]) -> None:
    stack = SmallStack()
    with stack.fake.dispatch():
        nbl, driver, _ = act(stack)
        owner = PROTO if driver == MINI else MINI
        touch = stack.proto.touch if owner == PROTO else stack.mini.touch
        for _ in range(2):
            assert stack.call(owner, touch, nbl) is not None


def test_writing_to_what_was_handed_on_is_a_stop_too() -> None:
    stack = SmallStack()
    with stack.fake.dispatch():
        nbl, driver, _ = touched_after_send(stack)
        with pytest.raises(BugCheck) as caught:
            stack.call(driver, setattr, nbl, "Status", 0)
    assert caught.value.parameters[1] == 1


def test_guards_are_few_and_end_with_the_round() -> None:
    from emulator.ndis.buffers import publication

    stack = SmallStack()
    with stack.fake.dispatch() as context:
        nbl, _, _ = touched_after_send(stack)
        for _ in range(100):
            complete(stack, nbl)
            send(stack, nbl)
        assert len(context.datapath.guarded) < 256
        publication.flush(context.datapath)
        assert type(nbl) is NET_BUFFER_LIST


def wrong_source(stack: SmallStack) -> None:
    nbl = sendable(stack)
    nbl.SourceHandle = None
    send(stack, nbl)


def wrong_receive_source(stack: SmallStack) -> None:
    nbl = receivable(stack)
    nbl.SourceHandle = stack.binding
    indicate(stack, nbl)


def wrong_number(stack: SmallStack) -> None:
    indicate(stack, receivable(stack, 2), 3)


def unlinked(stack: SmallStack) -> None:
    def unlink(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        nbl.Next = None

    stack.proto.on_receive = unlink
    indicate(stack, receivable(stack, 2), 2, 3)


def advanced(stack: SmallStack) -> None:
    def advance(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        stack.proto.NdisAdvanceNetBufferDataStart(nbl.FirstNetBuffer, 14, False, None)

    stack.proto.on_receive = advance
    indicate(stack, receivable(stack), 1, 3)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (wrong_source, "SourceHandle is 0x0; it must be the binding handle"),
        (wrong_receive_source, "it must be the adapter handle"),
        (wrong_number, "says 3, and the chain has 2"),
        (unlinked, "came back with other links"),
        (advanced, "came back with other data"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_a_call_says_of_its_lists_must_be_true(act: Callable[[SmallStack], None], text: str) -> None:
    stack = SmallStack()
    with stack.fake.dispatch(), pytest.raises(BugCheck) as caught:
        act(stack)
    assert caught.value.parameters[0] == NdisBugCheck.REFCOUNT_IMBALANCE
    assert text in stack.fake.stop_report().text


def test_the_dispatch_flag_is_believed_at_dispatch_level_only() -> None:
    stack = SmallStack()
    nbl = sendable(stack)
    stack.call(PROTO, stack.proto.send, stack.binding, nbl, 0)
    complete_at_passive = stack.mini.complete
    stack.call(MINI, complete_at_passive, stack.adapter, nbl, 0)
    with pytest.raises(BugCheck) as caught:
        send(stack, nbl)
    assert (caught.value.code, caught.value.parameters[0]) == (0xC4, 0xE5)
    assert stack.fake.stop_report().rule == "Flags_Irql"


def test_the_journal_names_the_last_hand_overs() -> None:
    stack = SmallStack()
    with stack.fake.dispatch() as context:
        nbl = sendable(stack)
        for _ in range(300):
            send(stack, nbl)
            complete(stack, nbl)
        journal = stack.fake.arena.journal(context.slot)
    *words, at = journal
    assert 0 <= at < len(words)
    assert {word & 0xFF for word in words} == {1, 2}
    assert {word >> 32 << 32 for word in words} == {nbl._mark}


def test_a_handler_that_returns_at_another_irql_is_a_stop() -> None:
    stack = SmallStack()

    def lower(context: Any, nbl: Any, port: int, flags: int) -> None:
        stack.mini.NDIS_LOWER_IRQL(0, 2)

    stack.mini.on_send = lower
    with stack.fake.dispatch(), pytest.raises(BugCheck) as caught:
        send(stack, sendable(stack))
    assert caught.value.code == 0xC8


def test_reserved_words_that_nobody_has_written_are_no_list_yet() -> None:
    stack = SmallStack()
    with stack.fake.dispatch():
        nbl = sendable(stack)
        buffer: Any = nbl.FirstNetBuffer
        unwritten = nbl.ProtocolReserved
        assert (list(unwritten), len(nbl.MiniportReserved), nbl.NetBufferListInfo[3]) == ([None] * 4, 2, 0)
        assert not nbl._lists
        unwritten[1] = 5
        unwritten[2] = 6
        assert nbl._lists
        assert nbl.ProtocolReserved == unwritten == [None, 5, 6, None]
        assert not buffer._lists
        buffer.MiniportReserved[:] = [1, 2, 3, 4]
        assert (buffer._lists, buffer.MiniportReserved[3]) == (True, 4)


@pytest.mark.parametrize("kind", [NET_BUFFER_LIST, NET_BUFFER, MDL])
def test_what_is_on_the_path_of_frames_is_read_without_a_hook(kind: type) -> None:
    hooks = {"__getattr__", "__getattribute__", "__setattr__"}
    assert not [base for base in kind.__mro__[:-1] if hooks & set(vars(base))], "such members are read slowly"


def test_a_lent_frame_whose_chain_of_mdls_comes_back_longer_or_shorter_is_found() -> None:
    for act in (lambda mdl, other: setattr(mdl, "Next", other), lambda mdl, _: setattr(mdl, "ByteCount", 50)):
        stack = SmallStack()
        other = stack.mdl(20)

        def on_receive(context: Any, nbl: Any, *_: Any, act: Any = act, other: Any = other) -> None:
            act(nbl.FirstNetBuffer.MdlChain, other)

        stack.proto.on_receive = on_receive
        with stack.fake.dispatch(driver=MINI), pytest.raises(BugCheck):
            stack.mini.indicate(stack.adapter, stack.frames(stack.pool(), 1), 1, 3)
        assert "came back with other data" in stack.fake.stop_report().text
