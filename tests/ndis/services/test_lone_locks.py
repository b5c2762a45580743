"""Spin locks of a machine's only processor: taken in a few steps, and nothing that a holder can do is overlooked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.pointers import make_in_pool
from emulator.kernel.sites import describe_site
from emulator.kernel.stop import stop
from emulator.ndis import NDIS_SPIN_LOCK, NONPAGED
from emulator.ndis.gates.ddi import declarations, gate
from emulator.rules.errors import BugCheck, MachineStopped
from emulator.rules.irql import DIRQL, DISPATCH_LEVEL, PASSIVE_LEVEL
from tests.fake_platform import FakeMachine

ACQUIRE = ["NdisAcquireSpinLock", "NdisDprAcquireSpinLock"]
RELEASE = ["NdisReleaseSpinLock", "NdisDprReleaseSpinLock"]


class LOCKED(NONPAGED):
    """One lock."""

    Lock: NDIS_SPIN_LOCK


def ddi(name: str, *, checked: bool = True) -> Any:
    """A function as the drivers of a build have it."""
    return gate(declarations[name]) if checked else declarations[name].function


def made(*, checked: bool = True) -> tuple[FakeMachine, Any]:
    fake = FakeMachine(builtin_types=(LOCKED,), processors=1, pool_bytes=1 << 16, checked=checked)
    fake.processor()
    lock = make_in_pool(fake.processor(), LOCKED).Lock
    ddi("NdisAllocateSpinLock")(lock)
    return fake, lock


@pytest.mark.parametrize(("acquire", "release"), list(itertools.product(ACQUIRE, RELEASE)))
@pytest.mark.parametrize("checked", [True, False])
def test_who_holds_it_since_where_is_told(acquire: str, release: str, checked: bool) -> None:
    fake, lock = made(checked=checked)
    with fake.dispatch() as context:
        ddi(acquire, checked=checked)(lock)
        assert context.held == {lock.index: None}
        ((held, site),) = context.locks_held()
        assert (held, fake.arena.lock_holders[held]) == (lock.index, site)
        assert describe_site(fake.machine, site)[1] == context.name
        if checked:
            assert (context.box.ddi, context.box.site) == (declarations[acquire].number, site)
        ddi(release, checked=checked)(lock)
        assert not context.held
        assert not fake.arena.lock_holders[lock.index]
        if checked:
            assert (context.box.ddi, context.box.site) == (declarations[release].number, site + 1)


def change_irql(fake: FakeMachine, context: Any) -> tuple[int, int]:
    raise_irql(context, DIRQL)
    return 0x32, DIRQL


def go_below(fake: FakeMachine, context: Any) -> tuple[int, int]:
    lower_irql(context, PASSIVE_LEVEL)
    return 0x32, PASSIVE_LEVEL


@pytest.mark.parametrize("change", [change_irql, go_below])
def test_a_holder_at_another_irql_is_seen(change: Any) -> None:
    fake, lock = made()
    with fake.dispatch() as context:
        ddi("NdisAcquireSpinLock")(lock)
        what, irql = change(fake, context)
        with pytest.raises(BugCheck):
            ddi("NdisReleaseSpinLock")(lock)
    assert fake.stop_report().parameters == (what, lock.index, irql, 0)


def test_a_level_that_was_left_and_is_reached_again_is_kept() -> None:
    fake, lock = made()
    with fake.dispatch() as context:
        ddi("NdisAcquireSpinLock")(lock)
        lower_irql(context, raise_irql(context, DIRQL))
        ddi("NdisReleaseSpinLock")(lock)
        assert (context.irql, context.held) == (DISPATCH_LEVEL, {})
        assert not fake.arena.lock_holders[lock.index]


def test_who_swallows_a_stop_gets_no_further_than_the_release() -> None:
    fake, lock = made()
    with fake.dispatch() as context:
        ddi("NdisAcquireSpinLock")(lock)
        with pytest.raises(BugCheck):
            stop(0xC4, text="Something was wrong.")
        with pytest.raises(MachineStopped):
            ddi("NdisReleaseSpinLock")(lock)
        assert fake.arena.lock_holders[lock.index] >> 16 == context.slot


@pytest.mark.parametrize("acquire", ACQUIRE)
@pytest.mark.parametrize("checked", [True, False])
def test_a_stopped_machine_has_no_more_locks_to_take(acquire: str, checked: bool) -> None:
    fake, lock = made(checked=checked)
    with fake.dispatch():
        fake.arena.machine.stop_word = 2
        with pytest.raises(MachineStopped):
            ddi(acquire, checked=checked)(lock)
    assert not fake.arena.lock_holders[lock.index]


@pytest.mark.parametrize("acquire", ACQUIRE)
def test_to_acquire_it_again_is_named_with_the_first_time(acquire: str) -> None:
    fake, lock = made()
    with fake.dispatch() as context:
        ddi(acquire)(lock)
        with pytest.raises(BugCheck):
            ddi(acquire)(lock)
    report = fake.stop_report()
    assert report.parameters[:2] == (0x1000, lock.index)
    assert [(site.what, site.context) for site in report.sites] == [("acquired the first time", context.name)]


@pytest.mark.parametrize("index", [0, 1, 111])
def test_a_lock_that_is_none_is_neither_taken_nor_released(index: int) -> None:
    for name, what in (("NdisAcquireSpinLock", 0x1002), ("NdisReleaseSpinLock", 0x1007)):
        fake, lock = made()
        lock.index = index
        with fake.dispatch(), pytest.raises(BugCheck):
            ddi(name)(lock)
        report = fake.stop_report()
        assert (report.parameters[:2], report.sites) == ((what, index), [])


def test_the_kernel_releases_what_ndis_has_acquired() -> None:
    fake, lock = made()
    with fake.dispatch() as context:
        ddi("NdisAcquireSpinLock")(lock)
        ddi("KeReleaseSpinLock")(lock, PASSIVE_LEVEL)
        assert (context.irql, context.held) == (PASSIVE_LEVEL, {})
        raise_irql(context, DISPATCH_LEVEL)
