"""Callback roles: what the WDK declares with `MINIPORT_INITIALIZE MPInitializeEx;` is a decorator here.

Law: a role is data about a callback and changes nothing about the function; it returns the same function. Another
process must find the callback by its number, so a role takes a plain function at module level and nothing else.
Parameters that are only written (out) are not passed: a callback returns their values after its result, in order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeVar

from emulator.ndis.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_HARD_ERRORS,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESET_IN_PROGRESS,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SOFT_ERRORS,
    NDIS_STATUS_SUCCESS,
    status_name,
)
from emulator.rules.irql import AT_DIRQL, AT_DISPATCH, AT_MOST_DISPATCH, AT_PASSIVE, AT_PASSIVE_OR_HIGH, IrqlMask

_Function = TypeVar("_Function", bound=Callable[..., Any])

_NOT_PLAIN: Final = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR
_NOT_SYNCHRONOUS: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class RoleParameter(NamedTuple):
    """A parameter of a callback; direction is "in", "out" or "in, out"."""

    name: str
    direction: str
    optional: bool


class Role:
    """One callback type of the WDK; calling it on a function declares the function to be such a callback."""

    __slots__ = (
        "arity",
        "fields",
        "irql",
        "may_pend",
        "name",
        "note",
        "outputs",
        "page",
        "parameters",
        "result",
        "statuses",
    )

    def __init__(
        self,
        name: str,
        result: str,
        parameters: str,
        irql: IrqlMask,
        *,
        fields: tuple[str, ...] = (),
        may_pend: bool = False,
        statuses: tuple[NDIS_STATUS, ...] = (),
        page: str = "",
        note: str = "",
    ) -> None:
        """Describe a callback type; parameters are names, with ":out" or ":inout" after them, and "?" where NULL-able.

        `fields` are the places in characteristics that take this callback, `statuses` all that it may return
        (empty: any that is final, and PENDING where `may_pend` says so).
        """
        self.name = name
        self.result = result
        self.parameters = tuple(_parameter(text) for text in parameters.split())
        self.irql = irql
        self.fields = fields
        self.may_pend = may_pend
        self.statuses = statuses
        self.page = page or f"nc-ndis-{name.lower()}"
        self.note = note
        self.arity = sum(parameter.direction != "out" for parameter in self.parameters)
        self.outputs = tuple(parameter.name for parameter in self.parameters if parameter.direction != "in")
        ROLES[name] = self

    def __repr__(self) -> str:
        return f"<role {self.name}>"

    def __call__(self, function: _Function, /) -> _Function:
        """Declare a function; raises TypeError, with the WDK's signature, for one that cannot be such a callback."""
        fault = self._fault(function)
        if fault is not None:
            shown = getattr(function, "__qualname__", repr(function))
            raise TypeError(f"{shown} cannot be a {self.name}: {fault}. The WDK has it as\n    {self.signature()}")
        function.__ndis_role__ = self  # type: ignore[attr-defined]
        return function

    def signature(self) -> str:
        """Return the callback as the WDK writes it, with what a Python callback returns beside."""
        inside = ", ".join(
            f"{parameter.name} [{parameter.direction}{', opt' if parameter.optional else ''}]"
            for parameter in self.parameters
        )
        returned = f"; returns ({', '.join((self.result, *self.outputs))})" if self.outputs else ""
        return f"{self.result} {self.name}({inside}){returned}"

    def refuses(self, status: int) -> str | None:
        """Say why a callback of this role may not return a status, or None where it may."""
        if status == NDIS_STATUS_PENDING and not self.may_pend:
            return f"{self.name} may not return NDIS_STATUS_PENDING"
        if self.statuses and status not in self.statuses:
            allowed = ", ".join(str(allowed) for allowed in self.statuses)
            return f"{self.name} may return {allowed}, and not {status_name(status)}"
        return None

    def _fault(self, function: object) -> str | None:
        if not isinstance(function, FunctionType):
            return "it is no plain function"
        code = function.__code__
        if code.co_name == "<lambda>":
            return "it is a lambda"
        if "<locals>" in code.co_qualname:
            return "it is not at module level, so another process cannot find it"
        if code.co_qualname != code.co_name:
            return "it belongs to a class"
        if code.co_flags & _NOT_SYNCHRONOUS:
            return "it is a coroutine"
        if code.co_flags & _NOT_PLAIN or code.co_kwonlyargcount or function.__defaults__:
            return "it takes other than plain positional parameters, or yields"
        if code.co_argcount != self.arity:
            return f"it takes {code.co_argcount} parameters and not {self.arity}"
        other = getattr(function, "__ndis_role__", None)
        return None if other is None else f"it is a {getattr(other, 'name', other)} already"


def _parameter(text: str) -> RoleParameter:
    name, _, kind = text.rstrip("?").partition(":")
    return RoleParameter(name, {"": "in", "out": "out", "inout": "in, out"}[kind], text.endswith("?"))


ROLES: Final[dict[str, Role]] = {}

_MINIPORT: Final = "NDIS_MINIPORT_DRIVER_CHARACTERISTICS."
_PROTOCOL: Final = "NDIS_PROTOCOL_DRIVER_CHARACTERISTICS."
_INTERRUPT: Final = "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS."
_STATUS: Final = "NDIS_STATUS"
_VOID: Final = "VOID"
_BOOLEAN: Final = "BOOLEAN"
_NEVER_FAILS: Final = (NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING)


def _miniport(
    name: str, field: str, result: str, parameters: str, irql: IrqlMask, *, may_pend: bool = False, **more: Any
) -> Role:
    return Role(name, result, parameters, irql, fields=(_MINIPORT + field,), may_pend=may_pend, **more)


def _protocol(
    name: str, field: str, result: str, parameters: str, irql: IrqlMask, *, may_pend: bool = False, **more: Any
) -> Role:
    return Role(name, result, parameters, irql, fields=(_PROTOCOL + field,), may_pend=may_pend, **more)


def _interrupt(name: str, field: str, result: str, parameters: str, irql: IrqlMask) -> Role:
    note = "the header says HIGH_LEVEL, the page the device's own level" if irql == AT_DIRQL else ""
    return Role(name, result, parameters, irql, fields=(_INTERRUPT + field,), note=note)


SET_OPTIONS: Final = Role(
    "SET_OPTIONS",
    _STATUS,
    "NdisDriverHandle DriverContext",
    AT_PASSIVE,
    fields=(f"{_MINIPORT}SetOptionsHandler", f"{_PROTOCOL}SetOptionsHandler"),
)
DRIVER_UNLOAD: Final = Role(
    "DRIVER_UNLOAD",
    _VOID,
    "DriverObject",
    AT_PASSIVE,
    fields=("DRIVER_OBJECT.DriverUnload",),
    page="nc-wdm-driver_unload",
)

# Miniport.
MINIPORT_INITIALIZE: Final = _miniport(
    "MINIPORT_INITIALIZE",
    "InitializeHandlerEx",
    _STATUS,
    "NdisMiniportHandle MiniportDriverContext MiniportInitParameters",
    AT_PASSIVE,
)
MINIPORT_HALT: Final = _miniport(
    "MINIPORT_HALT", "HaltHandlerEx", _VOID, "MiniportAdapterContext HaltAction", AT_PASSIVE
)
MINIPORT_UNLOAD: Final = _miniport("MINIPORT_UNLOAD", "UnloadHandler", _VOID, "DriverObject", AT_PASSIVE)
MINIPORT_PAUSE: Final = _miniport(
    "MINIPORT_PAUSE",
    "PauseHandler",
    _STATUS,
    "MiniportAdapterContext PauseParameters",
    AT_PASSIVE,
    may_pend=True,
    statuses=_NEVER_FAILS,
)
MINIPORT_RESTART: Final = _miniport(
    "MINIPORT_RESTART",
    "RestartHandler",
    _STATUS,
    "MiniportAdapterContext RestartParameters",
    AT_PASSIVE,
    may_pend=True,
    statuses=(NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_FAILURE),
)
MINIPORT_OID_REQUEST: Final = _miniport(
    "MINIPORT_OID_REQUEST",
    "OidRequestHandler",
    _STATUS,
    "MiniportAdapterContext OidRequest",
    AT_PASSIVE,
    may_pend=True,
)
MINIPORT_SEND_NET_BUFFER_LISTS: Final = _miniport(
    "MINIPORT_SEND_NET_BUFFER_LISTS",
    "SendNetBufferListsHandler",
    _VOID,
    "MiniportAdapterContext NetBufferList PortNumber SendFlags",
    AT_MOST_DISPATCH,
)
MINIPORT_RETURN_NET_BUFFER_LISTS: Final = _miniport(
    "MINIPORT_RETURN_NET_BUFFER_LISTS",
    "ReturnNetBufferListsHandler",
    _VOID,
    "MiniportAdapterContext NetBufferLists ReturnFlags",
    AT_MOST_DISPATCH,
)
MINIPORT_CANCEL_SEND: Final = _miniport(
    "MINIPORT_CANCEL_SEND", "CancelSendHandler", _VOID, "MiniportAdapterContext CancelId", AT_MOST_DISPATCH
)
MINIPORT_CHECK_FOR_HANG: Final = _miniport(
    "MINIPORT_CHECK_FOR_HANG", "CheckForHangHandlerEx", _BOOLEAN, "MiniportAdapterContext", AT_PASSIVE
)
MINIPORT_RESET: Final = _miniport(
    "MINIPORT_RESET",
    "ResetHandlerEx",
    _STATUS,
    "MiniportAdapterContext AddressingReset:out",
    AT_MOST_DISPATCH,
    may_pend=True,
    statuses=(
        NDIS_STATUS_SUCCESS,
        NDIS_STATUS_PENDING,
        NDIS_STATUS_RESET_IN_PROGRESS,
        NDIS_STATUS_SOFT_ERRORS,
        NDIS_STATUS_HARD_ERRORS,
    ),
)
MINIPORT_DEVICE_PNP_EVENT_NOTIFY: Final = _miniport(
    "MINIPORT_DEVICE_PNP_EVENT_NOTIFY",
    "DevicePnPEventNotifyHandler",
    _VOID,
    "MiniportAdapterContext NetDevicePnPEvent",
    AT_PASSIVE,
)
MINIPORT_SHUTDOWN: Final = _miniport(
    "MINIPORT_SHUTDOWN",
    "ShutdownHandlerEx",
    _VOID,
    "MiniportAdapterContext ShutdownAction",
    AT_PASSIVE_OR_HIGH,
    note="PASSIVE_LEVEL for NdisShutdownPowerOff, HIGH_LEVEL for NdisShutdownBugCheck",
)
MINIPORT_CANCEL_OID_REQUEST: Final = _miniport(
    "MINIPORT_CANCEL_OID_REQUEST",
    "CancelOidRequestHandler",
    _VOID,
    "MiniportAdapterContext RequestId",
    AT_MOST_DISPATCH,
)
MINIPORT_DIRECT_OID_REQUEST: Final = _miniport(
    "MINIPORT_DIRECT_OID_REQUEST",
    "DirectOidRequestHandler",
    _STATUS,
    "MiniportAdapterContext OidRequest",
    AT_MOST_DISPATCH,
    may_pend=True,
)
MINIPORT_CANCEL_DIRECT_OID_REQUEST: Final = _miniport(
    "MINIPORT_CANCEL_DIRECT_OID_REQUEST",
    "CancelDirectOidRequestHandler",
    _VOID,
    "MiniportAdapterContext RequestId",
    AT_MOST_DISPATCH,
)
MINIPORT_SYNCHRONOUS_OID_REQUEST: Final = _miniport(
    "MINIPORT_SYNCHRONOUS_OID_REQUEST",
    "SynchronousOidRequestHandler",
    _STATUS,
    "MiniportAdapterContext OidRequest",
    AT_MOST_DISPATCH,
    page="nf-ndis-miniport_synchronous_oid_request",
)

# Protocol.
PROTOCOL_BIND_ADAPTER_EX: Final = _protocol(
    "PROTOCOL_BIND_ADAPTER_EX",
    "BindAdapterHandlerEx",
    _STATUS,
    "ProtocolDriverContext BindContext BindParameters",
    AT_PASSIVE,
    may_pend=True,
)
PROTOCOL_UNBIND_ADAPTER_EX: Final = _protocol(
    "PROTOCOL_UNBIND_ADAPTER_EX",
    "UnbindAdapterHandlerEx",
    _STATUS,
    "UnbindContext ProtocolBindingContext",
    AT_PASSIVE,
    may_pend=True,
    statuses=_NEVER_FAILS,
)
PROTOCOL_OPEN_ADAPTER_COMPLETE_EX: Final = _protocol(
    "PROTOCOL_OPEN_ADAPTER_COMPLETE_EX",
    "OpenAdapterCompleteHandlerEx",
    _VOID,
    "ProtocolBindingContext Status",
    AT_PASSIVE,
)
PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX: Final = _protocol(
    "PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX",
    "CloseAdapterCompleteHandlerEx",
    _VOID,
    "ProtocolBindingContext",
    AT_PASSIVE,
)
PROTOCOL_NET_PNP_EVENT: Final = _protocol(
    "PROTOCOL_NET_PNP_EVENT",
    "NetPnPEventHandler",
    _STATUS,
    "ProtocolBindingContext? NetPnPEventNotification",
    AT_PASSIVE,
    may_pend=True,
)
PROTOCOL_UNINSTALL: Final = _protocol("PROTOCOL_UNINSTALL", "UninstallHandler", _VOID, "", AT_PASSIVE)
PROTOCOL_OID_REQUEST_COMPLETE: Final = _protocol(
    "PROTOCOL_OID_REQUEST_COMPLETE",
    "OidRequestCompleteHandler",
    _VOID,
    "ProtocolBindingContext OidRequest Status",
    AT_MOST_DISPATCH,
)
PROTOCOL_STATUS_EX: Final = _protocol(
    "PROTOCOL_STATUS_EX", "StatusHandlerEx", _VOID, "ProtocolBindingContext StatusIndication", AT_MOST_DISPATCH
)
PROTOCOL_RECEIVE_NET_BUFFER_LISTS: Final = _protocol(
    "PROTOCOL_RECEIVE_NET_BUFFER_LISTS",
    "ReceiveNetBufferListsHandler",
    _VOID,
    "ProtocolBindingContext NetBufferLists PortNumber NumberOfNetBufferLists ReceiveFlags",
    AT_MOST_DISPATCH,
)
PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE: Final = _protocol(
    "PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE",
    "SendNetBufferListsCompleteHandler",
    _VOID,
    "ProtocolBindingContext NetBufferList SendCompleteFlags",
    AT_MOST_DISPATCH,
    note="the page lists the flags before the list, the header and every driver the other way round",
)
PROTOCOL_DIRECT_OID_REQUEST_COMPLETE: Final = _protocol(
    "PROTOCOL_DIRECT_OID_REQUEST_COMPLETE",
    "DirectOidRequestCompleteHandler",
    _VOID,
    "ProtocolBindingContext OidRequest Status",
    AT_MOST_DISPATCH,
)

# Interrupts.
MINIPORT_ISR: Final = _interrupt(
    "MINIPORT_ISR",
    "InterruptHandler",
    _BOOLEAN,
    "MiniportInterruptContext QueueDefaultInterruptDpc:out TargetProcessors:out",
    AT_DIRQL,
)
MINIPORT_INTERRUPT_DPC: Final = _interrupt(
    "MINIPORT_INTERRUPT_DPC",
    "InterruptDpcHandler",
    _VOID,
    "MiniportInterruptContext MiniportDpcContext ReceiveThrottleParameters NdisReserved2",
    AT_DISPATCH,
)
MINIPORT_DISABLE_INTERRUPT: Final = _interrupt(
    "MINIPORT_DISABLE_INTERRUPT", "DisableInterruptHandler", _VOID, "MiniportInterruptContext", AT_DIRQL
)
MINIPORT_ENABLE_INTERRUPT: Final = _interrupt(
    "MINIPORT_ENABLE_INTERRUPT", "EnableInterruptHandler", _VOID, "MiniportInterruptContext", AT_DIRQL
)
MINIPORT_MESSAGE_INTERRUPT: Final = _interrupt(
    "MINIPORT_MESSAGE_INTERRUPT",
    "MessageInterruptHandler",
    _BOOLEAN,
    "MiniportInterruptContext MessageId QueueDefaultInterruptDpc:out TargetProcessors:out",
    AT_DIRQL,
)
MINIPORT_MESSAGE_INTERRUPT_DPC: Final = _interrupt(
    "MINIPORT_MESSAGE_INTERRUPT_DPC",
    "MessageInterruptDpcHandler",
    _VOID,
    "MiniportInterruptContext MessageId MiniportDpcContext ReceiveThrottleParameters NdisReserved2",
    AT_DISPATCH,
)
MINIPORT_DISABLE_MESSAGE_INTERRUPT: Final = _interrupt(
    "MINIPORT_DISABLE_MESSAGE_INTERRUPT",
    "DisableMessageInterruptHandler",
    _VOID,
    "MiniportInterruptContext MessageId",
    AT_DIRQL,
)
MINIPORT_ENABLE_MESSAGE_INTERRUPT: Final = _interrupt(
    "MINIPORT_ENABLE_MESSAGE_INTERRUPT",
    "EnableMessageInterruptHandler",
    _VOID,
    "MiniportInterruptContext MessageId",
    AT_DIRQL,
)
MINIPORT_SYNCHRONIZE_INTERRUPT: Final = Role(
    "MINIPORT_SYNCHRONIZE_INTERRUPT",
    _BOOLEAN,
    "SynchronizeContext",
    AT_DIRQL,
    note="an argument of NdisMSynchronizeWithInterruptEx; header HIGH_LEVEL, page the device's own level",
)

# Timers, work items, DMA, memory descriptor lists.
NDIS_TIMER_FUNCTION: Final = Role(
    "NDIS_TIMER_FUNCTION",
    _VOID,
    "SystemSpecific1 FunctionContext SystemSpecific2 SystemSpecific3",
    AT_DISPATCH,
    fields=("NDIS_TIMER_CHARACTERISTICS.TimerFunction",),
)
NDIS_IO_WORKITEM_FUNCTION: Final = Role(
    "NDIS_IO_WORKITEM_FUNCTION",
    _VOID,
    "WorkItemContext? NdisIoWorkItemHandle",
    AT_PASSIVE,
    page="nf-ndis-ndisqueueioworkitem",
    note="an argument of NdisQueueIoWorkItem; ndis.h: called at PASSIVE_LEVEL, returns at the same level",
)
MINIPORT_PROCESS_SG_LIST: Final = Role("MINIPORT_PROCESS_SG_LIST", _VOID, "pDO Reserved pSGL Context", AT_DISPATCH)
MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE: Final = Role(
    "MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE",
    _VOID,
    "MiniportAdapterContext VirtualAddress? PhysicalAddress Length Context",
    AT_PASSIVE,
)
MINIPORT_ADD_DEVICE: Final = Role(
    "MINIPORT_ADD_DEVICE", _STATUS, "NdisMiniportHandle MiniportDriverContext", AT_PASSIVE
)
MINIPORT_REMOVE_DEVICE: Final = Role("MINIPORT_REMOVE_DEVICE", _VOID, "MiniportAddDeviceContext", AT_PASSIVE)
MINIPORT_IDLE_NOTIFICATION: Final = Role(
    "MINIPORT_IDLE_NOTIFICATION", _STATUS, "MiniportAdapterContext ForceIdle", AT_PASSIVE, may_pend=True
)
MINIPORT_CANCEL_IDLE_NOTIFICATION: Final = Role(
    "MINIPORT_CANCEL_IDLE_NOTIFICATION", _VOID, "MiniportAdapterContext", AT_PASSIVE
)
NET_BUFFER_ALLOCATE_MDL: Final = Role(
    "NET_BUFFER_ALLOCATE_MDL", "MDL", "BufferSize:inout", AT_MOST_DISPATCH, page="nc-nblapi-net_buffer_allocate_mdl"
)
NET_BUFFER_FREE_MDL: Final = Role(
    "NET_BUFFER_FREE_MDL", _VOID, "Mdl", AT_MOST_DISPATCH, page="nc-nblapi-net_buffer_free_mdl"
)
