"""The state machines of NDIS 6 as tables: miniport adapter, filter module, protocol binding, selective suspend.

Law: a pair of state and event that has no row is illegal, as the blank cells of Microsoft's tables are. The tables
are the only place that knows the transitions; code, diagrams and tests read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from emulator.rules.bugcheck_entries import BUGCODE_NDIS_DRIVER
from emulator.rules.bugcheck_ndis import NdisBugCheck

if TYPE_CHECKING:
    from collections.abc import Mapping


class AdapterState(IntEnum):
    """States of a miniport adapter."""

    HALTED = 0
    INITIALIZING = 1
    PAUSED = 2
    RESTARTING = 3
    RUNNING = 4
    PAUSING = 5
    SHUTDOWN = 6


class AdapterEvent(IntEnum):
    """What moves a miniport adapter from state to state."""

    INITIALIZE_CALLED = 0
    INITIALIZE_SUCCEEDED = 1
    INITIALIZE_FAILED = 2
    RESTART_CALLED = 3
    RESTART_SUCCEEDED = 4
    RESTART_FAILED = 5
    PAUSE_CALLED = 6
    PAUSE_COMPLETED = 7
    HALT_CALLED = 8
    SHUTDOWN_CALLED = 9


class FilterState(IntEnum):
    """States of a filter module."""

    DETACHED = 0
    ATTACHING = 1
    PAUSED = 2
    RESTARTING = 3
    RUNNING = 4
    PAUSING = 5


class FilterEvent(IntEnum):
    """What moves a filter module from state to state."""

    ATTACH_CALLED = 0
    ATTACH_SUCCEEDED = 1
    ATTACH_FAILED = 2
    RESTART_CALLED = 3
    RESTART_SUCCEEDED = 4
    RESTART_FAILED = 5
    PAUSE_CALLED = 6
    PAUSE_COMPLETED = 7
    DETACH_CALLED = 8


class BindingState(IntEnum):
    """States of a protocol binding."""

    UNBOUND = 0
    OPENING = 1
    PAUSED = 2
    RESTARTING = 3
    RUNNING = 4
    PAUSING = 5
    CLOSING = 6


class BindingEvent(IntEnum):
    """What moves a protocol binding from state to state."""

    BIND_CALLED = 0
    BIND_SUCCEEDED = 1
    BIND_FAILED = 2
    RESTART_CALLED = 3
    RESTART_SUCCEEDED = 4
    RESTART_FAILED = 5
    PAUSE_CALLED = 6
    PAUSE_COMPLETED = 7
    UNBIND_CALLED = 8
    UNBIND_COMPLETED = 9


class IdleState(IntEnum):
    """Where an adapter's selective suspend is."""

    WATCHED = 0
    NOTIFIED = 1
    SUSPENDING = 2
    SUSPENDED = 3
    CANCELLED = 4
    COMPLETED = 5
    RESUMING = 6


class IdleEvent(IntEnum):
    """What moves the selective suspend of an adapter from state to state."""

    NOTIFICATION_CALLED = 0
    VETOED = 1
    CONFIRMED = 2
    SUSPEND_ENDED = 3
    CANCEL_CALLED = 4
    COMPLETED = 5
    RESUME_CALLED = 6
    RESUMED = 7


class Operation(IntEnum):
    """What a driver may do, or be asked to do, depending on the state."""

    SEND = 0
    START_SEND = 1
    RECEIVE = 2
    START_RECEIVE = 3
    OID_REQUEST = 4
    STATUS_INDICATION = 5
    RESET = 6
    CHECK_FOR_HANG = 7


S = TypeVar("S", bound=IntEnum)
E = TypeVar("E", bound=IntEnum)


class Transition(NamedTuple, Generic[S, E]):
    """One row: in this state, this event leads to that state."""

    state: S
    event: E
    next: S
    note: str = ""


class Legality(NamedTuple, Generic[S]):
    """The states in which an operation is legal, with the page's remark."""

    states: frozenset[S]
    note: str
    source: str


class Offence(NamedTuple):
    """The stop that a driver earns with an event that has no row: code and first parameter."""

    code: int
    subcode: int


@dataclass(frozen=True, slots=True, eq=False)
class Machine(Generic[S, E]):
    """A state machine as data."""

    name: str
    initial: S
    states: type[S]
    events: type[E]
    source: str
    transitions: tuple[Transition[S, E], ...]
    operations: Mapping[Operation, Legality[S]]
    offences: Mapping[E, Offence]
    table: Mapping[tuple[S, E], S] = field(init=False)

    def __post_init__(self) -> None:
        table = {(row.state, row.event): row.next for row in self.transitions}
        if len(table) != len(self.transitions):
            raise ValueError(f"{self.name}: two rows for one pair of state and event")
        object.__setattr__(self, "table", table)


_NOT_PENDING: Final = Offence(BUGCODE_NDIS_DRIVER, NdisBugCheck.ILLEGAL_MINIPORT_STATE_TRANSITION)

_NO_EVENT: Final = Offence(BUGCODE_NDIS_DRIVER, NdisBugCheck.ILLEGAL_NET_PNP_EVENT)

_A = AdapterState
_AE = AdapterEvent
_A_PAGE: Final = "network/miniport-adapter-states-and-operations.md"

ADAPTER: Final = Machine(
    name="miniport adapter",
    initial=_A.HALTED,
    states=AdapterState,
    events=AdapterEvent,
    source=_A_PAGE,
    transitions=(
        Transition(_A.HALTED, _AE.INITIALIZE_CALLED, _A.INITIALIZING, "MiniportInitializeEx"),
        Transition(_A.INITIALIZING, _AE.INITIALIZE_SUCCEEDED, _A.PAUSED, "paused, not running"),
        Transition(_A.INITIALIZING, _AE.INITIALIZE_FAILED, _A.HALTED, "no call of MiniportHaltEx follows"),
        Transition(_A.PAUSED, _AE.RESTART_CALLED, _A.RESTARTING, "MiniportRestart, also for the very first start"),
        Transition(_A.RESTARTING, _AE.RESTART_SUCCEEDED, _A.RUNNING, "SUCCESS or NdisMRestartComplete(SUCCESS)"),
        Transition(_A.RESTARTING, _AE.RESTART_FAILED, _A.PAUSED),
        Transition(_A.RUNNING, _AE.PAUSE_CALLED, _A.PAUSING, "MiniportPause"),
        Transition(_A.PAUSING, _AE.PAUSE_COMPLETED, _A.PAUSED, "SUCCESS or NdisMPauseComplete; pause cannot fail"),
        Transition(_A.PAUSED, _AE.HALT_CALLED, _A.HALTED, "MiniportHaltEx, only from here"),
        Transition(_A.PAUSED, _AE.SHUTDOWN_CALLED, _A.SHUTDOWN, "nothing is called afterwards"),
        Transition(_A.RESTARTING, _AE.SHUTDOWN_CALLED, _A.SHUTDOWN, "nothing is called afterwards"),
        Transition(_A.RUNNING, _AE.SHUTDOWN_CALLED, _A.SHUTDOWN, "nothing is called afterwards"),
        Transition(_A.PAUSING, _AE.SHUTDOWN_CALLED, _A.SHUTDOWN, "nothing is called afterwards"),
    ),
    operations={
        Operation.SEND: Legality(
            frozenset({_A.RUNNING, _A.PAUSING}), "in Pausing sends may be refused with NDIS_STATUS_PAUSED", _A_PAGE
        ),
        Operation.RECEIVE: Legality(
            frozenset({_A.RESTARTING, _A.RUNNING, _A.PAUSING}),
            "an indication that is under way may end in Pausing",
            "nc-ndis-miniport_pause; nc-ndis-miniport_restart",
        ),
        Operation.START_RECEIVE: Legality(
            frozenset({_A.RESTARTING, _A.RUNNING}),
            "the driver may indicate before it completes the restart, and begins nothing new in Pausing",
            "nc-ndis-miniport_pause; nc-ndis-miniport_restart",
        ),
        Operation.OID_REQUEST: Legality(
            frozenset({_A.PAUSED, _A.RESTARTING, _A.RUNNING, _A.PAUSING}), "regular requests", _A_PAGE
        ),
        Operation.STATUS_INDICATION: Legality(
            frozenset({_A.INITIALIZING, _A.PAUSED, _A.RESTARTING, _A.RUNNING, _A.PAUSING}),
            "from the moment the registration attributes are set until MiniportHaltEx returns",
            "nf-ndis-ndismindicatestatusex; network/miniport-adapter-status-indications.md",
        ),
        Operation.RESET: Legality(
            frozenset({_A.PAUSED, _A.RESTARTING, _A.RUNNING, _A.PAUSING}),
            "leaves the state unchanged; a pause and a reset may be completed in either order",
            "network/miniport-adapter-check-for-hang-and-reset-operations.md; the list of states is an inference",
        ),
        Operation.CHECK_FOR_HANG: Legality(
            frozenset({_A.INITIALIZING, _A.PAUSED, _A.RESTARTING, _A.RUNNING, _A.PAUSING}),
            "already during an initialise that takes longer than the interval",
            "network/miniport-adapter-check-for-hang-and-reset-operations.md",
        ),
    },
    offences={
        _AE.PAUSE_COMPLETED: _NOT_PENDING,
        _AE.RESTART_SUCCEEDED: _NOT_PENDING,
        _AE.RESTART_FAILED: _NOT_PENDING,
    },
)

_F = FilterState
_FE = FilterEvent
_F_PAGE: Final = "network/filter-module-states-and-operations.md"

FILTER: Final = Machine(
    name="filter module",
    initial=_F.DETACHED,
    states=FilterState,
    events=FilterEvent,
    source=_F_PAGE,
    transitions=(
        Transition(_F.DETACHED, _FE.ATTACH_CALLED, _F.ATTACHING, "FilterAttach"),
        Transition(_F.ATTACHING, _FE.ATTACH_SUCCEEDED, _F.PAUSED, "NdisFSetAttributes must have been called"),
        Transition(_F.ATTACHING, _FE.ATTACH_FAILED, _F.DETACHED, "mandatory filter: the stack is not started"),
        Transition(_F.PAUSED, _FE.RESTART_CALLED, _F.RESTARTING, "after FilterSetModuleOptions of all modules"),
        Transition(_F.RESTARTING, _FE.RESTART_SUCCEEDED, _F.RUNNING),
        Transition(_F.RESTARTING, _FE.RESTART_FAILED, _F.PAUSED, "NDIS then detaches the module"),
        Transition(_F.RUNNING, _FE.PAUSE_CALLED, _F.PAUSING, "FilterPause"),
        Transition(_F.PAUSING, _FE.PAUSE_COMPLETED, _F.PAUSED, "pause cannot fail"),
        Transition(_F.PAUSED, _FE.DETACH_CALLED, _F.DETACHED, "FilterDetach cannot fail"),
    ),
    operations={
        Operation.SEND: Legality(frozenset({_F.RUNNING, _F.PAUSING}), "", _F_PAGE),
        Operation.START_SEND: Legality(
            frozenset({_F.RUNNING}), "Pausing: no new originated traffic", "network/pausing-a-filter-module.md"
        ),
        Operation.RECEIVE: Legality(
            frozenset({_F.RUNNING, _F.PAUSING}),
            "nothing is delivered while Paused: the stricter of two documents that disagree",
            _F_PAGE,
        ),
        Operation.START_RECEIVE: Legality(
            frozenset({_F.RUNNING}), "Pausing: no new originated traffic", "network/pausing-a-filter-module.md"
        ),
        Operation.OID_REQUEST: Legality(
            frozenset({_F.PAUSED, _F.RESTARTING, _F.RUNNING, _F.PAUSING}), "also forwarding", _F_PAGE
        ),
    },
    offences={
        _FE.PAUSE_COMPLETED: _NOT_PENDING,
        _FE.RESTART_SUCCEEDED: _NOT_PENDING,
        _FE.RESTART_FAILED: _NOT_PENDING,
    },
)

_B = BindingState
_BE = BindingEvent
_B_PAGE: Final = "network/protocol-binding-states-and-operations.md"

BINDING: Final = Machine(
    name="protocol binding",
    initial=_B.UNBOUND,
    states=BindingState,
    events=BindingEvent,
    source=_B_PAGE,
    transitions=(
        Transition(_B.UNBOUND, _BE.BIND_CALLED, _B.OPENING, "ProtocolBindAdapterEx"),
        Transition(_B.OPENING, _BE.BIND_SUCCEEDED, _B.PAUSED, "after open and bind are complete, when they pended"),
        Transition(_B.OPENING, _BE.BIND_FAILED, _B.UNBOUND),
        Transition(_B.PAUSED, _BE.RESTART_CALLED, _B.RESTARTING, "NetEventRestart"),
        Transition(_B.RESTARTING, _BE.RESTART_SUCCEEDED, _B.RUNNING),
        Transition(_B.RESTARTING, _BE.RESTART_FAILED, _B.PAUSED),
        Transition(_B.RUNNING, _BE.PAUSE_CALLED, _B.PAUSING, "NetEventPause"),
        Transition(_B.PAUSING, _BE.PAUSE_COMPLETED, _B.PAUSED, "only when all own sends are complete"),
        Transition(_B.PAUSED, _BE.UNBIND_CALLED, _B.CLOSING, "ProtocolUnbindAdapterEx"),
        Transition(_B.CLOSING, _BE.UNBIND_COMPLETED, _B.UNBOUND),
    ),
    operations={
        Operation.SEND: Legality(frozenset({_B.RUNNING, _B.PAUSING}), "", _B_PAGE),
        Operation.START_SEND: Legality(
            frozenset({_B.RUNNING}), "in Pausing no new sends", "network/pausing-a-binding.md"
        ),
        Operation.RECEIVE: Legality(frozenset({_B.RUNNING, _B.PAUSING}), "", _B_PAGE),
        Operation.OID_REQUEST: Legality(
            frozenset({_B.CLOSING, _B.PAUSED, _B.RESTARTING, _B.RUNNING, _B.PAUSING}),
            "not in Opening: the page excludes it",
            _B_PAGE,
        ),
    },
    # Pause and restart reach a protocol as PnP events, so completing one that is not pending is a wrong PnP event. A
    # bind or unbind that is completed while none is pending has no code of its own in Microsoft's list.
    offences={
        _BE.PAUSE_COMPLETED: _NO_EVENT,
        _BE.RESTART_SUCCEEDED: _NO_EVENT,
        _BE.RESTART_FAILED: _NO_EVENT,
    },
)


_I, _IE = IdleState, IdleEvent
IDLE: Final = Machine(
    name="selective suspend of an adapter",
    initial=_I.WATCHED,
    states=IdleState,
    events=IdleEvent,
    source="network/handling-the-ndis-selective-suspend-idle-notification.md; "
    "network/canceling-the-ndis-selective-suspend-idle-notification.md; "
    "network/completing-the-ndis-selective-suspend-idle-notification.md",
    transitions=(
        Transition(
            _I.WATCHED, _IE.NOTIFICATION_CALLED, _I.NOTIFIED, "MiniportIdleNotification; sends wait from now on"
        ),
        Transition(_I.NOTIFIED, _IE.VETOED, _I.WATCHED, "it returned another status than NDIS_STATUS_PENDING"),
        Transition(_I.NOTIFIED, _IE.CONFIRMED, _I.SUSPENDING, "OID_PM_PARAMETERS and OID_PNP_SET_POWER go down"),
        Transition(_I.NOTIFIED, _IE.CANCEL_CALLED, _I.CANCELLED, "MiniportCancelIdleNotification"),
        Transition(_I.NOTIFIED, _IE.COMPLETED, _I.COMPLETED, "by the miniport's own wish"),
        Transition(_I.SUSPENDING, _IE.SUSPEND_ENDED, _I.SUSPENDED, "in low power, or not if the miniport refused"),
        Transition(_I.SUSPENDED, _IE.CANCEL_CALLED, _I.CANCELLED, "MiniportCancelIdleNotification"),
        Transition(_I.SUSPENDED, _IE.COMPLETED, _I.COMPLETED, "by the miniport's own wish"),
        Transition(_I.CANCELLED, _IE.CONFIRMED, _I.CANCELLED, "too late: nothing goes down"),
        Transition(_I.CANCELLED, _IE.COMPLETED, _I.COMPLETED),
        Transition(_I.COMPLETED, _IE.RESUME_CALLED, _I.RESUMING, "OID_PNP_SET_POWER with D0, where it sleeps"),
        Transition(_I.RESUMING, _IE.RESUMED, _I.WATCHED),
    ),
    operations={},
    offences={_IE.CONFIRMED: _NOT_PENDING, _IE.COMPLETED: _NOT_PENDING},
)


def next_state(machine: Machine[S, E], state: S, event: E) -> S | None:
    """Return the state that follows, or None where the pair is illegal."""
    return machine.table.get((state, event))


def may(machine: Machine[S, E], operation: Operation, state: S) -> bool:
    """Tell whether an operation is legal in a state; an operation the machine does not know is legal in none."""
    legality = machine.operations.get(operation)
    return legality is not None and state in legality.states


def legal_operations(machine: Machine[S, E], state: S) -> tuple[Operation, ...]:
    """Return the operations that are legal in a state."""
    return tuple(operation for operation in machine.operations if may(machine, operation, state))


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def mermaid(machine: Machine[S, E]) -> str:
    """Draw the machine from its own table."""
    lines = ["stateDiagram-v2", f"    [*] --> {_camel(machine.initial.name)}"]
    for row in machine.transitions:
        label = row.event.name.lower().replace("_", " ")
        lines.append(f"    {_camel(row.state.name)} --> {_camel(row.next.name)} : {label}")
    return "\n".join(lines) + "\n"
