"""What a line of the bug check table is, and every bug check that does not belong to NDIS itself.

Law: data only. A meaning says what Windows documents; where Windows documents no code for a mistake and we had to
choose one, the entry's `choice` says so and why.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Subcode(NamedTuple):
    """One value (or one run of values) of the first parameter, with the meaning of the other three."""

    value: int
    name: str
    meaning: str
    p2: str = ""
    p3: str = ""
    p4: str = ""
    last: int | None = None
    source: str = ""

    def covers(self, value: int) -> bool:
        """Tell whether this line speaks about a first parameter."""
        return self.value <= value <= (self.value if self.last is None else self.last)


class BugCheckEntry(NamedTuple):
    """One bug check: its code, its name, and what its four parameters mean."""

    code: int
    name: str
    meaning: str
    source: str
    p1: str = ""
    p2: str = ""
    p3: str = ""
    p4: str = ""
    subcodes: tuple[Subcode, ...] = ()
    choice: str = ""

    def subcode(self, value: int) -> Subcode | None:
        """Return the line for a first parameter, the narrowest one where several speak about it."""
        lines = [line for line in self.subcodes if line.covers(value)]
        return min(lines, key=lambda line: (line.last or line.value) - line.value, default=None)


IRQL_NOT_LESS_OR_EQUAL: Final = 0x0A
KMODE_EXCEPTION_NOT_HANDLED: Final = 0x1E
MULTIPLE_IRP_COMPLETE_REQUESTS: Final = 0x44
BUGCODE_NDIS_DRIVER: Final = 0x7C
SYSTEM_THREAD_EXCEPTION_NOT_HANDLED: Final = 0x7E
INVALID_WORK_QUEUE_ITEM: Final = 0x96
DRIVER_POWER_STATE_FAILURE: Final = 0x9F
ATTEMPTED_SWITCH_FROM_DPC: Final = 0xB8
SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION: Final = 0xC1
BAD_POOL_CALLER: Final = 0xC2
DRIVER_VERIFIER_DETECTED_VIOLATION: Final = 0xC4
DRIVER_CORRUPTED_EXPOOL: Final = 0xC5
TIMER_OR_DPC_INVALID: Final = 0xC7
IRQL_UNEXPECTED_VALUE: Final = 0xC8
DRIVER_VERIFIER_IOMANAGER_VIOLATION: Final = 0xC9
PAGE_FAULT_IN_FREED_SPECIAL_POOL: Final = 0xCC
PAGE_FAULT_BEYOND_END_OF_ALLOCATION: Final = 0xCD
DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS: Final = 0xCE
DRIVER_IRQL_NOT_LESS_OR_EQUAL: Final = 0xD1
BUGCODE_ID_DRIVER: Final = 0xD2
DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL: Final = 0xD5
DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION: Final = 0xD6
IMPERSONATING_WORKER_THREAD: Final = 0xDF
WORKER_THREAD_RETURNED_AT_BAD_IRQL: Final = 0xE1
WORKER_INVALID: Final = 0xE4
ACTIVE_EX_WORKER_THREAD_TERMINATION: Final = 0xE9
THREAD_STUCK_IN_DEVICE_DRIVER: Final = 0xEA
WORKER_THREAD_RETURNED_WITH_BAD_IO_PRIORITY: Final = 0x128
WORKER_THREAD_RETURNED_WITH_BAD_PAGING_IO_PRIORITY: Final = 0x129
DPC_WATCHDOG_VIOLATION: Final = 0x133
KERNEL_SECURITY_CHECK_FAILURE: Final = 0x139
WORKER_THREAD_RETURNED_WITH_SYSTEM_PAGE_PRIORITY_ACTIVE: Final = 0x15B
BUGCODE_NDIS_DRIVER_LIVE_DUMP: Final = 0x15E
WORKER_THREAD_TEST_CONDITION: Final = 0x163
WORKER_THREAD_RETURNED_WHILE_ATTACHED_TO_SILO: Final = 0x19A
WORKER_THREAD_INVALID_STATE: Final = 0x1D2
WORKER_THREAD_RETURNED_WITH_NON_DEFAULT_WORKLOAD_CLASS: Final = 0x1D6

_READ_WRITE: Final = "0 read, 1 write"
_DEBUGGER: Final = "debugger/bug-check-0x"


def _page(code: int) -> str:
    return f"{_DEBUGGER}{code:x}"


def _special_pool(code: int, name: str, meaning: str) -> BugCheckEntry:
    return BugCheckEntry(code, name, meaning, _page(code), "address", _READ_WRITE, "instruction address", "reserved")


def _returned(code: int, name: str, meaning: str, found: str) -> BugCheckEntry:
    return BugCheckEntry(code, name, meaning, _page(code), "worker routine", found, "work item parameter", "work item")


GENERAL: Final[tuple[BugCheckEntry, ...]] = (
    BugCheckEntry(
        MULTIPLE_IRP_COMPLETE_REQUESTS,
        "MULTIPLE_IRP_COMPLETE_REQUESTS",
        "a driver tried to have an IRP completed that is completed already",
        _page(0x44),
        "IRP",
        "reserved",
        "reserved",
        "reserved",
    ),
    BugCheckEntry(
        DRIVER_VERIFIER_IOMANAGER_VIOLATION,
        "DRIVER_VERIFIER_IOMANAGER_VIOLATION",
        "a driver broke a rule of the I/O manager",
        _page(0xC9),
        "kind",
        subcodes=(
            Subcode(0x06, "", "an IRP was completed with a status that is none to complete it with", "status", "IRP"),
            Subcode(0x07, "", "an IRP was completed while it has a cancel routine", "cancel routine", "IRP"),
        ),
    ),
    BugCheckEntry(
        IRQL_NOT_LESS_OR_EQUAL,
        "IRQL_NOT_LESS_OR_EQUAL",
        "memory was touched at an IRQL at which it must not be",
        _page(0x0A),
        "address referenced",
        "IRQL",
        "bit 0: 0 read, 1 write; bit 3: execute",
        "instruction address",
    ),
    BugCheckEntry(
        KMODE_EXCEPTION_NOT_HANDLED,
        "KMODE_EXCEPTION_NOT_HANDLED",
        "an exception left a routine and nobody handled it",
        _page(0x1E),
        "exception code",
        "address at which it happened (here: the number of the routine)",
        "parameter 0 of the exception",
        "parameter 1 of the exception",
        choice="ours: a Python exception that leaves a callback at DISPATCH_LEVEL or above is taken for a kernel one",
    ),
    BugCheckEntry(
        SYSTEM_THREAD_EXCEPTION_NOT_HANDLED,
        "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
        "an exception left a routine that ran in a system thread",
        "debugger/bug-check-0x7e",
        "exception code",
        "address at which it happened (here: the number of the routine)",
        "exception record",
        "context record",
        choice="ours: a Python exception that leaves a callback below DISPATCH_LEVEL is this one",
    ),
    BugCheckEntry(
        INVALID_WORK_QUEUE_ITEM,
        "INVALID_WORK_QUEUE_ITEM",
        "the list links of a work queue item are bad",
        _page(0x96),
        "entry with a NULL link",
        "queue",
        "base of the worker queue array",
        "worker routine",
        choice="ours for an item that is queued after it was freed: its links belong to nobody",
    ),
    BugCheckEntry(
        DRIVER_POWER_STATE_FAILURE,
        "DRIVER_POWER_STATE_FAILURE",
        "a driver is in an inconsistent or invalid power state",
        _page(0x9F),
        "kind",
        subcodes=(
            Subcode(1, "", "freed device object with an outstanding power request", "device object"),
            Subcode(2, "", "power IRP finished without calling for the next", "target device", "", ""),
            Subcode(3, "", "device object blocks an IRP too long", "physical device object", "triage block", "IRP"),
            Subcode(
                4,
                "",
                "power transition waits for the PnP lock",
                "time-out in seconds",
                "thread that holds the lock",
                "triage block",
            ),
            Subcode(5, "", "directed power transition", last=6),
            Subcode(0x500, "", "power IRP finished without calling for the next"),
        ),
    ),
    BugCheckEntry(
        ATTEMPTED_SWITCH_FROM_DPC,
        "ATTEMPTED_SWITCH_FROM_DPC",
        "a wait, attach or yield was tried from a DPC",
        _page(0xB8),
        "original thread",
        "new thread",
        "stack address of the original thread",
        "reserved",
    ),
    BugCheckEntry(
        DRIVER_CORRUPTED_EXPOOL,
        "DRIVER_CORRUPTED_EXPOOL",
        "invalid memory was touched at too high an IRQL because pool was corrupted",
        _page(0xC5),
        "address referenced",
        "IRQL",
        _READ_WRITE,
        "instruction address",
    ),
    BugCheckEntry(
        TIMER_OR_DPC_INVALID,
        "TIMER_OR_DPC_INVALID",
        "a timer or DPC was found where it must not be",
        _page(0xC7),
        "kind",
        subcodes=(
            Subcode(0, "", "timer object in memory that must not hold one", "object", "start", "end"),
            Subcode(1, "", "DPC object in memory that must not hold one", "object", "start", "end"),
            Subcode(2, "", "DPC routine in memory that must not hold one", "routine", "start", "end"),
            Subcode(3, "", "DPC for a processor that does not exist", "object", "processor number", "processor count"),
            Subcode(4, "", "the DPC changed the APC disable count", "routine", "count before", "count after"),
        ),
    ),
    BugCheckEntry(
        IRQL_UNEXPECTED_VALUE,
        "IRQL_UNEXPECTED_VALUE",
        "a routine returned at another IRQL than it was called at",
        _page(0xC8),
        "current IRQL << 16 | expected IRQL << 8 | id (0, 1 APC; 2 call-out; 3 interrupt service routine)",
        "routine",
        "parameter (interrupt object for a service routine)",
        "normal routine for id 0 and 1",
    ),
    _special_pool(
        SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION,
        "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION",
        "special pool was written outside an allocation",
    ),
    _special_pool(
        PAGE_FAULT_IN_FREED_SPECIAL_POOL, "PAGE_FAULT_IN_FREED_SPECIAL_POOL", "freed special pool was touched"
    ),
    _special_pool(
        PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
        "PAGE_FAULT_BEYOND_END_OF_ALLOCATION",
        "the page beyond the end of an allocation was touched",
    ),
    BugCheckEntry(
        DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
        "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS",
        "a driver was unloaded while something of it was still to run",
        _page(0xCE),
        "address referenced",
        _READ_WRITE,
        "instruction address",
        "reserved",
    ),
    BugCheckEntry(
        DRIVER_IRQL_NOT_LESS_OR_EQUAL,
        "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
        "a driver touched memory at too high an IRQL",
        _page(0xD1),
        "address referenced",
        "IRQL",
        "0 read, 1 write, 2 or 8 execute",
        "instruction address",
    ),
    BugCheckEntry(BUGCODE_ID_DRIVER, "BUGCODE_ID_DRIVER", "NDIS 5 and earlier found a driver problem", _page(0xD2)),
    _special_pool(
        DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
        "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL",
        "a driver touched memory that it had freed",
    ),
    _special_pool(
        DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
        "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION",
        "a driver touched memory beyond the end of its allocation",
    ),
    BugCheckEntry(
        DPC_WATCHDOG_VIOLATION,
        "DPC_WATCHDOG_VIOLATION",
        "too long at DISPATCH_LEVEL or above",
        _page(0x133),
        "kind",
        subcodes=(
            Subcode(
                0, "", "one DPC or interrupt service routine ran too long", "ticks", "ticks allowed", "triage block"
            ),
            Subcode(1, "", "the time at DISPATCH_LEVEL or above added up", "watchdog period", "triage block"),
        ),
    ),
    BugCheckEntry(
        KERNEL_SECURITY_CHECK_FAILURE,
        "KERNEL_SECURITY_CHECK_FAILURE",
        "a critical data structure is corrupt",
        _page(0x139),
        "kind",
        "trap frame",
        "exception record",
        "reserved",
        subcodes=(Subcode(3, "", "corrupt LIST_ENTRY", "trap frame", "exception record", "reserved"),),
    ),
    BugCheckEntry(
        THREAD_STUCK_IN_DEVICE_DRIVER,
        "THREAD_STUCK_IN_DEVICE_DRIVER",
        "a thread does not come back from a driver",
        _page(0xEA),
        "stuck thread",
        "deferred watchdog object",
        "driver name",
        "count (in the debugger) or 1",
    ),
    # Worker threads: what is checked when a work item's routine returns, and what is wrong with an item itself.
    BugCheckEntry(
        IMPERSONATING_WORKER_THREAD,
        "IMPERSONATING_WORKER_THREAD",
        "a routine returned while impersonating",
        _page(0xDF),
        "worker routine",
        "work item parameter",
        "work item",
        "0",
    ),
    _returned(
        WORKER_THREAD_RETURNED_AT_BAD_IRQL,
        "WORKER_THREAD_RETURNED_AT_BAD_IRQL",
        "a work item's routine returned at another IRQL than PASSIVE_LEVEL",
        "IRQL it returned at",
    ),
    BugCheckEntry(
        WORKER_INVALID,
        "WORKER_INVALID",
        "a work item is in memory or in a state in which it must not be",
        _page(0xE4),
        "kind",
        subcodes=(
            Subcode(0, "", "an active work item was freed", "work item", "start of the pool block", "end of it"),
            Subcode(1, "", "an active work item was queued", "work item", "queue number", "0"),
            Subcode(2, "", "a queued I/O work item was freed", "work item", "I/O routine", "0"),
            Subcode(3, "", "an I/O work item has an invalid object", "work item", "invalid object", "0"),
            Subcode(5, "", "queued before the queues exist", "work item", "queue number", "NUMA node or -1"),
            Subcode(6, "", "queued to an invalid queue type", "work item"),
            Subcode(7, "", "queued with an invalid worker routine", "work item"),
        ),
    ),
    BugCheckEntry(
        ACTIVE_EX_WORKER_THREAD_TERMINATION,
        "ACTIVE_EX_WORKER_THREAD_TERMINATION",
        "a worker thread ended without being asked to",
        _page(0xE9),
        "thread that ended",
    ),
    _returned(
        WORKER_THREAD_RETURNED_WITH_BAD_IO_PRIORITY,
        "WORKER_THREAD_RETURNED_WITH_BAD_IO_PRIORITY",
        "a routine did not restore the I/O priority",
        "I/O priority found",
    ),
    _returned(
        WORKER_THREAD_RETURNED_WITH_BAD_PAGING_IO_PRIORITY,
        "WORKER_THREAD_RETURNED_WITH_BAD_PAGING_IO_PRIORITY",
        "a routine did not restore the paging I/O priority",
        "value found",
    ),
    _returned(
        WORKER_THREAD_RETURNED_WITH_SYSTEM_PAGE_PRIORITY_ACTIVE,
        "WORKER_THREAD_RETURNED_WITH_SYSTEM_PAGE_PRIORITY_ACTIVE",
        "a routine did not restore the page priority",
        "value found",
    ),
    BugCheckEntry(
        WORKER_THREAD_TEST_CONDITION,
        "WORKER_THREAD_TEST_CONDITION",
        "a test of the worker threads failed",
        _page(0x163),
        "active test flags",
        "flag of the test that failed",
        "reserved",
        "reserved",
    ),
    BugCheckEntry(
        WORKER_THREAD_RETURNED_WHILE_ATTACHED_TO_SILO,
        "WORKER_THREAD_RETURNED_WHILE_ATTACHED_TO_SILO",
        "a routine returned while attached to a silo",
        _page(0x19A),
        "worker routine",
        "work item parameter",
        "work item",
        "reserved",
    ),
    BugCheckEntry(
        WORKER_THREAD_INVALID_STATE,
        "WORKER_THREAD_INVALID_STATE",
        "a worker thread is in an invalid state",
        _page(0x1D2),
        "kind",
        subcodes=(Subcode(0, "", "the ending worker has I/O outstanding", "worker thread", "reserved", "reserved"),),
    ),
    _returned(
        WORKER_THREAD_RETURNED_WITH_NON_DEFAULT_WORKLOAD_CLASS,
        "WORKER_THREAD_RETURNED_WITH_NON_DEFAULT_WORKLOAD_CLASS",
        "a routine did not restore the workload class",
        "workload class",
    ),
)
