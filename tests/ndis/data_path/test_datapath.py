"""Send, complete, indicate and return between a miniport and protocols, in both builds."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.platform import current
from emulator.kernel.sites import describe_site
from emulator.layout.machine import SITE_CELL
from emulator.ndis.buffers.net_buffers import list_site
from emulator.ndis.data_path import ledger
from emulator.ndis.gates.ddi import GateKind, declarations, gate
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED, NDIS_STATUS_SUCCESS
from emulator.rules.errors import BugCheck, MachineStopped, NotImplementedByEmulator
from emulator.rules.limits import VnicLimit
from emulator.rules.states import AdapterState, BindingState
from tests.ndis.small_stack import MINI, MINIPORT, PROTO, SmallStack, chain


@pytest.fixture(params=[True, False], ids=["checked", "free"])
def checked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_frame_goes_up_comes_down_and_everything_returns(checked: bool) -> None:
    stack = SmallStack(checked=checked)
    receive_pool, send_pool = stack.pool(), stack.pool(PROTO)
    held: list[Any] = []

    def on_receive(context: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        assert (context, count, flags) == (0x100, 3, 1)
        for each in chain(nbl):
            echo = stack.proto.allocate(send_pool, each.FirstNetBuffer.MdlChain, 0, 60)
            echo.SourceHandle = stack.binding
            held.append(each)
            stack.proto.send(stack.binding, echo)

    def on_complete(context: Any, nbl: Any, flags: int) -> None:
        assert nbl.Status == NDIS_STATUS_SUCCESS
        stack.proto.free(nbl)
        received = held.pop(0)
        received.Next = None
        stack.proto.give_back(stack.binding, received)

    stack.proto.on_receive, stack.proto.on_complete = on_receive, on_complete
    stack.mini.on_send = lambda context, nbl, port, flags: stack.mini.complete(stack.adapter, nbl)
    with stack.fake.dispatch(driver=MINI):
        frames = stack.frames(receive_pool, 3)
        stack.mini.indicate(stack.adapter, frames, 3)
        assert len(stack.mini.returned) == 3
        assert len(stack.mini.sent) == 3
        for nbl, _ in stack.mini.returned:
            stack.mini.free(nbl)
    assert ledger.outstanding(stack.fake.machine, 0) == (0, [])
    counts = ledger.layer_counts(stack.fake.machine, 0)
    assert counts == [3, 3, 3, 3]
    assert ledger.layer_counts(stack.fake.machine, 2) == [3, 3, 3, 3]


def test_sends_of_a_paused_binding_come_back_at_once(checked: bool) -> None:
    stack = SmallStack(checked=checked)
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO):
        stack.binding_records[0].state = BindingState.PAUSED
        stack.changed()
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.proto.send(stack.binding, nbl)
        assert stack.proto.completed == [(0x100, nbl, 1)]
        assert nbl.Status == NDIS_STATUS_PAUSED
        assert not stack.mini.sent
        stack.proto.free(nbl)
    assert ledger.binding_outstanding(stack.fake.machine, 0) == 0


def test_frames_that_nobody_wants_go_back_to_the_miniport(checked: bool) -> None:
    stack = SmallStack(checked=checked, bindings=0)
    pool = stack.pool()
    with stack.fake.dispatch(driver=MINI):
        frames = stack.frames(pool, 2)
        stack.mini.indicate(stack.adapter, frames, 2)
        assert [chain(nbl) for nbl, _ in stack.mini.returned] == [chain(frames)]
    assert ledger.outstanding(stack.fake.machine, 0).total == 0


def test_nothing_is_indicated_while_the_adapter_is_paused(checked: bool) -> None:
    stack = SmallStack(checked=checked)
    pool = stack.pool()
    with stack.fake.dispatch(driver=MINI):
        stack.adapter_record.state = AdapterState.PAUSED
        stack.changed()
        stack.mini.indicate(stack.adapter, stack.frames(pool, 1), 1)
    assert not stack.proto.received
    assert len(stack.mini.returned) == 1


def test_of_several_bindings_the_last_gets_the_frames_and_the_others_are_lent_them(checked: bool) -> None:
    stack = SmallStack(checked=checked, bindings=3)
    pool = stack.pool()
    with stack.fake.dispatch(driver=MINI):
        frames = chain(stack.frames(pool, 2))
        stack.mini.indicate(stack.adapter, frames[0], 2)
        seen = [(context, count, flags) for context, _, count, flags in stack.proto.received]
        assert seen == [(0x100, 2, 3), (0x101, 2, 3), (0x102, 2, 1)]
        stack.call(PROTO, stack.proto.give_back, stack.bindings[2], frames[0])
    assert ledger.outstanding(stack.fake.machine, 0).total == 0


def test_packet_filters_divide_frames_where_they_differ(checked: bool) -> None:
    stack = SmallStack(checked=checked, bindings=2)
    pool = stack.pool()
    stack.binding_records[0].packet_filter = 0x8
    stack.binding_records[1].packet_filter = 0x1
    stack.adapter_record.packet_filter = 0x9
    with stack.fake.dispatch(driver=MINI):
        stack.changed()
        frames = chain(stack.frames(pool, 3))
        targets = [b"\xff" * 6, b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x09"]
        for nbl, target in zip(frames, targets, strict=True):
            nbl.FirstNetBuffer.CurrentMdl.MappedSystemVa[:6] = target
        stack.mini.indicate(stack.adapter, frames[0], 3)
        got = {context: chain(nbl) for context, nbl, _, _ in stack.proto.received}
        assert got == {0x100: [frames[0]], 0x101: [frames[1]]}
        assert [chain(nbl) for nbl, _ in stack.mini.returned] == [[frames[2]]]


def test_completions_of_several_bindings_find_their_own(checked: bool) -> None:
    stack = SmallStack(checked=checked, bindings=2)
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO):
        lists = []
        for number in (0, 1, 0, 1):
            nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
            nbl.SourceHandle = stack.bindings[number]
            stack.proto.send(stack.bindings[number], nbl)
            lists.append(nbl)
        for nbl, following in zip(lists, [*lists[1:], None], strict=True):
            stack.call(MINI, setattr, nbl, "Next", following)
        stack.call(MINI, stack.mini.complete, stack.adapter, lists[0])
        got = {context: chain(nbl) for context, nbl, _ in stack.proto.completed}
        assert got == {0x100: [lists[0], lists[2]], 0x101: [lists[1], lists[3]]}
    assert ledger.outstanding(stack.fake.machine, 0).total == 0


def test_lent_frames_are_the_miniports_again_afterwards(checked: bool) -> None:
    stack = SmallStack(checked=checked)
    pool = stack.pool()
    with stack.fake.dispatch(driver=MINI):
        frames = stack.frames(pool, 2)
        stack.mini.indicate(stack.adapter, frames, 2, 3)
        stack.mini.indicate(stack.adapter, frames, 2, 3)
    assert [flags for *_, flags in stack.proto.received] == [3, 3]
    assert ledger.outstanding(stack.fake.machine, 0).total == 0


def test_calls_nested_too_deep_go_on_in_a_dpc(checked: bool) -> None:
    from emulator.ndis.data_path.datapath_slow import run_nested

    stack = SmallStack(checked=checked)
    pool = stack.pool(PROTO)
    left = [40]
    deepest = [0]
    stack.fake.services.on_deferred = lambda context, kind, target, argument: run_nested(context, target, argument)
    stack.mini.on_send = lambda context, nbl, port, flags: stack.mini.complete(stack.adapter, nbl)

    def on_complete(context: Any, nbl: Any, flags: int) -> None:
        deepest[0] = max(deepest[0], current.context.nesting)
        left[0] -= 1
        if left[0]:
            stack.proto.send(stack.binding, nbl)

    stack.proto.on_complete = on_complete
    with stack.fake.dispatch(driver=PROTO):
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.proto.send(stack.binding, nbl)
    stack.fake.run_until_idle()
    assert left == [0]
    assert deepest == [12]
    told = [text for _, _, text in stack.fake.platform.logs if "nested" in text]
    assert len(told) == int(checked)
    assert not checked or "<driver mini>" in told[0]


def test_a_cancel_reaches_the_miniport() -> None:
    stack = SmallStack()
    with stack.fake.dispatch(driver=PROTO):
        identity = stack.proto.NdisGeneratePartialCancelId() << 56 | 5
        stack.proto.NdisCancelSendNetBufferLists(stack.binding, identity)
    assert stack.mini.cancelled == [identity]


def test_what_is_not_there_is_named() -> None:
    stack = SmallStack()
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO):
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        with pytest.raises(NotImplementedByEmulator, match=r"extensible switch.*<driver proto>"):
            stack.proto.send(stack.binding, nbl, 0x11)


def test_what_is_not_there_stops_in_the_driver_that_wanted_it() -> None:
    """The driver above has not called it, cannot mend it, and must not go on under the name of the one below."""
    stack = SmallStack(miniport=MINIPORT + "\n    from emulator.ndis import NdisCoSendNetBufferLists\n")
    pool = stack.pool(PROTO)
    caught: list[BaseException] = []

    def on_send(context: Any, nbl: Any, port: int, flags: int) -> None:
        stack.mini.NdisCoSendNetBufferLists(nbl, None)

    def send_and_catch(nbl: Any) -> None:
        try:
            stack.proto.send(stack.binding, nbl)
        except Exception as error:
            caught.append(error)

    stack.mini.on_send = on_send
    with stack.fake.dispatch(driver=PROTO):
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        with pytest.raises(BugCheck):
            send_and_catch(nbl)
    report = stack.fake.stop_report()
    assert (report.code, report.ddi) == (VnicLimit.VNIC_NOT_IMPLEMENTED, "NdisCoSendNetBufferLists")
    assert (report.driver, report.callback) == ("mini", "mini!MPSendNetBufferLists")
    assert caught == []


def test_a_pause_names_who_holds_what() -> None:
    stack = SmallStack()
    receive_pool, send_pool = stack.pool(), stack.pool(PROTO)
    with stack.fake.dispatch(driver=MINI):
        stack.mini.indicate(stack.adapter, stack.frames(receive_pool, 3), 3)
        nbl = stack.call(PROTO, stack.proto.allocate, send_pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.call(PROTO, stack.proto.send, stack.binding, nbl)
    found = ledger.outstanding(stack.fake.machine, 0)
    assert found.total == 4
    assert found.holders == [
        "mini has not completed 1 of the lists that it was given to send",
        "proto has not returned 3 of the lists that were indicated to it",
    ]
    assert ledger.binding_outstanding(stack.fake.machine, 0) == 4


def test_a_wrong_handle_is_a_stop(checked: bool) -> None:
    stack = SmallStack(checked=checked)
    with stack.fake.dispatch(driver=PROTO), pytest.raises(BugCheck) as caught:
        stack.proto.NdisReturnNetBufferLists(stack.adapter, None, 0)
    assert caught.value.parameters[0] == 0x21


def handed_on(Handle: int, List: Any, Port: int, Flags: int, /) -> int:
    """A function of the DDI, so to speak."""
    context = current.context
    return int(context.site)


def test_a_gate_inside_a_function_does_what_one_around_it_does() -> None:
    stack = SmallStack()
    declaration = declarations["NdisSendNetBufferLists"]._replace(function=handed_on)
    around, inside = (gate(declaration._replace(gate=kind)) for kind in (GateKind.FULL, GateKind.INLINE))
    assert inside.__code__.co_filename == handed_on.__code__.co_filename
    assert around.__code__.co_filename.startswith("<gate")
    trails = []
    for made in (around, inside):
        stack.proto.NdisSendNetBufferLists = made
        with stack.fake.dispatch(driver=PROTO) as context:
            stack.proto.send(stack.binding, None)
            trails.append((context.cells[SITE_CELL], declaration.number << 32 | context.site))
    assert len({word for trail in trails for word in trail}) == 1
    with stack.fake.running(stack.fake.processor(), 6, driver=PROTO), pytest.raises(BugCheck) as caught:
        inside(stack.binding, None, 0, 0)
    assert caught.value.parameters[:2] == (0xE5, 6)


def test_an_edge_does_what_a_gate_around_its_function_does() -> None:
    stack = SmallStack()
    pool, declaration = stack.pool(PROTO), declarations["NdisSendNetBufferLists"]
    edged, places = stack.proto.NdisSendNetBufferLists, []
    assert edged is declaration.function
    nbl: Any = None
    for made in (gate(declaration._replace(function=handed_on, gate=GateKind.FULL)), edged):
        stack.proto.NdisSendNetBufferLists = made
        with stack.fake.dispatch(driver=PROTO) as context:
            nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
            nbl.SourceHandle = stack.binding
            stack.proto.send(stack.binding, nbl)
            assert context.cells[SITE_CELL] == declaration.number << 32 | context.site
            assert list_site(nbl) == context.site or made is not edged
            places.append(describe_site(stack.fake.machine, context.site))
    assert places[0] == places[1]
    assert "in send" in places[0][0]
    with stack.fake.running(stack.fake.processor(), 6, driver=PROTO):
        with pytest.raises(BugCheck) as caught:
            stack.proto.send(stack.binding, nbl)
        assert caught.value.parameters[:2] == (0xE5, 6)
        with pytest.raises(MachineStopped):
            stack.proto.send(stack.binding, None)


def test_of_a_wrong_handle_too_the_stop_knows_the_line() -> None:
    stack = SmallStack()
    with stack.fake.dispatch(driver=PROTO) as context, pytest.raises(BugCheck):
        stack.proto.send(stack.adapter, None)
    assert context.cells[SITE_CELL] == declarations["NdisSendNetBufferLists"].number << 32 | context.site
    assert "in send" in describe_site(stack.fake.machine, context.site)[0]
