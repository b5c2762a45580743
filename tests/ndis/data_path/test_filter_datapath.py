"""Frames through filter modules: every set of handlers, their own lists, lent ones, states, and what is outstanding."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from emulator.ndis.data_path import ledger, stacks
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED
from emulator.rules.errors import BugCheck
from emulator.rules.states import AdapterState, FilterState
from tests.ndis.filtered_stack import EVERYTHING, FIRST_FILTER, FilteredStack
from tests.ndis.small_stack import MINI, PROTO, chain

SETS: list[tuple[str, ...]] = [
    (),
    EVERYTHING,
    ("Send",),
    ("SendComplete",),
    ("Receive",),
    ("Return",),
    ("Send", "SendComplete"),
    ("Receive", "Return"),
    ("Send", "Receive"),
    ("SendComplete", "Return"),
]


def sends(stack: FilteredStack, count: int = 2) -> Any:
    pool = stack.pool(PROTO)
    first = None
    for _ in range(count):
        nbl = stack.call(PROTO, stack.proto.allocate, pool, stack.mdl(driver=PROTO), 0, 60)
        nbl.SourceHandle = stack.binding
        nbl.Next, first = first, nbl
    return first


def seen(stack: FilteredStack, place: int) -> list[str]:
    return [each[0] for each in stack.filters[place].seen]


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "free"])
@pytest.mark.parametrize("filters", list(product(SETS, repeat=2)), ids=str)
def test_frames_pass_whatever_handlers_there_are(filters: tuple[Any, ...], checked: bool) -> None:
    stack = FilteredStack(filters, checked=checked)
    with stack.fake.dispatch():
        stack.call(PROTO, stack.proto.send, stack.binding, sends(stack))
        sent, _ = stack.mini.sent[0]
        assert len(chain(sent)) == 2
        stack.call(MINI, stack.mini.complete, stack.adapter, sent)
        (_, completed, _) = stack.proto.completed[0]
        assert len(chain(completed)) == 2
        for nbl in chain(completed):
            stack.call(PROTO, stack.proto.free, nbl)
        frames = stack.frames(stack.pool(), 3)
        stack.call(MINI, stack.mini.indicate, stack.adapter, frames, 3)
        (_, received, count, _) = stack.proto.received[0]
        assert (count, len(chain(received))) == (3, 3)
        stack.call(PROTO, stack.proto.give_back, stack.binding, received)
        returned, _ = stack.mini.returned[0]
        for nbl in chain(returned):
            stack.call(MINI, stack.mini.free, nbl)
    words = {"Send": "send", "SendComplete": "send complete", "Receive": "receive", "Return": "return"}
    for place, handlers in enumerate(filters):
        assert seen(stack, place) == [word for name, word in words.items() if name in handlers]
    assert stack.left() == [0, 0, 0]


def test_a_bypassed_stack_is_the_one_without_filters() -> None:
    stack = FilteredStack([()])
    view = stacks.binding_view(stack.fake.processor(), stack.binding, "")
    base = stacks.adapter_view(stack.fake.processor(), stack.adapter, "")
    assert view.stack is base
    assert base.receiver is view
    assert base.only is view


@pytest.mark.parametrize("bindings", [1, 2, 0])
@pytest.mark.parametrize("below", [EVERYTHING, ("SendComplete",), ("Send",), ()], ids=str)
def test_a_filters_own_send_comes_back_to_it_and_to_nobody_else(below: Any, bindings: int) -> None:
    stack = FilteredStack([below, EVERYTHING, EVERYTHING], bindings=bindings)
    with stack.fake.dispatch():
        nbl = stack.frames_of(1, stack.pool(FIRST_FILTER + 1))
        stack.call(FIRST_FILTER + 1, stack.filters[1].send, nbl)
        assert any(stack.left())
        stack.call(MINI, stack.mini.complete, stack.adapter, stack.mini.sent[0][0])
    assert seen(stack, 1) == ["send complete"]
    assert seen(stack, 2) == []
    assert stack.proto.completed == []
    assert stack.left() == [0, 0, 0, 0]


@pytest.mark.parametrize("above", [EVERYTHING, ("Return",), ("Receive",), ()], ids=str)
def test_a_filters_own_receive_comes_back_to_it_and_to_nobody_else(above: Any) -> None:
    stack = FilteredStack([EVERYTHING, EVERYTHING, above])
    with stack.fake.dispatch():
        nbl = stack.frames_of(1, stack.pool(FIRST_FILTER + 1))
        stack.call(FIRST_FILTER + 1, stack.filters[1].indicate, nbl, 1)
        stack.call(PROTO, stack.proto.give_back, stack.binding, stack.proto.received[0][1])
    assert seen(stack, 1) == ["return"]
    assert seen(stack, 0) == []
    assert stack.mini.returned == []
    assert stack.left() == [0, 0, 0, 0]


def test_its_own_and_others_completed_in_one_chain_are_told_apart() -> None:
    stack = FilteredStack([EVERYTHING])
    with stack.fake.dispatch():
        stack.call(PROTO, stack.proto.send, stack.binding, sends(stack, 1))
        nbl = stack.frames_of(0, stack.pool(FIRST_FILTER))
        stack.call(FIRST_FILTER, stack.filters[0].send, nbl)
        first, second = stack.mini.sent[0][0], stack.mini.sent[1][0]
        second.Next = None
        stack.call(MINI, stack.mini.complete, stack.adapter, second)
        stack.call(MINI, stack.mini.complete, stack.adapter, first)
    assert len(stack.proto.completed) == 1
    assert stack.left() == [0, 0]


@pytest.mark.parametrize("filters", [[EVERYTHING], [EVERYTHING, EVERYTHING], [("Receive",), ("Return",)]], ids=str)
def test_what_is_lent_passes_lent_and_is_the_miniports_again(filters: Any) -> None:
    stack = FilteredStack(filters)
    with stack.fake.dispatch():
        frames = stack.frames(stack.pool(), 2)
        stack.call(MINI, stack.mini.indicate, stack.adapter, frames, 2, 3)
        assert [flags for _, _, _, flags in stack.proto.received] == [3]
        for nbl in chain(frames):
            stack.call(MINI, stack.mini.free, nbl)
    assert stack.mini.returned == []
    assert not any(stack.left())


def test_a_filter_may_lend_what_it_got_and_has_it_back() -> None:
    stack = FilteredStack([EVERYTHING])
    stack.filters[0].hold = True
    with stack.fake.dispatch():
        frames = stack.frames(stack.pool(), 1)
        stack.call(MINI, stack.mini.indicate, stack.adapter, frames, 1)
        stack.call(FIRST_FILTER, stack.filters[0].indicate, frames, 1, 3)
        stack.call(FIRST_FILTER, stack.filters[0].give_back, frames)
    assert len(stack.mini.returned) == 1
    assert stack.left() == [0, 0]


def test_what_is_lent_may_not_be_kept_by_clearing_the_flag() -> None:
    stack = FilteredStack([EVERYTHING])
    stack.filters[0].hold = True
    stack.filters[0].seen.clear()

    def on_receive(*_: Any) -> None:
        stack.call(FIRST_FILTER, stack.filters[0].indicate, frames, 1, 1)

    with stack.fake.dispatch():
        frames = stack.frames(stack.pool(), 1)
        stack.filters[0].seen = Recorder(on_receive)
        with pytest.raises(BugCheck):
            stack.call(MINI, stack.mini.indicate, stack.adapter, frames, 1, 3)
    assert "lent to filter0" in stack.fake.stop_report().text


class Recorder(list[Any]):
    """Does something as soon as a handler notes that it was called."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.act = act

    def append(self, value: Any) -> None:
        super().append(value)
        self.act(value)


def test_a_paused_filter_gets_nothing_and_what_comes_goes_back() -> None:
    stack = FilteredStack([EVERYTHING, EVERYTHING])
    stack.module_records[1].state = FilterState.PAUSED
    stack.changed()
    with stack.fake.dispatch():
        stack.call(MINI, stack.mini.indicate, stack.adapter, stack.frames(stack.pool(), 2), 2)
        stack.call(PROTO, stack.proto.send, stack.binding, sends(stack, 1))
    assert seen(stack, 0) == ["receive", "return"]
    assert seen(stack, 1) == []
    assert len(stack.mini.returned) == 1
    assert [nbl.Status for nbl in chain(stack.proto.completed[0][1])] == [NDIS_STATUS_PAUSED]
    assert stack.left() == [0, 0, 0]


@pytest.mark.parametrize("above", [EVERYTHING, ("Send",)], ids=str)
def test_what_a_paused_miniport_refuses_comes_back_through_the_filter(above: Any) -> None:
    stack = FilteredStack([above])
    stack.adapter_record.state = AdapterState.PAUSED
    stack.changed()
    with stack.fake.dispatch():
        stack.call(PROTO, stack.proto.send, stack.binding, sends(stack, 1))
    assert [nbl.Status for nbl in chain(stack.proto.completed[0][1])] == [NDIS_STATUS_PAUSED]
    assert stack.left() == [0, 0]


def test_a_filter_that_is_paused_may_not_send() -> None:
    stack = FilteredStack([EVERYTHING])
    pool = stack.pool(FIRST_FILTER)
    stack.module_records[0].state = FilterState.PAUSED
    stack.changed()
    with stack.fake.dispatch(), pytest.raises(BugCheck):
        stack.call(FIRST_FILTER, stack.filters[0].send, stack.frames_of(0, pool))
    report = stack.fake.stop_report()
    assert (report.code, report.parameters[0]) == (0x7C, 0x1F)
    assert "in state Paused" in report.text


def test_who_holds_what_is_said() -> None:
    stack = FilteredStack([EVERYTHING])
    stack.filters[0].hold = True
    with stack.fake.dispatch():
        stack.call(PROTO, stack.proto.send, stack.binding, sends(stack, 2))
        stack.call(MINI, stack.mini.indicate, stack.adapter, stack.frames(stack.pool(), 3), 3)
    holders = ledger.outstanding(stack.fake.machine, 0).holders
    assert "filter0 has neither sent on nor completed 2 of the lists that it was given to send" in holders
    assert "filter0 has neither passed on nor returned 3 of the lists that were indicated to it" in holders


def test_a_cancel_goes_through_the_filters_that_want_it() -> None:
    stack = FilteredStack([(), ("Send", "SendComplete", "CancelSend"), ()])
    stack.call(PROTO, stack.proto.NdisCancelSendNetBufferLists, stack.binding, 0x77)
    assert stack.filters[1].seen == [("cancel", 0x77)]
    assert stack.mini.cancelled == [0x77]


def test_calls_that_nest_too_deep_go_on_in_a_dpc() -> None:
    from emulator.ndis.data_path.datapath_slow import run_nested

    stack = FilteredStack([EVERYTHING] * 3)
    stack.fake.services.on_deferred = lambda context, kind, target, argument: run_nested(context, target, argument)

    def answer(context: Any, nbl: Any, port: int, flags: int) -> None:
        del context, port
        stack.mini.complete(stack.adapter, nbl, flags)

    stack.mini.on_send = answer
    with stack.fake.dispatch() as context:
        for depth in range(12):
            context.nesting = depth
            stack.call(PROTO, stack.proto.send, stack.binding, sends(stack, 1))
        context.nesting = 0
    while stack.fake.round():
        pass
    assert sum(len(chain(nbl)) for _, nbl, _ in stack.proto.completed) == 12
    assert stack.left() == [0, 0, 0, 0]
