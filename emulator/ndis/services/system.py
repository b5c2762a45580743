"""Time, delay, processors, versions and DbgPrint.

Law: every clock is the platform's, so a run on the simulated machine repeats.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.kernel.waits import sleep_in_call
from emulator.layout.cells import LONG, LONGLONG
from emulator.layout.machine import ContextKind
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from emulator.rules.irql import ANY, AT_DISPATCH, AT_MOST_APC, AT_MOST_DISPATCH, AT_PASSIVE, DISPATCH_LEVEL

NDIS_MAJOR_VERSION = 6
NDIS_MINOR_VERSION = 87
DEBUG = 10
MAXIMUM_STALL_MICROSECONDS = 50
PERFORMANCE_FREQUENCY = 10_000_000
"""Ticks a second of the performance counter: 100 ns each, as on current Windows."""
DPC_TIME_LIMIT = 100_000
"""DpcTimeLimit in microseconds: what a single DPC may take before a driver should go on elsewhere (our choice; the page
names no unit and advises 100 microseconds).  The watchdog that ends a machine is the platform's and is longer."""

STATUS_SUCCESS: Final = NDIS_STATUS_SUCCESS
STATUS_UNSUCCESSFUL: Final = NDIS_STATUS_FAILURE


class PerformanceCounter(NamedTuple):
    """What KeQueryPerformanceCounter gives."""

    PerformanceCounter: int
    PerformanceFrequency: int


class KDPC_WATCHDOG_INFORMATION(NamedTuple):
    """How much time DPCs have: limits, and what is left of them; a limit of 0 says that there is none."""

    DpcTimeLimit: int = 0
    DpcTimeCount: int = 0
    DpcWatchdogLimit: int = 0
    DpcWatchdogCount: int = 0


class QueriedDpcWatchdog(NamedTuple):
    """What KeQueryDpcWatchdogInformation gives."""

    Status: NDIS_STATUS
    WatchdogInformation: KDPC_WATCHDOG_INFORMATION


@ddi(irql=AT_MOST_DISPATCH, rules=("Irql_Miscellaneous_Function",))
def NdisGetVersion() -> int:
    """The running NDIS: major version in the high 16 bits, minor in the low 16."""
    return NDIS_MAJOR_VERSION << 16 | NDIS_MINOR_VERSION


@ddi(irql=ANY)
def NdisGetSystemUpTimeEx() -> int:
    """Milliseconds since the machine started."""
    context = current.context
    return (context.platform.now() - context.machine.arena.machine.started) // 1_000_000


@ddi(irql=ANY, note="pSystemTime is written by NDIS, though the page marks it [in]: returned")
def NdisGetCurrentSystemTime() -> int:
    """The date in 100 ns units since 1601-01-01 UTC."""
    return current.context.platform.system_time()


@ddi(irql=ANY, page="nf-wdm-kequeryperformancecounter")
def KeQueryPerformanceCounter() -> PerformanceCounter:
    """A counter that never goes back, the same on every processor, and its ticks a second."""
    return PerformanceCounter(current.context.platform.now() // 100, PERFORMANCE_FREQUENCY)


@ddi(irql=AT_DISPATCH, page="nf-wdm-kequerydpcwatchdoginformation")
def KeQueryDpcWatchdogInformation() -> QueriedDpcWatchdog:
    """How much of its time the running DPC has left, in microseconds; UNSUCCESSFUL where no DPC runs.

    A series of DPCs has no limit of its own here: DpcWatchdogLimit is 0.
    """
    context = current.context
    if context.kind is not ContextKind.PROCESSOR or context.irql != DISPATCH_LEVEL or not context.box.entered:
        return QueriedDpcWatchdog(STATUS_UNSUCCESSFUL, KDPC_WATCHDOG_INFORMATION())
    spent = (context.platform.now() - context.box.entered) // 1000
    return QueriedDpcWatchdog(STATUS_SUCCESS, KDPC_WATCHDOG_INFORMATION(DPC_TIME_LIMIT, max(0, DPC_TIME_LIMIT - spent)))


@ddi(irql=AT_MOST_APC, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",))
def NdisMSleep(MicrosecondsToSleep: int, /) -> None:
    """Block the caller; below DISPATCH_LEVEL only."""
    context = current.context
    sleep_in_call(context, lambda: False, context.platform.now() + MicrosecondsToSleep * 1000)


@ddi(irql=ANY, rules=("NdisStallExecution_Delay",))
def NdisStallExecution(MicroSecondsToStall: int, /) -> None:
    """Keep the processor busy for at most 50 microseconds."""
    context = current.context
    if MicroSecondsToStall > MAXIMUM_STALL_MICROSECONDS:
        stop(
            0xC4,
            0xE5,
            context.irql,
            MicroSecondsToStall,
            rule="NdisStallExecution_Delay",
            ddi="NdisStallExecution",
            text=f"NdisStallExecution was asked for {MicroSecondsToStall} microseconds; at most 50 are allowed.",
        )
    until = context.platform.now() + MicroSecondsToStall * 1000
    while context.platform.now() < until:
        context.platform.switch("NdisStallExecution")


@ddi(irql=AT_DISPATCH, note="the page asks for DISPATCH_LEVEL so that the answer stays true")
def NdisCurrentProcessorIndex() -> int:
    """The caller's processor."""
    return current.context.processor


@ddi(irql=ANY, note="ActiveProcessors, a mask that NDIS writes, is left out: it says no more than the count")
def NdisSystemActiveProcessorCount() -> int:
    """Processors of the machine."""
    return current.context.machine.geometry.processors


@ddi(irql=AT_PASSIVE, rules=("Irql_Miscellaneous_Function",), note="header: <= HIGH_LEVEL; the page says PASSIVE_LEVEL")
def NdisSystemProcessorCount() -> int:
    """Processors of the machine."""
    return current.context.machine.geometry.processors


@ddi(irql=ANY, page="nf-wdm-dbgprint", note="<= DIRQL on Windows")
def DbgPrint(Format: str, *Arguments: Any) -> int:
    """Send a line to the debugger: here the machine's log, under ``driver.<name>``.  C's format directives."""
    context = current.context
    try:
        text = Format % tuple(map(_argument, Arguments)) if Arguments else Format
    except (TypeError, ValueError):  # C prints what it finds, or nothing
        text = f"{Format} {Arguments}"
    name = context.machine.images.driver_name(context.driver) or "unknown"
    context.platform.log(DEBUG, name, text.rstrip("\n"))
    return 0


def _argument(value: Any) -> Any:
    """A cell is passed by its value, as C passes any integer."""
    return value.value if isinstance(value, LONG | LONGLONG) else value


__all__ = [
    "KDPC_WATCHDOG_INFORMATION",
    "STATUS_SUCCESS",
    "STATUS_UNSUCCESSFUL",
    "DbgPrint",
    "KeQueryDpcWatchdogInformation",
    "KeQueryPerformanceCounter",
    "NdisCurrentProcessorIndex",
    "NdisGetCurrentSystemTime",
    "NdisGetSystemUpTimeEx",
    "NdisGetVersion",
    "NdisMSleep",
    "NdisStallExecution",
    "NdisSystemActiveProcessorCount",
    "NdisSystemProcessorCount",
]
