"""Reader/writer locks of both kinds: who may hold one beside whom, recursion, IRQL, death, room in the lock table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.blackbox import lock_name
from emulator.kernel import rwlocks
from emulator.layout.machine import SystemLock
from emulator.ndis import LOCK_STATE, LOCK_STATE_EX, NDIS_RW_LOCK, NDIS_RW_LOCK_EX, NONPAGED, NdisAllocateRWLock
from emulator.rules.errors import BugCheck, MachineStopped
from emulator.rules.irql import DISPATCH_LEVEL, PASSIVE_LEVEL
from tests.fake_platform import FakeMachine, WouldBlock
from tests.ndis.ungated import ddi

if TYPE_CHECKING:
    from emulator.kernel.context import Context

FIRST = int(SystemLock.FIRST_DRIVER)


class EMBEDS(NONPAGED):
    """A context with a lock of the older kind."""

    Lock: NDIS_RW_LOCK
    State: LOCK_STATE


def machine(**geometry: Any) -> FakeMachine:
    return FakeMachine(builtin_types=(NDIS_RW_LOCK_EX, EMBEDS), processors=2, pool_bytes=1 << 16, **geometry)


def acquire(lock: Any, *, write: bool = False, flags: int = 0) -> LOCK_STATE_EX:
    state = LOCK_STATE_EX()
    ddi("NdisAcquireRWLockWrite" if write else "NdisAcquireRWLockRead")(lock, state, flags)
    return state


def release(lock: Any, state: Any) -> None:
    ddi("NdisReleaseRWLock")(lock, state)


def held_by(context: Context) -> list[int]:
    """What the host reads of it."""
    return [lock for lock, site in enumerate(context.lock_holders) if site >> 16 == context.slot]


def allocate(fake: FakeMachine) -> Any:
    with fake.running(fake.processor(0)):
        lock = ddi(NdisAllocateRWLock.__name__)(None)
    assert lock is not None
    return lock


def test_readers_share_and_raise_to_dispatch_level() -> None:
    fake = machine()
    lock = allocate(fake)
    with fake.running(fake.processor(0)) as first:
        mine = acquire(lock)
        assert first.irql == DISPATCH_LEVEL
        with fake.running(fake.processor(1)) as second:
            its = acquire(lock)
            release(lock, its)
            assert second.irql == PASSIVE_LEVEL
        release(lock, mine)
        assert first.irql == PASSIVE_LEVEL
        assert not first.held
    ddi("NdisFreeRWLock")(lock)
    assert not any(fake.arena.lock_used)
    assert not any(owner for lock_, owner in fake.platform.owners.items() if lock_ >= FIRST)


@pytest.mark.parametrize(("holds", "wants"), [(True, True), (True, False), (False, True)])
def test_a_writer_is_alone(holds: bool, wants: bool) -> None:
    fake = machine()
    lock = allocate(fake)
    with fake.running(fake.processor(1)):
        state = acquire(lock, write=holds)
        with fake.running(fake.processor(0)), pytest.raises(WouldBlock):
            acquire(lock, write=wants)
        release(lock, state)


def test_a_holder_takes_it_again_and_the_last_release_frees_it() -> None:
    fake = machine()
    lock = allocate(fake)
    with fake.running(fake.processor(0)) as context:
        for write in (False, True):
            states = [acquire(lock, write=write), acquire(lock, write=write), acquire(lock)]
            assert len(context.held) == 3
            release(lock, states.pop())
            release(lock, states.pop())
            assert context.irql == DISPATCH_LEVEL
            with fake.running(fake.processor(1)), pytest.raises(WouldBlock):
                acquire(lock, write=True)
            fake.platform.owners = {key: slot for key, slot in fake.platform.owners.items() if slot == context.slot}
            fake.processor(1).irql = PASSIVE_LEVEL
            release(lock, states.pop())
            assert (context.irql, context.held, held_by(context)) == (PASSIVE_LEVEL, {}, [])


def test_with_the_flag_the_irql_is_neither_raised_nor_lowered() -> None:
    fake = machine()
    lock = allocate(fake)
    with fake.dispatch() as context:
        state = acquire(lock, flags=1)
        release(lock, state)
        assert context.irql == DISPATCH_LEVEL


def test_locks_may_be_released_in_any_order() -> None:
    fake = machine()
    one, other = allocate(fake), allocate(fake)
    with fake.running(fake.processor(0)) as context:
        outer, inner = acquire(one), acquire(other, write=True)
        release(one, outer)
        assert list(context.held) == [other.rw_lock.first]
        assert held_by(context) == [other.rw_lock.first, other.rw_lock.first + 1]
        context.irql = DISPATCH_LEVEL  # the outer one's state had the level to return to, as on Windows
        release(other, inner)


@pytest.mark.parametrize("write", [False, True])
def test_who_meets_a_dead_holder_leaves(write: bool) -> None:
    fake = machine()
    lock = allocate(fake)
    fake.platform.dead_owners.add(lock.rw_lock.first)
    with fake.running(fake.processor(0)), pytest.raises(MachineStopped):
        acquire(lock, write=write)


def test_null_when_the_lock_table_or_the_pool_is_full() -> None:
    fake = machine(driver_locks=3)
    first = allocate(fake)
    with fake.running(fake.processor(0)):
        assert ddi("NdisAllocateRWLock")(None) is None
        assert len(fake.machine.pool.live()) == 1
        ddi("NdisFreeRWLock")(first)
        while fake.machine.pool.allocate(8, tag=1, type_number=0, site=0, driver=0, owner=0) is not None:
            pass
        assert ddi("NdisAllocateRWLock")(None) is None


def test_the_post_mortem_tells_it_from_a_spin_lock() -> None:
    fake = machine()
    lock = allocate(fake)
    assert lock_name(fake.arena, lock.rw_lock.first) == "reader/writer lock 0"
    assert lock_name(fake.arena, lock.rw_lock.first + 2) == "spin lock 2"


def test_what_is_no_lock_is_refused() -> None:
    fake = machine()
    with fake.running(fake.processor(0)), pytest.raises(BugCheck):
        acquire(object())
    assert fake.stop_report().parameters[0] == 0x1002


# -- the older kind ---------------------------------------------------------------------------------------------------
def embedded(fake: FakeMachine) -> Any:
    from emulator.kernel.pointers import load_block, sizeof

    pointer = fake.machine.pool.allocate(
        sizeof(EMBEDS), tag=1, type_number=fake.images.type_numbers[EMBEDS], site=0, driver=0, owner=0
    )
    assert pointer is not None
    return load_block(fake.processor(0), pointer)


def test_an_embedded_lock_keeps_its_entries_when_it_is_initialised_again() -> None:
    fake = machine()
    with fake.running(fake.processor(0)) as context:
        thing = embedded(fake)
        ddi("NdisInitializeReadWriteLock")(thing.Lock)
        first = thing.Lock.first
        ddi("NdisInitializeReadWriteLock")(thing.Lock)
        assert (thing.Lock.first, sum(map(bool, fake.arena.lock_used))) == (first, 2)
        ddi("NdisAcquireReadWriteLock")(thing.Lock, True, thing.State)
        assert context.irql == DISPATCH_LEVEL
        ddi("NdisReleaseReadWriteLock")(thing.Lock, thing.State)
        assert context.irql == PASSIVE_LEVEL


def test_the_older_dpr_functions_stay_at_dispatch_level() -> None:
    fake = machine()
    with fake.dispatch() as context:
        thing = embedded(fake)
        ddi("NdisInitializeReadWriteLock")(thing.Lock)
        ddi("NdisDprAcquireReadWriteLock")(thing.Lock, False, thing.State)
        assert list(context.held) == [thing.Lock.first]
        ddi("NdisDprReleaseReadWriteLock")(thing.Lock, thing.State)
        assert (context.irql, context.held) == (DISPATCH_LEVEL, {})


def test_entries_of_embedded_locks_whose_memory_is_gone_are_taken_back() -> None:
    fake = machine(driver_locks=4)
    with fake.running(fake.processor(0)):
        things = [embedded(fake) for _ in range(3)]
        for thing in things[:2]:
            ddi("NdisInitializeReadWriteLock")(thing.Lock)
        fake.machine.pool.free(things[0]._pointer, site=0)
        ddi("NdisInitializeReadWriteLock")(things[2].Lock)
        assert things[2].Lock.first == FIRST
        assert things[1].Lock.first == FIRST + 2


def test_an_embedded_lock_that_nobody_else_could_see_is_refused() -> None:
    fake = machine()
    with fake.running(fake.processor(0)), pytest.raises(BugCheck):
        ddi("NdisInitializeReadWriteLock")(NDIS_RW_LOCK())
    assert fake.stop_report().name == "VNIC_PRIVATE_DATA"


def test_when_the_table_is_full_of_live_ones_that_is_said() -> None:
    fake = machine(driver_locks=3)
    with fake.running(fake.processor(0)):
        one, other = embedded(fake), embedded(fake)
        ddi("NdisInitializeReadWriteLock")(one.Lock)
        with pytest.raises(BugCheck):
            ddi("NdisInitializeReadWriteLock")(other.Lock)
    assert fake.stop_report().name == "VNIC_TABLE_FULL"


def test_a_held_lock_is_not_freed_by_a_reader_elsewhere() -> None:
    fake = machine()
    lock = allocate(fake)
    with fake.running(fake.processor(1)):
        acquire(lock)
    with fake.running(fake.processor(0)), pytest.raises(BugCheck):
        ddi("NdisFreeRWLock")(lock)
    assert fake.stop_report().parameters[0] == rwlocks.HELD_WHEN_FREED
