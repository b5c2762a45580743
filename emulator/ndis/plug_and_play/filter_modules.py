"""Filter modules as NDIS keeps them: finding them, their order, their states, and what a module tells NDIS of itself.

Law: as adapters.py: a state changes only by a row of the state machine, and each change gets a new epoch.  The order of
the modules in a stack is the order in which the machine names its filter drivers, the topmost first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import stop
from emulator.layout.handles import HandleKind
from emulator.ndis.gates.ddi import FILTER, ddi
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.handles import FilterModuleHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import structure_fault
from emulator.ndis.plug_and_play.adapters import complete, move, object_of
from emulator.ndis.plug_and_play.bindings import COMPLETED, WAITING
from emulator.ndis.plug_and_play.handlers import FILTER_BYPASSED, FILTER_HANDLERS, PLACES
from emulator.ndis.plug_and_play.registration import handler
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import FILTER as FILTER_MACHINE
from emulator.rules.states import FilterEvent, FilterState, Offence, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures import NDIS_FILTER_ATTRIBUTES

REACHABLE = FILTER_MACHINE.operations[Operation.OID_REQUEST].states
"""The states in which requests, indications and events reach a module."""
_RULES = ("Irql_Filter_Driver_Function",)


def module_of(context: Context, handle: int | None, ddi_name: str = "") -> Any:
    """The record of a live filter module handle; 0x7C/0x21 for anything else."""
    return object_of(context, handle, HandleKind.FILTER_MODULE, ddi_name)


def modules_of(context: Context, adapter_handle: int) -> list[tuple[int, Any]]:
    """The filter modules of an adapter, the lowest first."""
    table = context.machine.objects[HandleKind.FILTER_MODULE]
    found = [(handle, module) for handle, module in table.live() if module.head.parent == adapter_handle]
    return sorted(found, key=lambda each: each[1].position)


def driver_of(context: Context, module: Any) -> Any:
    """The registered filter driver of a module."""
    drivers = context.machine.objects[HandleKind.FILTER_DRIVER]
    return drivers.find(module.filter_driver, HandleKind.FILTER_DRIVER)


def handlers_of(context: Context, module: Any) -> list[int]:
    """The handlers of a module by routine number, in the order of FILTER_HANDLERS: the driver's, or its own."""
    driver = driver_of(context, module)
    handlers = list(driver.handlers) if driver is not None else [0] * len(FILTER_HANDLERS)
    if module.has_own_handlers:
        for name, routine in zip(FILTER_BYPASSED, module.own_handlers, strict=True):
            handlers[PLACES[HandleKind.FILTER_DRIVER][name]] = routine
    return handlers


class Found(NamedTuple):
    """A module with a handler that was looked for."""

    handle: int
    module: Any
    routine: int


def next_above(context: Context, adapter_handle: int, position: int, name: str) -> Found | None:
    """The next attached module above a position that has this handler."""
    return _first(context, modules_of(context, adapter_handle), name, lambda other: other > position)


def next_below(context: Context, adapter_handle: int, position: int | None, name: str) -> Found | None:
    """The next attached module below a position (None: the whole stack) that has this handler."""
    modules = modules_of(context, adapter_handle)[::-1]
    return _first(context, modules, name, lambda other: position is None or other < position)


def _first(context: Context, modules: list[tuple[int, Any]], name: str, reaches: Callable[[int], bool]) -> Found | None:
    for handle, module in modules:
        if reaches(module.position) and module.state in REACHABLE:
            routine = handler(driver_of(context, module), name)
            if routine:
                return Found(handle, module, routine)
    return None


def move_module(context: Context, adapter: Any, module: Any, event: FilterEvent) -> None:
    """Take one row of a module's state machine and publish it."""
    move(context, adapter, module, FILTER_MACHINE, event)


@ddi(irql=AT_PASSIVE, callers=FILTER, rules=_RULES)
def NdisFSetAttributes(
    NdisFilterHandle: FilterModuleHandle, FilterModuleContext: Any, FilterAttributes: NDIS_FILTER_ATTRIBUTES, /
) -> NDIS_STATUS:
    """Give the module its context, inside FilterAttach.

    INVALID_PARAMETER for a wrong header, FAILURE outside FilterAttach or a second time; the log says which.
    """
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFSetAttributes")
    if module.state != FilterState.ATTACHING:
        return _refused(context, "attributes are set inside FilterAttach", NDIS_STATUS_FAILURE)
    fault = structure_fault(FilterAttributes)
    if fault is not None:
        return _refused(context, fault, NDIS_STATUS_INVALID_PARAMETER)
    if module.attributes_set:
        return _refused(context, "the attributes have been set", NDIS_STATUS_FAILURE)
    module.context = encode(context, FilterModuleContext)
    module.attributes_set = 1
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFPauseComplete(NdisFilterHandle: FilterModuleHandle, /) -> None:
    """Complete a FilterPause that returned PENDING.  Bug check 0x7C/0x1F when none is pending."""
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFPauseComplete")
    if module.state != FilterState.PAUSING or module.completion != WAITING:
        unasked(NdisFilterHandle, FilterEvent.PAUSE_COMPLETED, "NdisFPauseComplete was called and no pause is pending.")
    complete(context, module, "completion", COMPLETED)


@ddi(irql=AT_PASSIVE, callers=FILTER, rules=_RULES)
def NdisFRestartComplete(NdisFilterHandle: FilterModuleHandle, Status: NDIS_STATUS, /) -> None:
    """Complete a FilterRestart that returned PENDING.  Bug check 0x7C/0x1F when none is pending."""
    context = current.context
    module = module_of(context, NdisFilterHandle, "NdisFRestartComplete")
    if module.state != FilterState.RESTARTING or module.completion != WAITING or Status == NDIS_STATUS_PENDING:
        unasked(
            NdisFilterHandle,
            FilterEvent.RESTART_SUCCEEDED,
            "NdisFRestartComplete was called and no restart is pending.",
        )
    module.completion_status = Status & 0xFFFF_FFFF
    complete(context, module, "completion", COMPLETED)


def unasked(handle: int, event: FilterEvent, text: str) -> None:
    """The stop for a completion of what is not pending, or was not left pending."""
    offence: Offence = FILTER_MACHINE.offences[event]
    stop(offence.code, offence.subcode, 0, handle, text=text)


def _refused(context: Context, why: str, status: NDIS_STATUS) -> NDIS_STATUS:
    tell_refusal(context, "NdisFSetAttributes", why)
    return status


__all__ = ["NdisFPauseComplete", "NdisFRestartComplete", "NdisFSetAttributes"]
