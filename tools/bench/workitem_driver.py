"""The driver of the work-item benchmark: a miniport without traffic whose timer queues work items at DISPATCH_LEVEL.

Law: it does what any driver may and nothing more, on the small miniport of the tests; each counter has one writer.
Registry values say what it does: with ``LoneItems`` so many single items, each ``PauseMicroseconds`` after the last has
run, in which the processor sleeps or, with ``Awake``, does not; with ``Outstanding`` so many that queue themselves
again, so that as many are outstanding all the time; without, items without rest.
"""

# A driver: Microsoft's names, and the star import by which it includes a header.
# ruff: noqa: F403, F405, N802, N803

from __future__ import annotations

from typing import Any, Final

from emulator.ndis import *
from tests.bad_drivers.base_miniport import MILLISECOND, TAG
from tests.bad_drivers.include import include

ITEMS: Final = 1024  # a power of two; as many may wait as with the peers
TURN: Final = 256  # items queued in one call of the timer's routine, so that the processor serves others in between
AWAKE_TURN: Final = 16  # single items queued in one call of the timer's routine
LONGEST_WAIT: Final = 1000  # looks for the end of an item, about a microsecond each, before the routine gives way
LONGEST_PAUSE_MS: Final = 5000

include(globals(), "miniport")


class ADAPTER(NONPAGED):
    """The context of the adapter.  The timer's routine writes Queued, Moment and Idle, the items' routines the rest."""

    Handle: AdapterHandle
    Timer: TimerHandle
    Lock: NDIS_SPIN_LOCK
    Event: NDIS_EVENT
    Items: PVOID
    Samples: PVOID
    LoneItems: u32
    Pause: u32
    Awake: u32
    Outstanding: u32
    Alive: LONG
    Pausing: u32
    Idle: u32
    Queued: u64
    Moment: u64
    Ran: u64


@NDIS_TIMER_FUNCTION
def MPQueueWithoutRest(first: Any, Adapter: ADAPTER, second: Any, third: Any) -> None:
    """Queue what there is room for, then have another turn; when the queue is nearly full, in a millisecond."""
    if Adapter.Pausing:
        Adapter.Idle = 1
        return
    queued = Adapter.Queued
    room = ITEMS - (queued - Adapter.Ran)
    if room < TURN:
        NdisSetTimerObject(Adapter.Timer, MILLISECOND, 0, None)
        return
    items = Adapter.Items.view.cast("Q")
    for number in range(queued, queued + TURN):
        NdisQueueIoWorkItem(items[number & ITEMS - 1], MPCount, Adapter)
    Adapter.Queued = queued + TURN
    NdisSetTimerObject(Adapter.Timer, 0, 0, None)


@NDIS_IO_WORKITEM_FUNCTION
def MPCount(Adapter: ADAPTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Count."""
    Adapter.Ran += 1


def MPQueueLoneItem(Adapter: ADAPTER) -> bool:
    """Queue a single item, if there is one more to queue."""
    queued = Adapter.Queued
    if Adapter.Pausing or queued == Adapter.LoneItems:
        Adapter.Idle = 1
        return False
    item = Adapter.Items.view.cast("Q")[0]
    Adapter.Queued = queued + 1
    Adapter.Moment = KeQueryPerformanceCounter().PerformanceCounter
    NdisQueueIoWorkItem(item, MPTime, Adapter)
    return True


@NDIS_TIMER_FUNCTION
def MPQueueOne(first: Any, Adapter: ADAPTER, second: Any, third: Any) -> None:
    """Queue a single item; its routine sets the timer for the next one."""
    MPQueueLoneItem(Adapter)


@NDIS_TIMER_FUNCTION
def MPQueueAwake(first: Any, Adapter: ADAPTER, second: Any, third: Any) -> None:
    """Queue single items and stay on the processor between them."""
    for _ in range(AWAKE_TURN):
        for _ in range(LONGEST_WAIT):
            if Adapter.Ran == Adapter.Queued:
                break
            NdisStallExecution(1)
        else:
            break
        NdisStallExecution(Adapter.Pause)
        if not MPQueueLoneItem(Adapter):
            return
    NdisSetTimerObject(Adapter.Timer, 0, 0, None)


@NDIS_IO_WORKITEM_FUNCTION
def MPTime(Adapter: ADAPTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Keep how long ago the item was queued, and let the timer queue the next one after a pause."""
    now, frequency = KeQueryPerformanceCounter()
    ran = Adapter.Ran
    samples = Adapter.Samples.view.cast("Q")
    samples[ran] = (now - Adapter.Moment) * (1_000_000_000 // frequency)
    Adapter.Ran = ran = ran + 1
    if ran == Adapter.LoneItems:
        DbgPrint("lone %s", " ".join(map(str, samples[:ran])))
    if not Adapter.Awake:
        NdisSetTimerObject(Adapter.Timer, -10 * Adapter.Pause, 0, None)


@NDIS_TIMER_FUNCTION
def MPQueueAll(first: Any, Adapter: ADAPTER, second: Any, third: Any) -> None:
    """Queue the next items, each for the first time; then have another turn, until all of them are on their way."""
    queued = Adapter.Queued
    end = min(queued + TURN, Adapter.Outstanding)
    if Adapter.Pausing or queued == end:
        Adapter.Idle = 1
        return
    items = Adapter.Items.view.cast("Q")
    InterlockedExchangeAdd(Adapter.Alive, end - queued)
    for number in range(queued, end):
        NdisQueueIoWorkItem(items[number], MPCirculate, Adapter)
    Adapter.Queued = end
    NdisSetTimerObject(Adapter.Timer, 0, 0, None)


@NDIS_IO_WORKITEM_FUNCTION
def MPCirculate(Adapter: ADAPTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Queue the item again, until there is a pause."""
    if Adapter.Pausing:
        InterlockedExchangeAdd(Adapter.Alive, -1)
    else:
        NdisQueueIoWorkItem(NdisIoWorkItemHandle, MPCirculate, Adapter)


def MPReadRegistry(Adapter: ADAPTER) -> None:
    """What to do."""
    _, configuration = NdisOpenConfigurationEx(
        NDIS_CONFIGURATION_OBJECT(
            Header=NDIS_OBJECT_HEADER(0xA9, 1, NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1),
            NdisHandle=Adapter.Handle,
        )
    )
    if configuration is None:
        return
    kind = NDIS_PARAMETER_TYPE.NdisParameterInteger
    values = []
    for keyword in ("LoneItems", "PauseMicroseconds", "Awake", "Outstanding"):
        _, value = NdisReadConfiguration(configuration, keyword, kind)
        values.append(0 if value is None else value.ParameterData.IntegerData)
    Adapter.LoneItems, Adapter.Pause, Adapter.Awake, Adapter.Outstanding = values
    NdisCloseConfiguration(configuration)


def MPAllocate(Adapter: ADAPTER) -> NDIS_STATUS:
    """What to do; the timer, the items and the room for the samples."""
    MPReadRegistry(Adapter)
    handle = Adapter.Handle
    many = MPQueueAll if Adapter.Outstanding else MPQueueWithoutRest
    single = MPQueueAwake if Adapter.Awake else MPQueueOne
    count = Adapter.Outstanding or (1 if Adapter.LoneItems else ITEMS)
    status, timer = NdisAllocateTimerObject(
        handle,
        NDIS_TIMER_CHARACTERISTICS(
            Header=NDIS_OBJECT_HEADER(0x97, 1, NDIS_SIZEOF_TIMER_CHARACTERISTICS_REVISION_1),
            AllocationTag=TAG,
            TimerFunction=single if Adapter.LoneItems else many,
            FunctionContext=Adapter,
        ),
    )
    if timer is None:
        return status
    Adapter.Timer = timer
    Adapter.Samples = NdisAllocateMemoryWithTagPriority(handle, 8 * max(1, Adapter.LoneItems), TAG, 0)
    Adapter.Items = NdisAllocateMemoryWithTagPriority(handle, 8 * count, TAG, 0)
    if Adapter.Samples is None or Adapter.Items is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Adapter.Items, 8 * count)
    items = Adapter.Items.view.cast("Q")
    for number in range(count):
        item = NdisAllocateIoWorkItem(handle)
        if item is None:
            return NDIS_STATUS_RESOURCES
        items[number] = item
    return NDIS_STATUS_SUCCESS


def MPFree(Adapter: ADAPTER) -> None:
    """Give everything of the adapter back."""
    if Adapter.Items is not None:
        for item in Adapter.Items.view.cast("Q"):
            if item:
                NdisFreeIoWorkItem(WorkItemHandle(item))
        NdisFreeMemory(Adapter.Items, 0, 0)
    if Adapter.Samples is not None:
        NdisFreeMemory(Adapter.Samples, 0, 0)
    if Adapter.Timer:
        NdisFreeTimerObject(Adapter.Timer)
    NdisFreeSpinLock(Adapter.Lock)
    NdisFreeMemory(Adapter, 0, 0)


@MINIPORT_RESTART
def MPRestart(Adapter: ADAPTER, MiniportRestartParameters: NDIS_MINIPORT_RESTART_PARAMETERS) -> NDIS_STATUS:
    """Begin."""
    Adapter.Pausing = Adapter.Idle = 0
    NdisSetTimerObject(Adapter.Timer, MILLISECOND, 0, None)
    return NDIS_STATUS_SUCCESS


@MINIPORT_PAUSE
def MPPause(Adapter: ADAPTER, MiniportPauseParameters: NDIS_MINIPORT_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """Come to an end: wait until the timer's routine queues no more and every item has run, then say the counts."""
    Adapter.Pausing = 1
    for _ in range(LONGEST_PAUSE_MS):
        # Items that queue themselves are counted when they no longer do, the others as they run.
        if Adapter.Idle and (not Adapter.Alive.value if Adapter.Outstanding else Adapter.Ran == Adapter.Queued):
            break
        NdisMSleep(1000)
    NdisCancelTimerObject(Adapter.Timer)
    DbgPrint("queued %u ran %u", Adapter.Queued, Adapter.Ran)
    return NDIS_STATUS_SUCCESS
