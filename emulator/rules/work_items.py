"""The life of a work item as a table: what each event does in each state, and which mistakes are which stop.

Law: the table is total. For every pair of state and event it says the next state, the stop, or that only a fault of
the emulator itself could bring the pair about. A running routine does not belong to the item: an item that was freed
or queued again inside its own routine is legal, and its routine may then run twice at once.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from emulator.rules.bugcheck_entries import (
    ACTIVE_EX_WORKER_THREAD_TERMINATION,
    DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
    DRIVER_VERIFIER_DETECTED_VIOLATION,
    INVALID_WORK_QUEUE_ITEM,
    WORKER_INVALID,
)


class WorkItemState(IntEnum):
    """Where a work item is."""

    FREE = 0
    IDLE = 1
    QUEUED = 2
    RUNNING = 3
    RUNNING_AND_QUEUED = 4
    FREED_WHILE_RUNNING = 5


class WorkItemEvent(IntEnum):
    """What happens to a work item."""

    ALLOCATE = 0
    QUEUE = 1
    DEQUEUE = 2
    LAST_RETURN = 3
    FREE = 4
    PARENT_ENDS = 5


class Parameter(IntEnum):
    """What the caller puts in place of a parameter of the stop."""

    ZERO = 0
    ITEM = 1
    QUEUE_NUMBER = 2
    ROUTINE = 3
    DRIVER = 4
    COUNT = 5
    OBJECT = 6
    KIND = 7
    BLOCK = 8
    BLOCK_END = 9


class Stop(NamedTuple):
    """The stop that a mistake earns; p1 is a number where it is a kind, the others say what goes there."""

    code: int
    p1: int | Parameter
    p2: Parameter
    p3: Parameter
    p4: Parameter
    text: str
    source: str
    choice: str = ""


class Impossible(NamedTuple):
    """A pair that no driver can bring about: if it happens, the emulator is broken."""

    text: str


Outcome = WorkItemState | Stop | Impossible

_Z = Parameter.ZERO

QUEUED_TWICE: Final = Stop(
    WORKER_INVALID,
    1,
    Parameter.ITEM,
    Parameter.QUEUE_NUMBER,
    _Z,
    "a work item was queued that is still in the queue",
    "kernel/system-worker-threads.md; debugger/bug-check-0xe4",
)
FREED_WHILE_QUEUED: Final = Stop(
    WORKER_INVALID,
    2,
    Parameter.ITEM,
    Parameter.ROUTINE,
    _Z,
    "a work item was freed that is still in the queue",
    "nf-wdm-iofreeworkitem; debugger/bug-check-0xe4",
)
QUEUED_AFTER_FREE: Final = Stop(
    WORKER_INVALID,
    0,
    Parameter.ITEM,
    _Z,
    _Z,
    "a work item was queued after it was freed",
    "debugger/bug-check-0xe4",
    choice="ours: Windows meets bad list links (0x96), or nothing at once, in memory that belongs to somebody else",
)
FREED_TWICE: Final = Stop(
    WORKER_INVALID,
    0,
    Parameter.ITEM,
    _Z,
    _Z,
    "a work item was freed twice",
    "debugger/bug-check-0xe4",
    choice="ours: Windows meets a pool block that is free already (0xC2), or belongs to somebody else",
)
LEAKED: Final = Stop(
    DRIVER_VERIFIER_DETECTED_VIOLATION,
    0x62,
    Parameter.DRIVER,
    _Z,
    Parameter.COUNT,
    "a work item was not freed before its adapter was halted or its driver unloaded",
    "devtest/ndis-init-ndisallocateioworkitem.md; network/ndis-i-o-work-items.md; debugger/bug-check-0xc4",
    choice="ours at halt: the rule Init_NdisAllocateIoWorkItem is a static one and has no code of its own",
)
FOREIGN_HANDLE: Final = Stop(
    WORKER_INVALID,
    3,
    Parameter.OBJECT,
    Parameter.KIND,
    _Z,
    "the handle is not of a kind that this function accepts",
    "debugger/bug-check-0xe4; nf-ndis-ndisallocateioworkitem",
    choice="ours: the documentation lists the kinds accepted and names no stop for the others",
)

BAD_OBJECT: Final = Stop(
    WORKER_INVALID,
    3,
    Parameter.ITEM,
    Parameter.OBJECT,
    _Z,
    "an I/O work item was initialised for, or queued as if it were for, an object of another kind",
    "debugger/bug-check-0xe4; nf-wdm-ioinitializeworkitem",
)
STORAGE_FREED: Final = Stop(
    WORKER_INVALID,
    0,
    Parameter.ITEM,
    Parameter.BLOCK,
    Parameter.BLOCK_END,
    "memory was freed with a work item in it",
    "debugger/bug-check-0xe4; nf-wdm-iouninitializeworkitem",
    choice="ours for one that is initialised and not queued: IoUninitializeWorkItem must come first",
)
INVALID_QUEUE_TYPE: Final = Stop(
    WORKER_INVALID,
    6,
    Parameter.ITEM,
    Parameter.QUEUE_NUMBER,
    _Z,
    "a work item was queued to a queue that does not exist",
    "debugger/bug-check-0xe4",
)
INVALID_ROUTINE: Final = Stop(
    WORKER_INVALID,
    7,
    Parameter.ITEM,
    Parameter.ROUTINE,
    _Z,
    "a work item was queued with NULL for its routine",
    "debugger/bug-check-0xe4",
)
LINKS_DAMAGED: Final = Stop(
    INVALID_WORK_QUEUE_ITEM,
    Parameter.ITEM,
    Parameter.QUEUE_NUMBER,
    _Z,
    Parameter.ROUTINE,
    "a queued work item's links were overwritten",
    "debugger/bug-check-0x96",
)
THREAD_ENDED: Final = Stop(
    ACTIVE_EX_WORKER_THREAD_TERMINATION,
    Parameter.OBJECT,
    _Z,
    _Z,
    _Z,
    "a worker thread was ended by the routine that it ran",
    "debugger/bug-check-0xe9",
)
UNLOADED: Final = Stop(
    DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
    Parameter.ROUTINE,
    _Z,
    Parameter.ROUTINE,
    _Z,
    "a driver unloaded while a work item that holds no reference on it was queued or ran",
    "debugger/bug-check-0xce; nf-wdm-exqueueworkitem",
)

_NO_ITEM = Impossible("there is no item")
_NOT_QUEUED = Impossible("a worker takes an item that is not queued")
_NOT_RUNNING = Impossible("a routine returns that does not run")
_IN_USE = Impossible("an item in use is handed out again")

_S = WorkItemState
_E = WorkItemEvent

TABLE: Final[dict[tuple[WorkItemState, WorkItemEvent], Outcome]] = {
    (_S.FREE, _E.ALLOCATE): _S.IDLE,
    (_S.FREE, _E.QUEUE): QUEUED_AFTER_FREE,
    (_S.FREE, _E.DEQUEUE): _NO_ITEM,
    (_S.FREE, _E.LAST_RETURN): _NO_ITEM,
    (_S.FREE, _E.FREE): FREED_TWICE,
    (_S.FREE, _E.PARENT_ENDS): _S.FREE,
    (_S.IDLE, _E.ALLOCATE): _IN_USE,
    (_S.IDLE, _E.QUEUE): _S.QUEUED,
    (_S.IDLE, _E.DEQUEUE): _NOT_QUEUED,
    (_S.IDLE, _E.LAST_RETURN): _NOT_RUNNING,
    (_S.IDLE, _E.FREE): _S.FREE,
    (_S.IDLE, _E.PARENT_ENDS): LEAKED,
    (_S.QUEUED, _E.ALLOCATE): _IN_USE,
    (_S.QUEUED, _E.QUEUE): QUEUED_TWICE,
    (_S.QUEUED, _E.DEQUEUE): _S.RUNNING,
    (_S.QUEUED, _E.LAST_RETURN): _NOT_RUNNING,
    (_S.QUEUED, _E.FREE): FREED_WHILE_QUEUED,
    (_S.QUEUED, _E.PARENT_ENDS): LEAKED,
    (_S.RUNNING, _E.ALLOCATE): _IN_USE,
    (_S.RUNNING, _E.QUEUE): _S.RUNNING_AND_QUEUED,
    (_S.RUNNING, _E.DEQUEUE): _NOT_QUEUED,
    (_S.RUNNING, _E.LAST_RETURN): _S.IDLE,
    (_S.RUNNING, _E.FREE): _S.FREED_WHILE_RUNNING,
    (_S.RUNNING, _E.PARENT_ENDS): LEAKED,
    (_S.RUNNING_AND_QUEUED, _E.ALLOCATE): _IN_USE,
    (_S.RUNNING_AND_QUEUED, _E.QUEUE): QUEUED_TWICE,
    (_S.RUNNING_AND_QUEUED, _E.DEQUEUE): _S.RUNNING,
    (_S.RUNNING_AND_QUEUED, _E.LAST_RETURN): _S.QUEUED,
    (_S.RUNNING_AND_QUEUED, _E.FREE): FREED_WHILE_QUEUED,
    (_S.RUNNING_AND_QUEUED, _E.PARENT_ENDS): LEAKED,
    (_S.FREED_WHILE_RUNNING, _E.ALLOCATE): _IN_USE,
    (_S.FREED_WHILE_RUNNING, _E.QUEUE): QUEUED_AFTER_FREE,
    (_S.FREED_WHILE_RUNNING, _E.DEQUEUE): _NOT_QUEUED,
    (_S.FREED_WHILE_RUNNING, _E.LAST_RETURN): _S.FREE,
    (_S.FREED_WHILE_RUNNING, _E.FREE): FREED_TWICE,
    (_S.FREED_WHILE_RUNNING, _E.PARENT_ENDS): _S.FREED_WHILE_RUNNING,
}


class HandleRule(NamedTuple):
    """Whether NdisAllocateIoWorkItem takes a kind of handle, and until when such an item must be freed."""

    kind: str
    accepted: bool
    freed_before: str
    source: str


_DDI_PAGE: Final = "nf-ndis-ndisallocateioworkitem"

HANDLES: Final[dict[str, HandleRule]] = {
    rule.kind: rule
    for rule in (
        HandleRule("ADAPTER", True, "MiniportHaltEx returns", _DDI_PAGE),
        HandleRule("MINIPORT_DRIVER", True, "the driver unloads", _DDI_PAGE),
        HandleRule("FILTER_DRIVER", True, "the driver unloads", _DDI_PAGE),
        HandleRule(
            "FILTER_MODULE",
            True,
            "FilterDetach returns",
            "network/ndis-i-o-work-items.md says only 'filter handle': accepted here, and freed no later than detach",
        ),
        HandleRule(
            "DEVICE",
            True,
            "NdisDeregisterDeviceEx",
            f"{_DDI_PAGE}; that it ends with the device is an inference: the item references the device object",
        ),
        HandleRule("PROTOCOL_DRIVER", False, "", f"{_DDI_PAGE} does not list it"),
        HandleRule("BINDING", False, "", f"{_DDI_PAGE} does not list it"),
    )
}


# Priority of the threads that serve each queue, by Microsoft's WORK_QUEUE_TYPE number; 32 + p is served at priority p.
CRITICAL_QUEUE: Final = 0
CUSTOM_PRIORITY_QUEUE: Final = 32
WORKER_PRIORITY: Final[dict[int, int]] = {0: 13, 1: 12, 2: 15, 3: 8, 4: 7, 5: 18, 6: 14}
QUEUE_NAMES: Final = ("critical", "delayed", "hypercritical", "normal", "background", "real-time", "supercritical")
"""By WORK_QUEUE_TYPE."""


def outcome(state: WorkItemState, event: WorkItemEvent) -> Outcome:
    """Return what an event does to an item in a state."""
    return TABLE[state, event]
