"""Every stop that Windows knows for work items and worker threads, and how a run of a driver here can earn it.

Law: the list is that of the dossier (work_items.md, sections 3 and 6), whole; what cannot happen here says why, and
whatever can has a bad driver in the tests.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from emulator.rules import bugcheck_entries as _codes


class WorkerCheck(NamedTuple):
    """One stop: its code, its first parameter where that is a kind, what earns it, and why nothing can."""

    code: int
    kind: int | None
    text: str
    impossible: str = ""


_IMPERSONATION: Final = "no function of the emulator lets a driver impersonate a client"
_THREAD: Final = "no function of the emulator changes this attribute of a thread"
_INSIDE: Final = "a check that Windows makes of itself, for which no function of a driver is to blame"

WORKER_CHECKS: Final = (
    WorkerCheck(_codes.WORKER_INVALID, 0, "memory is freed with a queued work item in it; a freed item is used"),
    WorkerCheck(_codes.WORKER_INVALID, 1, "an item is queued that is in the queue"),
    WorkerCheck(_codes.WORKER_INVALID, 2, "an item is freed or uninitialised that is in the queue"),
    WorkerCheck(_codes.WORKER_INVALID, 3, "an item is for an object of another kind"),
    WorkerCheck(
        _codes.WORKER_INVALID, 5, "an item is queued before the queues exist", "they exist before any DriverEntry"
    ),
    WorkerCheck(_codes.WORKER_INVALID, 6, "an item is queued to a queue that does not exist"),
    WorkerCheck(_codes.WORKER_INVALID, 7, "an item is queued without a routine"),
    WorkerCheck(_codes.INVALID_WORK_QUEUE_ITEM, None, "a queued item's links are overwritten"),
    WorkerCheck(_codes.WORKER_THREAD_RETURNED_AT_BAD_IRQL, None, "a routine returns above PASSIVE_LEVEL"),
    WorkerCheck(
        _codes.IMPERSONATING_WORKER_THREAD, None, "a routine returns while it impersonates a client", _IMPERSONATION
    ),
    WorkerCheck(
        _codes.WORKER_THREAD_RETURNED_WITH_BAD_IO_PRIORITY, None, "a routine leaves another I/O priority", _THREAD
    ),
    WorkerCheck(_codes.WORKER_THREAD_RETURNED_WITH_BAD_PAGING_IO_PRIORITY, None, "the same for paging I/O", _THREAD),
    WorkerCheck(
        _codes.WORKER_THREAD_RETURNED_WITH_SYSTEM_PAGE_PRIORITY_ACTIVE,
        None,
        "a routine leaves the system's page priority active",
        _THREAD,
    ),
    WorkerCheck(
        _codes.WORKER_THREAD_RETURNED_WHILE_ATTACHED_TO_SILO, None, "a routine returns attached to a silo", "no silos"
    ),
    WorkerCheck(
        _codes.WORKER_THREAD_RETURNED_WITH_NON_DEFAULT_WORKLOAD_CLASS,
        None,
        "a routine leaves another workload class",
        _THREAD,
    ),
    WorkerCheck(_codes.ACTIVE_EX_WORKER_THREAD_TERMINATION, None, "a routine ends its thread"),
    WorkerCheck(_codes.WORKER_THREAD_TEST_CONDITION, None, "a test flag is still active", _INSIDE),
    WorkerCheck(_codes.WORKER_THREAD_INVALID_STATE, None, "a worker ends with I/O outstanding", _INSIDE),
    WorkerCheck(
        _codes.DRIVER_VERIFIER_DETECTED_VIOLATION, 0x130, "an item lies in session space", "there is no session space"
    ),
    WorkerCheck(
        _codes.DRIVER_VERIFIER_DETECTED_VIOLATION,
        0x131,
        "an item lies in pageable memory",
        "there is none; an item outside nonpaged memory is VNIC_PRIVATE_DATA",
    ),
    WorkerCheck(
        _codes.DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
        None,
        "a driver unloads with an item queued that does not keep it loaded",
    ),
    WorkerCheck(_codes.THREAD_STUCK_IN_DEVICE_DRIVER, None, "a routine does not come back"),
)
