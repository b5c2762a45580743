"""Functions whose gate lets every level through because Windows has a stop of their own for the wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.timers import TimerState
from emulator.layout.handles import HandleKind
from emulator.ndis import (
    NDIS_EVENT,
    NDIS_SPIN_LOCK,
    NONPAGED,
    NdisAcquireSpinLock,
    NdisAllocateMemoryWithTagPriority,
    NdisAllocateSpinLock,
    NdisCancelTimerObject,
    NdisDprAcquireSpinLock,
    NdisDprReleaseSpinLock,
    NdisInitializeEvent,
    NdisMAllocateSharedMemory,
    NdisReleaseSpinLock,
    NdisStallExecution,
    NdisWaitEvent,
    NormalPoolPriority,
    sizeof,
)
from emulator.ndis.gates.ddi import declarations
from emulator.rules.errors import BugCheck
from emulator.rules.irql import APC_LEVEL, DIRQL, DISPATCH_LEVEL, PASSIVE_LEVEL, irql_name
from tests.fake_platform import FakeMachine

if TYPE_CHECKING:
    from collections.abc import Callable


class THINGS(NONPAGED):
    """What the calls need."""

    Lock: NDIS_SPIN_LOCK
    Event: NDIS_EVENT


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without the gate, in whatever build the surface is."""
    return declarations[function.__name__].function


def things(fake: FakeMachine) -> THINGS:
    """A lock and an event in nonpaged memory."""
    made = plain(NdisAllocateMemoryWithTagPriority)(None, sizeof(THINGS), b"test", NormalPoolPriority)
    assert isinstance(made, THINGS)
    plain(NdisAllocateSpinLock)(made.Lock)
    plain(NdisInitializeEvent)(made.Event)
    assert fake.stop_report() is None
    return made


def wait(fake: FakeMachine) -> None:
    plain(NdisWaitEvent)(things(fake).Event, 1)


def acquire(fake: FakeMachine) -> None:
    plain(NdisDprAcquireSpinLock)(things(fake).Lock)


def dpr_release(fake: FakeMachine) -> None:
    plain(NdisDprReleaseSpinLock)(things(fake).Lock)


def release(fake: FakeMachine) -> None:
    plain(NdisReleaseSpinLock)(things(fake).Lock)


def cancel(fake: FakeMachine) -> None:
    made = fake.machine.objects[HandleKind.TIMER].allocate(HandleKind.TIMER, driver=0, parent=0, site=0)
    assert made is not None
    handle, timer = made
    timer.state = TimerState.IDLE
    timer.running, timer.set_site, timer.period = 0, 0, 1_000_000
    plain(NdisCancelTimerObject)(handle)


def share(fake: FakeMachine) -> None:
    made = fake.machine.objects[HandleKind.ADAPTER].allocate(HandleKind.ADAPTER, driver=0, parent=0, site=0)
    assert made is not None
    plain(NdisMAllocateSharedMemory)(made[0], 64, False)


def stall(fake: FakeMachine) -> None:
    del fake
    plain(NdisStallExecution)(51)


CASES: list[tuple[Callable[[FakeMachine], None], tuple[int, ...], int, int, str]] = [
    (wait, (APC_LEVEL, DISPATCH_LEVEL, DIRQL), 0x7C, 0x14, ""),
    (acquire, (PASSIVE_LEVEL, APC_LEVEL), 0xC4, 0x40, "SpinLockDpr"),
    (dpr_release, (PASSIVE_LEVEL, APC_LEVEL), 0xC4, 0x41, "SpinLockDpr"),
    (cancel, (APC_LEVEL, DISPATCH_LEVEL), 0xC4, 0xE5, "PeriodicTimer"),
    (share, (APC_LEVEL, DISPATCH_LEVEL), 0x7C, 0x01, ""),
    (stall, (PASSIVE_LEVEL, DISPATCH_LEVEL, DIRQL), 0xC4, 0xE5, "NdisStallExecution_Delay"),
]


@pytest.mark.parametrize(
    ("act", "irql", "code", "subcode", "rule"),
    [(act, irql, code, subcode, rule) for act, levels, code, subcode, rule in CASES for irql in levels],
    ids=lambda value: getattr(value, "__name__", None) or (irql_name(value) if isinstance(value, int) else None),
)
def test_the_documented_stop(act: Callable[[FakeMachine], None], irql: int, code: int, subcode: int, rule: str) -> None:
    fake = FakeMachine(builtin_types=(THINGS,), pool_bytes=1 << 16)
    with fake.running(fake.processor(), irql), pytest.raises(BugCheck):
        act(fake)
    report = fake.stop_report()
    assert (report.code, report.parameters[0], report.rule) == (code, subcode, rule)
    assert report.irql == irql


@pytest.mark.parametrize("irql", [PASSIVE_LEVEL, APC_LEVEL, DIRQL], ids=irql_name)
def test_a_release_off_its_level(irql: int) -> None:
    fake = FakeMachine(builtin_types=(THINGS,), pool_bytes=1 << 16)
    with fake.running(fake.processor(), irql), pytest.raises(BugCheck):
        release(fake)
    report = fake.stop_report()
    assert (report.code, report.parameters[0], report.rule) == (0xC4, 0x32, "SpinLockRelease")


def test_at_their_own_level_they_do_what_they_are_for() -> None:
    fake = FakeMachine(builtin_types=(THINGS,), pool_bytes=1 << 16)
    with fake.dispatch() as context:
        lock = things(fake).Lock
        plain(NdisDprAcquireSpinLock)(lock)
        plain(NdisDprReleaseSpinLock)(lock)
        assert context.irql == DISPATCH_LEVEL
    with fake.running(fake.processor()) as context:
        share(fake)
        cancel(fake)
        wait(fake)
        plain(NdisStallExecution)(0)
        lock = things(fake).Lock
        plain(NdisAcquireSpinLock)(lock)
        assert context.irql == DISPATCH_LEVEL
        plain(NdisReleaseSpinLock)(lock)
        assert context.irql == PASSIVE_LEVEL
    assert fake.stop_report() is None
