"""The kernel's own spin locks, mutexes, IRQL; processors by group; functions by name."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.kernel.pointers import make_in_pool
from emulator.ndis import KMUTEX, KSPIN_LOCK, NONPAGED
from emulator.rules.errors import BugCheck
from emulator.rules.irql import APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL
from tests.fake_platform import FakeMachine
from tests.ndis.ungated import ddi


class THINGS(NONPAGED):
    """A lock and a mutex."""

    Lock: KSPIN_LOCK
    Mutex: KMUTEX


@pytest.fixture
def fake() -> FakeMachine:
    made = FakeMachine(builtin_types=(THINGS,), processors=2, pool_bytes=1 << 16, driver_locks=2)
    made.processor()
    return made


def things(fake: FakeMachine) -> THINGS:
    made = make_in_pool(fake.processor(), THINGS)
    ddi("KeInitializeSpinLock")(made.Lock)
    ddi("NDIS_INIT_MUTEX")(made.Mutex)
    return made


@pytest.mark.parametrize(
    ("acquire", "release"),
    [
        ("KeAcquireSpinLock", "KeReleaseSpinLock"),
        ("KeAcquireSpinLockRaiseToDpc", "KeReleaseSpinLock"),
        ("KeAcquireSpinLockForDpc", "KeReleaseSpinLockForDpc"),
    ],
)
@pytest.mark.parametrize("irql", [PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL])
def test_a_spin_lock_raises_and_gives_the_level_back(fake: FakeMachine, acquire: str, release: str, irql: int) -> None:
    lock = things(fake).Lock
    with fake.running(fake.processor(), irql) as context:
        before = ddi(acquire)(lock)
        assert (before, context.irql, list(context.held)) == (irql, DISPATCH_LEVEL, [lock.index])
        ddi(release)(lock, before)
        assert (context.irql, list(context.held)) == (irql, [])


def test_at_dispatch_level_the_irql_stays(fake: FakeMachine) -> None:
    lock = things(fake).Lock
    with fake.dispatch() as context:
        ddi("KeAcquireSpinLockAtDpcLevel")(lock)
        ddi("KeReleaseSpinLockFromDpcLevel")(lock)
        assert (context.irql, list(context.held)) == (DISPATCH_LEVEL, [])


def test_locks_whose_memory_is_gone_give_their_entries_back(fake: FakeMachine) -> None:
    first, second = things(fake), things(fake)
    fake.machine.pool.free(first._pointer, site=0)  # type: ignore[attr-defined]
    third = things(fake)
    assert {second.Lock.index, third.Lock.index} == {112, 113}
    with pytest.raises(BugCheck):
        things(fake)
    assert fake.stop_report().name == "VNIC_TABLE_FULL"


def test_irql_goes_up_and_down(fake: FakeMachine) -> None:
    with fake.running(fake.processor()) as context:
        assert ddi("KeRaiseIrql")(APC_LEVEL) == PASSIVE_LEVEL
        assert ddi("KeRaiseIrqlToDpcLevel")() == APC_LEVEL
        assert context.irql == DISPATCH_LEVEL
        ddi("KeLowerIrql")(PASSIVE_LEVEL)
        assert context.irql == PASSIVE_LEVEL


def test_a_mutex_is_its_owners_as_often_as_it_was_taken(fake: FakeMachine) -> None:
    mutex = things(fake).Mutex
    with fake.running(fake.passive_worker()) as worker:
        ddi("NDIS_WAIT_FOR_MUTEX")(mutex)
        ddi("NDIS_WAIT_FOR_MUTEX")(mutex)
        ddi("NDIS_RELEASE_MUTEX")(mutex)
        assert mutex.owner == worker.slot + 1
        ddi("NDIS_RELEASE_MUTEX")(mutex)
        assert mutex.owner == 0


def test_who_waits_for_a_mutex_gets_it_when_it_is_free(fake: FakeMachine) -> None:
    mutex = things(fake).Mutex
    owner, waiter = fake.pnp(), fake.passive_worker()

    def on_sleep(context: Any, deadline: int | None) -> None:
        assert (context, mutex.waiters, deadline) == (waiter, 1 << waiter.slot, None)
        with fake.running(owner):
            ddi("NDIS_RELEASE_MUTEX")(mutex)
        assert fake.platform.rings == [waiter.slot]

    fake.platform.on_sleep = on_sleep
    with fake.running(owner):
        ddi("NDIS_WAIT_FOR_MUTEX")(mutex)
    with fake.running(waiter):
        ddi("NDIS_WAIT_FOR_MUTEX")(mutex)
        assert (mutex.owner, mutex.waiters) == (waiter.slot + 1, 0)
    with fake.running(owner), pytest.raises(BugCheck):
        ddi("NDIS_RELEASE_MUTEX")(mutex)
    assert fake.stop_report().code == 0x7E


def test_there_is_one_group(fake: FakeMachine) -> None:
    assert ddi("NdisActiveGroupCount")() == ddi("NdisMaxGroupCount")() == 1
    for name in ("NdisGroupActiveProcessorCount", "NdisGroupMaxProcessorCount"):
        assert [ddi(name)(group) for group in (0, 1, 0xFFFF)] == [2, 0, 2]
    assert [ddi("NdisGroupActiveProcessorMask")(group) for group in (0, 1)] == [0b11, 0]
    assert ddi("NdisGetSharedDataAlignment")() == 64
    with fake.dispatch(1):
        assert ddi("NdisCurrentGroupAndProcessor")() == (0, 1, 0)


def test_a_function_by_its_name(fake: FakeMachine) -> None:
    assert ddi("NdisGetRoutineAddress")("NdisGetVersion") is surface.NdisGetVersion
    assert ddi("NdisGetRoutineAddress")("NdisIfRegisterProvider7") is None
    assert fake.stop_report() is None
