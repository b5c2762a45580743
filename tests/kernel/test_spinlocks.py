"""Spin locks by the number of processors: with one the processor's lock is enough, with two each has a mutex."""

from __future__ import annotations

import pytest

from emulator.kernel import lists, spinlocks
from emulator.kernel.irql import lower_irql
from emulator.kernel.pointers import make_in_pool
from emulator.kernel.sites import site_at
from emulator.ndis import LIST_ENTRY, NDIS_SPIN_LOCK, NONPAGED
from emulator.rules.errors import BugCheck, MachineStopped
from emulator.rules.irql import DISPATCH_LEVEL, PASSIVE_LEVEL
from tests.fake_platform import FakeMachine, WouldBlock


class THINGS(NONPAGED):
    """Two locks and a list."""

    One: NDIS_SPIN_LOCK
    Other: NDIS_SPIN_LOCK
    Head: LIST_ENTRY


def machine(processors: int, *, checked: bool = True) -> tuple[FakeMachine, THINGS]:
    fake = FakeMachine(builtin_types=(THINGS,), processors=processors, pool_bytes=1 << 16, checked=checked)
    things = make_in_pool(fake.processor(), THINGS)
    spinlocks.initialize(fake.processor(), things.One)
    spinlocks.initialize(fake.processor(), things.Other)
    return fake, things


@pytest.mark.parametrize("checked", [True, False])
def test_on_one_processor_its_lock_is_all_that_is_taken(checked: bool) -> None:
    fake, things = machine(1, checked=checked)
    with fake.running(fake.passive_worker()) as context:
        spinlocks.acquire(context, things.One, 0)
        assert list(fake.platform.owners) == [context.processor_lock]
        assert fake.arena.lock_holders[things.One.index] >> 16 == context.slot
        spinlocks.release(context, things.One)
        assert not fake.platform.owners
        assert not any(fake.arena.lock_holders[things.One.index :])


def test_on_two_processors_a_lock_has_a_mutex() -> None:
    fake, things = machine(2)
    with fake.dispatch(0) as context:
        spinlocks.acquire(context, things.One, 0)
        assert fake.platform.owners[things.One.index] == context.slot
        with fake.dispatch(1) as other:
            with pytest.raises(WouldBlock):
                spinlocks.acquire(other, things.One, 0)
            assert other.box.lock_wanted == things.One.index
        spinlocks.release(context, things.One)
        assert things.One.index not in fake.platform.owners


@pytest.mark.parametrize("processors", [1, 2])
def test_each_lock_has_its_own_irql_to_return_to(processors: int) -> None:
    fake, things = machine(processors)
    with fake.running(fake.passive_worker()) as context:
        spinlocks.acquire(context, things.One, 0)
        spinlocks.acquire(context, things.Other, 0)
        spinlocks.release(context, things.One)
        assert (context.irql, list(context.held)) == (PASSIVE_LEVEL, [things.Other.index])


def test_a_holder_that_has_left_dispatch_level_is_met_on_one_processor() -> None:
    fake, things = machine(1)
    with fake.running(fake.passive_worker()) as holder:
        spinlocks.acquire(holder, things.One, site_at(holder, machine.__code__, 0))
        lower_irql(holder, PASSIVE_LEVEL)
    with fake.dispatch() as context, pytest.raises(BugCheck):
        spinlocks.acquire(context, things.One, 0)
    report = fake.stop_report()
    assert report.name == "VNIC_DEADLOCK"
    assert [(site.what, site.context) for site in report.sites] == [("acquired", holder.name)]


@pytest.mark.parametrize("processors", [1, 2])
def test_who_meets_a_dead_holder_leaves(processors: int) -> None:
    fake, things = machine(processors)
    # What a killed holder leaves: all the locks that it had.
    fake.platform.dead_owners |= {fake.processor().processor_lock, things.One.index}
    with fake.running(fake.passive_worker()) as context, pytest.raises(MachineStopped):
        spinlocks.acquire(context, things.One, 0)


def test_an_interlocked_function_takes_the_only_processor() -> None:
    fake, things = machine(1)
    with fake.running(fake.passive_worker()) as context:
        with lists.Guarded(context, things.One):
            assert (context.irql, list(fake.platform.owners)) == (DISPATCH_LEVEL, [context.processor_lock])
        assert (context.irql, fake.platform.owners) == (PASSIVE_LEVEL, {})
        with fake.dispatch(), pytest.raises(WouldBlock), fake.running(context), lists.Guarded(context, things.One):
            pass


def test_on_two_processors_an_interlocked_function_stays_at_its_level() -> None:
    fake, things = machine(2)
    with fake.running(fake.passive_worker()) as context:
        with lists.Guarded(context, things.One):
            assert (context.irql, list(fake.platform.owners)) == (PASSIVE_LEVEL, [things.One.index])
        assert not fake.platform.owners


def test_a_lock_that_is_held_is_not_freed_and_its_holder_is_named() -> None:
    fake, things = machine(1)
    with fake.dispatch() as context:
        spinlocks.acquire(context, things.One, 0)
        with pytest.raises(BugCheck):
            spinlocks.free(context, things.One)
    assert fake.stop_report().sites[0].context == context.name
