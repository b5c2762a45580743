"""Callback roles: what the WDK declares with `MINIPORT_INITIALIZE MPInitializeEx;` is a decorator here.

Law: one entry for each callback type that a driver can give to NDIS, as the header and the reference page have it.
Parameters that are only written (out) are not passed: a callback returns their values after its result, in order.
"""

from __future__ import annotations

from typing import Any as _Any
from typing import Final

from emulator.ndis.headers.callback_role import Role as _Role
from emulator.ndis.headers.status import (
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_HARD_ERRORS,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESET_IN_PROGRESS,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SOFT_ERRORS,
    NDIS_STATUS_SUCCESS,
)
from emulator.rules import irql as _irql

_MINIPORT: Final = "NDIS_MINIPORT_DRIVER_CHARACTERISTICS."
_FILTER: Final = "NDIS_FILTER_DRIVER_CHARACTERISTICS."
_PROTOCOL: Final = "NDIS_PROTOCOL_DRIVER_CHARACTERISTICS."
_INTERRUPT: Final = "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS."
_STATUS: Final = "NDIS_STATUS"
_VOID: Final = "VOID"
_BOOLEAN: Final = "BOOLEAN"
_NEVER_FAILS: Final = (NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING)


def _miniport(
    name: str, field: str, result: str, parameters: str, irql: _irql.IrqlMask, *, may_pend: bool = False, **more: _Any
) -> _Role:
    return _Role(name, result, parameters, irql, fields=(_MINIPORT + field,), may_pend=may_pend, **more)


def _protocol(
    name: str, field: str, result: str, parameters: str, irql: _irql.IrqlMask, *, may_pend: bool = False, **more: _Any
) -> _Role:
    return _Role(name, result, parameters, irql, fields=(_PROTOCOL + field,), may_pend=may_pend, **more)


def _interrupt(name: str, field: str, result: str, parameters: str, irql: _irql.IrqlMask) -> _Role:
    note = "the header says HIGH_LEVEL, the page the device's own level" if irql == _irql.AT_DIRQL else ""
    return _Role(name, result, parameters, irql, fields=(_INTERRUPT + field,), note=note)


SET_OPTIONS: Final = _Role(
    "SET_OPTIONS",
    _STATUS,
    "NdisDriverHandle DriverContext",
    _irql.AT_PASSIVE,
    fields=(f"{_MINIPORT}SetOptionsHandler", f"{_FILTER}SetOptionsHandler", f"{_PROTOCOL}SetOptionsHandler"),
)
DRIVER_UNLOAD: Final = _Role(
    "DRIVER_UNLOAD",
    _VOID,
    "DriverObject",
    _irql.AT_PASSIVE,
    fields=("DRIVER_OBJECT.DriverUnload",),
    page="nc-wdm-driver_unload",
    note="a callback of the kernel, not of NDIS; its page says PASSIVE_LEVEL",
)

# Miniport.
MINIPORT_INITIALIZE: Final = _miniport(
    "MINIPORT_INITIALIZE",
    "InitializeHandlerEx",
    _STATUS,
    "NdisMiniportHandle MiniportDriverContext MiniportInitParameters",
    _irql.AT_PASSIVE,
)
MINIPORT_HALT: Final = _miniport(
    "MINIPORT_HALT", "HaltHandlerEx", _VOID, "MiniportAdapterContext HaltAction", _irql.AT_PASSIVE
)
MINIPORT_UNLOAD: Final = _miniport("MINIPORT_UNLOAD", "UnloadHandler", _VOID, "DriverObject", _irql.AT_PASSIVE)
MINIPORT_PAUSE: Final = _miniport(
    "MINIPORT_PAUSE",
    "PauseHandler",
    _STATUS,
    "MiniportAdapterContext PauseParameters",
    _irql.AT_PASSIVE,
    may_pend=True,
    statuses=_NEVER_FAILS,
)
MINIPORT_RESTART: Final = _miniport(
    "MINIPORT_RESTART",
    "RestartHandler",
    _STATUS,
    "MiniportAdapterContext RestartParameters",
    _irql.AT_PASSIVE,
    may_pend=True,
    statuses=(NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, NDIS_STATUS_RESOURCES, NDIS_STATUS_FAILURE),
)
MINIPORT_OID_REQUEST: Final = _miniport(
    "MINIPORT_OID_REQUEST",
    "OidRequestHandler",
    _STATUS,
    "MiniportAdapterContext OidRequest",
    _irql.AT_PASSIVE,
    may_pend=True,
)
MINIPORT_SEND_NET_BUFFER_LISTS: Final = _miniport(
    "MINIPORT_SEND_NET_BUFFER_LISTS",
    "SendNetBufferListsHandler",
    _VOID,
    "MiniportAdapterContext NetBufferList PortNumber SendFlags",
    _irql.AT_MOST_DISPATCH,
)
MINIPORT_RETURN_NET_BUFFER_LISTS: Final = _miniport(
    "MINIPORT_RETURN_NET_BUFFER_LISTS",
    "ReturnNetBufferListsHandler",
    _VOID,
    "MiniportAdapterContext NetBufferLists ReturnFlags",
    _irql.AT_MOST_DISPATCH,
)
MINIPORT_CANCEL_SEND: Final = _miniport(
    "MINIPORT_CANCEL_SEND", "CancelSendHandler", _VOID, "MiniportAdapterContext CancelId", _irql.AT_MOST_DISPATCH
)
MINIPORT_CHECK_FOR_HANG: Final = _miniport(
    "MINIPORT_CHECK_FOR_HANG", "CheckForHangHandlerEx", _BOOLEAN, "MiniportAdapterContext", _irql.AT_PASSIVE
)
MINIPORT_RESET: Final = _miniport(
    "MINIPORT_RESET",
    "ResetHandlerEx",
    _STATUS,
    "MiniportAdapterContext AddressingReset:out",
    _irql.AT_MOST_DISPATCH,
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
    _irql.AT_PASSIVE,
)
MINIPORT_SHUTDOWN: Final = _miniport(
    "MINIPORT_SHUTDOWN",
    "ShutdownHandlerEx",
    _VOID,
    "MiniportAdapterContext ShutdownAction",
    _irql.AT_PASSIVE_OR_HIGH,
    note="PASSIVE_LEVEL for NdisShutdownPowerOff, HIGH_LEVEL for NdisShutdownBugCheck",
)
MINIPORT_CANCEL_OID_REQUEST: Final = _miniport(
    "MINIPORT_CANCEL_OID_REQUEST",
    "CancelOidRequestHandler",
    _VOID,
    "MiniportAdapterContext RequestId",
    _irql.AT_MOST_DISPATCH,
)
MINIPORT_DIRECT_OID_REQUEST: Final = _miniport(
    "MINIPORT_DIRECT_OID_REQUEST",
    "DirectOidRequestHandler",
    _STATUS,
    "MiniportAdapterContext OidRequest",
    _irql.AT_MOST_DISPATCH,
    may_pend=True,
)
MINIPORT_CANCEL_DIRECT_OID_REQUEST: Final = _miniport(
    "MINIPORT_CANCEL_DIRECT_OID_REQUEST",
    "CancelDirectOidRequestHandler",
    _VOID,
    "MiniportAdapterContext RequestId",
    _irql.AT_MOST_DISPATCH,
)
MINIPORT_SYNCHRONOUS_OID_REQUEST: Final = _miniport(
    "MINIPORT_SYNCHRONOUS_OID_REQUEST",
    "SynchronousOidRequestHandler",
    _STATUS,
    "MiniportAdapterContext OidRequest",
    _irql.AT_MOST_DISPATCH,
    page="nf-ndis-miniport_synchronous_oid_request",
)

# Protocol.
PROTOCOL_BIND_ADAPTER_EX: Final = _protocol(
    "PROTOCOL_BIND_ADAPTER_EX",
    "BindAdapterHandlerEx",
    _STATUS,
    "ProtocolDriverContext BindContext BindParameters",
    _irql.AT_PASSIVE,
    may_pend=True,
)
PROTOCOL_UNBIND_ADAPTER_EX: Final = _protocol(
    "PROTOCOL_UNBIND_ADAPTER_EX",
    "UnbindAdapterHandlerEx",
    _STATUS,
    "UnbindContext ProtocolBindingContext",
    _irql.AT_PASSIVE,
    may_pend=True,
    statuses=_NEVER_FAILS,
)
PROTOCOL_OPEN_ADAPTER_COMPLETE_EX: Final = _protocol(
    "PROTOCOL_OPEN_ADAPTER_COMPLETE_EX",
    "OpenAdapterCompleteHandlerEx",
    _VOID,
    "ProtocolBindingContext Status",
    _irql.AT_PASSIVE,
)
PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX: Final = _protocol(
    "PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX",
    "CloseAdapterCompleteHandlerEx",
    _VOID,
    "ProtocolBindingContext",
    _irql.AT_PASSIVE,
)
PROTOCOL_NET_PNP_EVENT: Final = _protocol(
    "PROTOCOL_NET_PNP_EVENT",
    "NetPnPEventHandler",
    _STATUS,
    "ProtocolBindingContext? NetPnPEventNotification",
    _irql.AT_PASSIVE,
    may_pend=True,
)
PROTOCOL_UNINSTALL: Final = _protocol("PROTOCOL_UNINSTALL", "UninstallHandler", _VOID, "", _irql.AT_PASSIVE)
PROTOCOL_OID_REQUEST_COMPLETE: Final = _protocol(
    "PROTOCOL_OID_REQUEST_COMPLETE",
    "OidRequestCompleteHandler",
    _VOID,
    "ProtocolBindingContext OidRequest Status",
    _irql.AT_MOST_DISPATCH,
)
PROTOCOL_STATUS_EX: Final = _protocol(
    "PROTOCOL_STATUS_EX", "StatusHandlerEx", _VOID, "ProtocolBindingContext StatusIndication", _irql.AT_MOST_DISPATCH
)
PROTOCOL_RECEIVE_NET_BUFFER_LISTS: Final = _protocol(
    "PROTOCOL_RECEIVE_NET_BUFFER_LISTS",
    "ReceiveNetBufferListsHandler",
    _VOID,
    "ProtocolBindingContext NetBufferLists PortNumber NumberOfNetBufferLists ReceiveFlags",
    _irql.AT_MOST_DISPATCH,
)
PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE: Final = _protocol(
    "PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE",
    "SendNetBufferListsCompleteHandler",
    _VOID,
    "ProtocolBindingContext NetBufferList SendCompleteFlags",
    _irql.AT_MOST_DISPATCH,
    note="the page lists the flags before the list, the header and every driver the other way round",
)
PROTOCOL_DIRECT_OID_REQUEST_COMPLETE: Final = _protocol(
    "PROTOCOL_DIRECT_OID_REQUEST_COMPLETE",
    "DirectOidRequestCompleteHandler",
    _VOID,
    "ProtocolBindingContext OidRequest Status",
    _irql.AT_MOST_DISPATCH,
)

# Interrupts.
MINIPORT_ISR: Final = _interrupt(
    "MINIPORT_ISR",
    "InterruptHandler",
    _BOOLEAN,
    "MiniportInterruptContext QueueDefaultInterruptDpc:out TargetProcessors:out",
    _irql.AT_DIRQL,
)
MINIPORT_INTERRUPT_DPC: Final = _interrupt(
    "MINIPORT_INTERRUPT_DPC",
    "InterruptDpcHandler",
    _VOID,
    "MiniportInterruptContext MiniportDpcContext ReceiveThrottleParameters NdisReserved2",
    _irql.AT_DISPATCH,
)
MINIPORT_DISABLE_INTERRUPT: Final = _interrupt(
    "MINIPORT_DISABLE_INTERRUPT", "DisableInterruptHandler", _VOID, "MiniportInterruptContext", _irql.AT_DIRQL
)
MINIPORT_ENABLE_INTERRUPT: Final = _interrupt(
    "MINIPORT_ENABLE_INTERRUPT", "EnableInterruptHandler", _VOID, "MiniportInterruptContext", _irql.AT_DIRQL
)
MINIPORT_MESSAGE_INTERRUPT: Final = _interrupt(
    "MINIPORT_MESSAGE_INTERRUPT",
    "MessageInterruptHandler",
    _BOOLEAN,
    "MiniportInterruptContext MessageId QueueDefaultInterruptDpc:out TargetProcessors:out",
    _irql.AT_DIRQL,
)
MINIPORT_MESSAGE_INTERRUPT_DPC: Final = _interrupt(
    "MINIPORT_MESSAGE_INTERRUPT_DPC",
    "MessageInterruptDpcHandler",
    _VOID,
    "MiniportInterruptContext MessageId MiniportDpcContext ReceiveThrottleParameters NdisReserved2",
    _irql.AT_DISPATCH,
)
MINIPORT_DISABLE_MESSAGE_INTERRUPT: Final = _interrupt(
    "MINIPORT_DISABLE_MESSAGE_INTERRUPT",
    "DisableMessageInterruptHandler",
    _VOID,
    "MiniportInterruptContext MessageId",
    _irql.AT_DIRQL,
)
MINIPORT_ENABLE_MESSAGE_INTERRUPT: Final = _interrupt(
    "MINIPORT_ENABLE_MESSAGE_INTERRUPT",
    "EnableMessageInterruptHandler",
    _VOID,
    "MiniportInterruptContext MessageId",
    _irql.AT_DIRQL,
)
MINIPORT_SYNCHRONIZE_INTERRUPT: Final = _Role(
    "MINIPORT_SYNCHRONIZE_INTERRUPT",
    _BOOLEAN,
    "SynchronizeContext",
    _irql.AT_DIRQL,
    note="an argument of NdisMSynchronizeWithInterruptEx; header HIGH_LEVEL, page the device's own level",
)

# Poll mode.
NDIS_POLL: Final = _Role(
    "NDIS_POLL",
    _VOID,
    "Context? PollData:changed",
    _irql.AT_MOST_DISPATCH,
    fields=("NDIS_POLL_CHARACTERISTICS.PollHandler",),
    page="nc-poll-ndis_poll",
    note="of poll.h, which the table of facts does not cover; its page has it at PASSIVE_LEVEL and DISPATCH_LEVEL",
)
NDIS_SET_POLL_NOTIFICATION: Final = _Role(
    "NDIS_SET_POLL_NOTIFICATION",
    _VOID,
    "Context? Notification:changed",
    _irql.AT_MOST_DISPATCH,
    fields=("NDIS_POLL_CHARACTERISTICS.SetPollNotificationHandler",),
    page="nc-poll-ndis_set_poll_notification",
    note="of poll.h, which the table of facts does not cover",
)

# Timers, work items, DMA, memory descriptor lists.
NDIS_TIMER_FUNCTION: Final = _Role(
    "NDIS_TIMER_FUNCTION",
    _VOID,
    "SystemSpecific1 FunctionContext SystemSpecific2 SystemSpecific3",
    _irql.AT_DISPATCH,
    fields=("NDIS_TIMER_CHARACTERISTICS.TimerFunction",),
)
NDIS_IO_WORKITEM_FUNCTION: Final = _Role(
    "NDIS_IO_WORKITEM_FUNCTION",
    _VOID,
    "WorkItemContext? NdisIoWorkItemHandle",
    _irql.AT_PASSIVE,
    page="nf-ndis-ndisqueueioworkitem",
    note="an argument of NdisQueueIoWorkItem; ndis.h: called at PASSIVE_LEVEL, returns at the same level",
)
IO_WORKITEM_ROUTINE: Final = _Role(
    "IO_WORKITEM_ROUTINE",
    _VOID,
    "DeviceObject Context?",
    _irql.AT_PASSIVE,
    page="nc-wdm-io_workitem_routine",
    note="an argument of IoQueueWorkItem; returns at the level that it was called at",
)
MINIPORT_PROCESS_SG_LIST: Final = _Role(
    "MINIPORT_PROCESS_SG_LIST", _VOID, "pDO Reserved pSGL Context", _irql.AT_DISPATCH
)
NDIS_PROCESS_SG_LIST: Final = _Role(
    "NDIS_PROCESS_SG_LIST",
    _VOID,
    "DeviceObject? Reserved? ScatterGatherListBuffer Context?",
    _irql.AT_DISPATCH,
    fields=("NDIS_SCATTER_GATHER_LIST_PARAMETERS.ProcessSGListHandler",),
)
MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE: Final = _Role(
    "MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE",
    _VOID,
    "MiniportAdapterContext VirtualAddress? PhysicalAddress Length Context",
    _irql.AT_PASSIVE,
)
MINIPORT_ADD_DEVICE: Final = _Role(
    "MINIPORT_ADD_DEVICE",
    _STATUS,
    "NdisMiniportHandle MiniportDriverContext",
    _irql.AT_PASSIVE,
    fields=("NDIS_MINIPORT_PNP_CHARACTERISTICS.MiniportAddDeviceHandler",),
)
MINIPORT_REMOVE_DEVICE: Final = _Role(
    "MINIPORT_REMOVE_DEVICE",
    _VOID,
    "MiniportAddDeviceContext",
    _irql.AT_PASSIVE,
    fields=("NDIS_MINIPORT_PNP_CHARACTERISTICS.MiniportRemoveDeviceHandler",),
)
MINIPORT_IDLE_NOTIFICATION: Final = _Role(
    "MINIPORT_IDLE_NOTIFICATION",
    _STATUS,
    "MiniportAdapterContext ForceIdle",
    _irql.AT_PASSIVE,
    fields=("NDIS_MINIPORT_SS_CHARACTERISTICS.IdleNotificationHandler",),
    may_pend=True,
)
MINIPORT_CANCEL_IDLE_NOTIFICATION: Final = _Role(
    "MINIPORT_CANCEL_IDLE_NOTIFICATION",
    _VOID,
    "MiniportAdapterContext",
    _irql.AT_PASSIVE,
    fields=("NDIS_MINIPORT_SS_CHARACTERISTICS.CancelIdleNotificationHandler",),
)
IF_QUERY_OBJECT: Final = _Role(
    "IF_QUERY_OBJECT",
    _STATUS,
    "ProviderIfContext ObjectId pOutputBufferLength:inout pOutputBuffer:out",
    _irql.AT_PASSIVE,
    fields=("NDIS_IF_PROVIDER_CHARACTERISTICS.QueryObjectHandler",),
)
IF_SET_OBJECT: Final = _Role(
    "IF_SET_OBJECT",
    _STATUS,
    "ProviderIfContext ObjectId InputBufferLength pInputBuffer",
    _irql.AT_PASSIVE,
    fields=("NDIS_IF_PROVIDER_CHARACTERISTICS.SetObjectHandler",),
)
KDEFERRED_ROUTINE: Final = _Role(
    "KDEFERRED_ROUTINE",
    _VOID,
    "Dpc DeferredContext? SystemArgument1? SystemArgument2?",
    _irql.AT_DISPATCH,
    page="nc-wdm-kdeferred_routine",
    note="an argument of KeInitializeDpc",
)
ALLOCATE_FUNCTION: Final = _Role(
    "ALLOCATE_FUNCTION",
    "PVOID",
    "PoolType NumberOfBytes Tag",
    _irql.AT_MOST_DISPATCH,
    page="nf-wdm-exinitializenpagedlookasidelist",
    note="an argument of NdisInitializeNPagedLookasideList",
)
FREE_FUNCTION: Final = _Role(
    "FREE_FUNCTION",
    _VOID,
    "Buffer",
    _irql.AT_MOST_DISPATCH,
    page="nf-wdm-exinitializenpagedlookasidelist",
    note="an argument of NdisInitializeNPagedLookasideList",
)
NET_BUFFER_ALLOCATE_MDL: Final = _Role(
    "NET_BUFFER_ALLOCATE_MDL",
    "MDL",
    "BufferSize:inout",
    _irql.AT_MOST_DISPATCH,
    page="nc-nblapi-net_buffer_allocate_mdl",
)
NET_BUFFER_FREE_MDL: Final = _Role(
    "NET_BUFFER_FREE_MDL", _VOID, "Mdl", _irql.AT_MOST_DISPATCH, page="nc-nblapi-net_buffer_free_mdl"
)
