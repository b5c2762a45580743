"""Spin locks, events and interlocked operations as NDIS names them.

Law: the structures live in the driver's nonpaged memory; who holds and who waits is kept by the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel import events, irql, spinlocks
from emulator.kernel.platform import current
from emulator.kernel.spinlocks import NOT_HELD
from emulator.kernel.stop import stop
from emulator.ndis.gates.ddi import GateKind, ddi, wrong_irql
from emulator.rules.irql import ANY, AT_MOST_DISPATCH, AT_PASSIVE, DISPATCH_LEVEL

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.layout import LONG, NDIS_EVENT, NDIS_SPIN_LOCK

_SPIN_RULES = (
    "Irql_Synch_Function",
    "SpinLock",
    "SpinLockBalanced",
    "SpinLockDpr",
    "SpinLockDprRelease",
    "SpinlockRelease",
)
_SYNCH = ("Irql_Synch_Function",)


@ddi(irql=ANY, rules=("SpinLockDpr", "SpinLockDprRelease", "SpinlockRelease"), acquires="spin lock")
def NdisAllocateSpinLock(SpinLock: NDIS_SPIN_LOCK, /) -> None:
    """Initialise a spin lock in the driver's memory."""
    spinlocks.initialize(current.context, SpinLock)


@ddi(irql=ANY, releases="spin lock")
def NdisFreeSpinLock(SpinLock: NDIS_SPIN_LOCK, /) -> None:
    """Give back a spin lock that nobody holds."""
    spinlocks.free(current.context, SpinLock)


@ddi(irql=AT_MOST_DISPATCH, rules=_SPIN_RULES, gate=GateKind.LOCK)
def NdisAcquireSpinLock(SpinLock: NDIS_SPIN_LOCK, /) -> None:
    """Raise to DISPATCH_LEVEL and take the lock; not recursive."""
    context = current.context
    site = context.nowhere
    if context.irql != context.lone_level or context.lock_holders[index := SpinLock.index] or context.stop_word[0]:
        if context.irql > DISPATCH_LEVEL and context.machine.checked:
            wrong_irql(context, "NdisAcquireSpinLock")
        spinlocks.acquire(context, SpinLock, site)
        return
    context.lock_holders[index] = site
    context.held[index] = None


@ddi(
    irql=ANY,
    rules=_SPIN_RULES,
    note="DISPATCH_LEVEL; checked by the lock itself with 0xC4/0x32",
    gate=GateKind.LOCK,
)
def NdisReleaseSpinLock(SpinLock: NDIS_SPIN_LOCK, /) -> None:
    """Give the lock back and restore the IRQL that is kept for *this* lock."""
    context = current.context
    index = SpinLock.index
    if kept := context.held.pop(index, NOT_HELD):
        spinlocks.give_back(context, index, kept)
        return
    context.lock_holders[index] = 0


@ddi(
    irql=ANY,
    rules=_SPIN_RULES,
    note="DISPATCH_LEVEL; below it the verifier's own 0xC4/0x40",
    gate=GateKind.LOCK,
)
def NdisDprAcquireSpinLock(SpinLock: NDIS_SPIN_LOCK, /) -> None:
    """Take the lock at DISPATCH_LEVEL.  Bug check 0xC4/0x40 below it."""
    context = current.context
    site = context.nowhere
    if context.irql != context.lone_level or context.lock_holders[index := SpinLock.index] or context.stop_word[0]:
        if context.irql < DISPATCH_LEVEL:
            _below_dispatch(context, 0x40, "NdisDprAcquireSpinLock")
        spinlocks.acquire(context, SpinLock, site, raises=False)
        return
    context.lock_holders[index] = site
    context.held[index] = None


@ddi(
    irql=ANY,
    rules=_SPIN_RULES,
    note="DISPATCH_LEVEL; below it the verifier's own 0xC4/0x41",
    gate=GateKind.LOCK,
)
def NdisDprReleaseSpinLock(SpinLock: NDIS_SPIN_LOCK, /) -> None:
    """Give the lock back and stay at DISPATCH_LEVEL.  Bug check 0xC4/0x41 below it."""
    context = current.context
    index = SpinLock.index
    if kept := context.held.pop(index, NOT_HELD):
        if context.irql < DISPATCH_LEVEL:
            _below_dispatch(context, 0x41, "NdisDprReleaseSpinLock")
        spinlocks.give_back(context, index, kept, lowers=False)
        return
    context.lock_holders[index] = 0


@ddi(irql=ANY, note="header: <= DISPATCH_LEVEL; the page says any level, and nothing in it needs less")
def NdisInitializeEvent(Event: NDIS_EVENT, /) -> None:
    """Initialise a notification event, not signalled."""
    events.initialize(Event)


@ddi(irql=AT_MOST_DISPATCH, rules=_SYNCH)
def NdisSetEvent(Event: NDIS_EVENT, /) -> None:
    """Signal the event; everybody who waits goes on."""
    events.set_event(current.context, _initialized(Event))


@ddi(irql=AT_MOST_DISPATCH, rules=_SYNCH)
def NdisResetEvent(Event: NDIS_EVENT, /) -> None:
    """Take the signal away."""
    events.reset_event(current.context, _initialized(Event))


@ddi(irql=AT_PASSIVE, rules=("Irql_Miscellaneous_Function",))
def NdisWaitEvent(Event: NDIS_EVENT, MsToWait: int, /) -> bool:
    """Wait until the event is signalled, at most ``MsToWait`` milliseconds (0: for ever); was it?"""
    context = current.context
    if context.irql != 0:
        stop(0x7C, 0x14, context.irql, text="NdisWaitEvent was called above PASSIVE_LEVEL.", ddi="NdisWaitEvent")
    deadline = context.platform.now() + MsToWait * 1_000_000 if MsToWait else None
    signalled = events.wait_event(context, _initialized(Event), deadline)
    context.machine.services.round(context)
    return signalled


@ddi(irql=ANY, gate=GateKind.LEAF)
def NdisInterlockedIncrement(Addend: LONG, /) -> int:
    """Add one in one indivisible step; the new value."""
    return _signed(Addend, current.context.platform.fetch_add(Addend, 1) + 1)


@ddi(irql=ANY, gate=GateKind.LEAF)
def NdisInterlockedDecrement(Addend: LONG, /) -> int:
    """Take one away in one indivisible step; the new value."""
    return _signed(Addend, current.context.platform.fetch_add(Addend, -1) - 1)


@ddi(
    irql=ANY,
    page="nf-wdm-interlockedexchange",
    note="a function of the kernel, not of NDIS; its page says any level",
    gate=GateKind.LEAF,
)
def InterlockedExchange(Target: LONG, Value: int, /) -> int:
    """Store in one indivisible step; the old value."""
    return current.context.platform.exchange(Target, Value)


@ddi(
    irql=ANY,
    page="nf-wdm-interlockedcompareexchange",
    note="a function of the kernel, not of NDIS; its page says any level",
    gate=GateKind.LEAF,
)
def InterlockedCompareExchange(Destination: LONG, ExChange: int, Comperand: int, /) -> int:
    """Store ``ExChange`` if the cell holds ``Comperand``, in one indivisible step; the old value."""
    return current.context.platform.compare_exchange(Destination, Comperand, ExChange)


@ddi(
    irql=ANY,
    page="nf-wdm-interlockedexchangeadd",
    note="a function of the kernel, not of NDIS; its page says any level",
    gate=GateKind.LEAF,
)
def InterlockedExchangeAdd(Addend: LONG, Value: int, /) -> int:
    """Add in one indivisible step; the old value."""
    return current.context.platform.fetch_add(Addend, Value)


@ddi(irql=ANY, gate=GateKind.LEAF)
def NdisInterlockedAddLargeStatistic(Addend: Any, Increment: int, /) -> None:
    """Add to a 64-bit statistic in one indivisible step."""
    current.context.platform.fetch_add(Addend, Increment)


@ddi(irql=AT_MOST_DISPATCH, rules=("Irql_IrqlSetting_Function",))
def NDIS_RAISE_IRQL_TO_DISPATCH() -> int:
    """Go to DISPATCH_LEVEL; the IRQL before, to be given to NDIS_LOWER_IRQL."""
    return irql.raise_irql(current.context, DISPATCH_LEVEL)


@ddi(irql=ANY, rules=("Irql_IrqlSetting_Function",))
def NDIS_LOWER_IRQL(OldIrql: int, CurIrql: int, /) -> None:
    """Go back to ``OldIrql``."""
    del CurIrql
    irql.lower_irql(current.context, OldIrql)


@ddi(irql=ANY, page="nf-wdm-kegetcurrentirql")
def KeGetCurrentIrql() -> int:
    """The IRQL of the caller."""
    return current.context.irql


def _below_dispatch(context: Context, what: int, name: str) -> NoReturn:
    """The verifier's stop for the two that are for DPCs alone."""
    stop(0xC4, what, context.irql, rule="SpinLockDpr", text=f"{name} was called below DISPATCH_LEVEL.", ddi=name)


def _signed(cell: Any, value: int) -> int:
    bits = 64 if type(cell).__name__ == "LONGLONG" else 32
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _initialized(event: Any) -> Any:
    if event.magic != events.EVENT_MAGIC:
        stop(0xC4, 0x1002, text="An event was used that NdisInitializeEvent has not initialised.")
    return event


__all__ = [
    "NDIS_LOWER_IRQL",
    "NDIS_RAISE_IRQL_TO_DISPATCH",
    "InterlockedCompareExchange",
    "InterlockedExchange",
    "InterlockedExchangeAdd",
    "KeGetCurrentIrql",
    "NdisAcquireSpinLock",
    "NdisAllocateSpinLock",
    "NdisDprAcquireSpinLock",
    "NdisDprReleaseSpinLock",
    "NdisFreeSpinLock",
    "NdisInitializeEvent",
    "NdisInterlockedAddLargeStatistic",
    "NdisInterlockedDecrement",
    "NdisInterlockedIncrement",
    "NdisReleaseSpinLock",
    "NdisResetEvent",
    "NdisSetEvent",
    "NdisWaitEvent",
]
