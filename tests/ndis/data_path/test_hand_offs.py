"""The text that all hand-offs are made of: what each build and each operation has of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from emulator.kernel.pointers import decode, encode
from emulator.ndis.buffers.net_buffers import Owner, list_owner, list_site
from emulator.ndis.buffers.ownership import PARENT, RECEIVED, SENDING, add_child
from emulator.ndis.headers.constants import NDIS_RECEIVE_FLAGS_RESOURCES as LENT
from emulator.rules.nbl import INDICATE, RETURN, SEND, SEND_COMPLETE
from tests.ndis.small_stack import MINI, PROTO, SmallStack

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.ndis.data_path.stacks import Binding, Stack

CHECKED_ALONE = {"_owner", "calls", "getframe", "guarded", "journal", "look", "stop_word", "wrong_level"}


def hand_offs(*, checked: bool) -> dict[int, Callable[..., None]]:
    """Those of a miniport and its binding."""
    stack = SmallStack(checked=checked)
    with stack.fake.dispatch() as context:
        stack.changed()
        adapter: Stack = context.datapath.adapters[stack.adapter]
        binding: Binding = context.datapath.bindings[stack.binding]
    return {
        SEND: binding.hand_down,
        SEND_COMPLETE: adapter.complete_up,
        INDICATE: adapter.hand_up,
        RETURN: binding.return_down,
    }


def names(function: Callable[..., None]) -> set[str]:
    """Every name that a function refers to."""
    code = function.__code__
    return {*code.co_names, *code.co_freevars}


@pytest.mark.parametrize("operation", [SEND, SEND_COMPLETE, INDICATE, RETURN])
def test_the_free_build_has_nothing_of_the_checks(operation: int) -> None:
    assert names(hand_offs(checked=True)[operation]) >= CHECKED_ALONE
    assert not names(hand_offs(checked=False)[operation]) & CHECKED_ALONE


def test_a_source_handle_is_looked_at_where_it_matters() -> None:
    checked, free = (hand_offs(checked=checked) for checked in (True, False))
    for operation in (SEND, SEND_COMPLETE, INDICATE):
        assert "SourceHandle" in names(checked[operation])
    assert "SourceHandle" not in names(checked[RETURN])
    assert [operation for operation in free if "SourceHandle" in names(free[operation])] == [SEND_COMPLETE]


def test_a_free_build_walks_no_chain_that_it_is_told_the_length_of() -> None:
    assert [operation for operation, one in hand_offs(checked=False).items() if "Next" not in names(one)] == [INDICATE]


def test_stacks_of_the_same_build_share_their_code() -> None:
    first, second = (hand_offs(checked=True) for _ in range(2))
    assert all(first[operation].__code__ is second[operation].__code__ for operation in first)
    assert len({one.__code__ for one in itertools.chain(first.values(), second.values())}) == len(first)


def test_a_site_is_remembered_with_the_owner_whoever_it_is() -> None:
    """Of a list that a call hands on, that nobody wants, and that is lent: where it was handed on last."""
    stack = SmallStack(bindings=2)
    pool, sites = stack.pool(), []
    stack.proto.on_receive = lambda context, nbl, port, count, flags: sites.append((list_site(nbl), flags & LENT))
    with stack.fake.dispatch(driver=MINI) as context:
        stack.changed()
        nbl = stack.frames(pool, 1)
        stack.mini.indicate(stack.adapter, nbl, 1)
        assert sites == [(context.site, LENT), (context.site, 0)]
        assert (int(list_owner(nbl)), list_site(nbl)) == (RECEIVED + 1, context.site)
        for record in stack.binding_records:
            record.packet_filter = 0
        stack.changed()
        nbl = stack.frames(pool, 1)
        stack.mini.indicate(stack.adapter, nbl, 1)
        assert (int(list_owner(nbl)), list_site(nbl)) == (MINI, context.site)
        add_child(context, nbl, "")
        assert (list_owner(nbl), list_site(nbl)) == (MINI | PARENT, context.site)


def test_what_goes_to_another_context_takes_its_owner_and_its_site_along() -> None:
    stack = SmallStack()
    pool = stack.pool(PROTO)
    with stack.fake.dispatch(driver=PROTO) as context:
        stack.changed()
        nbl = stack.proto.allocate(pool, stack.mdl(), 0, 60)
        nbl.SourceHandle = stack.binding
        stack.proto.send(stack.binding, nbl)
        site, word = context.site, encode(context, nbl)
        assert type(list_owner(nbl)) is Owner
    with stack.fake.running(stack.fake.passive_worker()) as other:
        found = decode(other, word)
        assert (list_owner(found), list_site(found)) == (SENDING, site)
