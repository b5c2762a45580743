"""Callback roles of filter drivers, beside those of roles.py.

Law: as there: one entry for each callback type, as the header and the reference page have it.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis.headers.callback_role import Role as _Role
from emulator.ndis.headers.status import NDIS_STATUS_FAILURE, NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS
from emulator.ndis.headers.structures_common import handlers_in as _handlers_in
from emulator.ndis.headers.structures_filter import NDIS_FILTER_PARTIAL_CHARACTERISTICS as _PARTIAL
from emulator.rules import irql as _irql

_STATUS: Final = "NDIS_STATUS"
_VOID: Final = "VOID"
_BYPASSED: Final = _handlers_in(_PARTIAL)


def _filter(
    name: str,
    field: str,
    result: str,
    parameters: str,
    irql: _irql.IrqlMask = _irql.AT_MOST_DISPATCH,
    *,
    may_pend: bool = False,
    statuses: tuple[int, ...] = (),
    page: str = "",
) -> _Role:
    return _Role(
        name,
        result,
        parameters,
        irql,
        fields=(
            f"NDIS_FILTER_DRIVER_CHARACTERISTICS.{field}",
            *((f"NDIS_FILTER_PARTIAL_CHARACTERISTICS.{field}",) if field in _BYPASSED else ()),
        ),
        may_pend=may_pend,
        statuses=statuses,  # type: ignore[arg-type]
        page=page,
    )


FILTER_SET_MODULE_OPTIONS: Final = _filter(
    "FILTER_SET_MODULE_OPTIONS", "SetFilterModuleOptionsHandler", _STATUS, "FilterModuleContext", _irql.AT_PASSIVE
)
FILTER_ATTACH: Final = _filter(
    "FILTER_ATTACH",
    "AttachHandler",
    _STATUS,
    "NdisFilterHandle FilterDriverContext AttachParameters",
    _irql.AT_PASSIVE,
)
FILTER_DETACH: Final = _filter("FILTER_DETACH", "DetachHandler", _VOID, "FilterModuleContext", _irql.AT_PASSIVE)
FILTER_RESTART: Final = _filter(
    "FILTER_RESTART",
    "RestartHandler",
    _STATUS,
    "FilterModuleContext RestartParameters",
    _irql.AT_PASSIVE,
    may_pend=True,
)
FILTER_PAUSE: Final = _filter(
    "FILTER_PAUSE",
    "PauseHandler",
    _STATUS,
    "FilterModuleContext PauseParameters",
    _irql.AT_PASSIVE,
    may_pend=True,
    statuses=(NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING),
)
FILTER_SEND_NET_BUFFER_LISTS: Final = _filter(
    "FILTER_SEND_NET_BUFFER_LISTS",
    "SendNetBufferListsHandler",
    _VOID,
    "FilterModuleContext NetBufferList PortNumber SendFlags",
)
FILTER_SEND_NET_BUFFER_LISTS_COMPLETE: Final = _filter(
    "FILTER_SEND_NET_BUFFER_LISTS_COMPLETE",
    "SendNetBufferListsCompleteHandler",
    _VOID,
    "FilterModuleContext NetBufferList SendCompleteFlags",
)
FILTER_CANCEL_SEND_NET_BUFFER_LISTS: Final = _filter(
    "FILTER_CANCEL_SEND_NET_BUFFER_LISTS", "CancelSendNetBufferListsHandler", _VOID, "FilterModuleContext CancelId"
)
FILTER_RECEIVE_NET_BUFFER_LISTS: Final = _filter(
    "FILTER_RECEIVE_NET_BUFFER_LISTS",
    "ReceiveNetBufferListsHandler",
    _VOID,
    "FilterModuleContext NetBufferLists PortNumber NumberOfNetBufferLists ReceiveFlags",
)
FILTER_RETURN_NET_BUFFER_LISTS: Final = _filter(
    "FILTER_RETURN_NET_BUFFER_LISTS",
    "ReturnNetBufferListsHandler",
    _VOID,
    "FilterModuleContext NetBufferLists ReturnFlags",
)
FILTER_OID_REQUEST: Final = _filter(
    "FILTER_OID_REQUEST", "OidRequestHandler", _STATUS, "FilterModuleContext OidRequest", may_pend=True
)
FILTER_OID_REQUEST_COMPLETE: Final = _filter(
    "FILTER_OID_REQUEST_COMPLETE", "OidRequestCompleteHandler", _VOID, "FilterModuleContext OidRequest Status"
)
FILTER_CANCEL_OID_REQUEST: Final = _filter(
    "FILTER_CANCEL_OID_REQUEST", "CancelOidRequestHandler", _VOID, "FilterModuleContext RequestId"
)
FILTER_DEVICE_PNP_EVENT_NOTIFY: Final = _filter(
    "FILTER_DEVICE_PNP_EVENT_NOTIFY",
    "DevicePnPEventNotifyHandler",
    _VOID,
    "FilterModuleContext NetDevicePnPEvent",
    _irql.AT_PASSIVE,
)
FILTER_NET_PNP_EVENT: Final = _filter(
    "FILTER_NET_PNP_EVENT",
    "NetPnPEventHandler",
    _STATUS,
    "FilterModuleContext NetPnPEventNotification",
    _irql.AT_PASSIVE,
    statuses=(NDIS_STATUS_SUCCESS, NDIS_STATUS_FAILURE),
)
FILTER_STATUS: Final = _filter("FILTER_STATUS", "StatusHandler", _VOID, "FilterModuleContext StatusIndication")
FILTER_DIRECT_OID_REQUEST: Final = _filter(
    "FILTER_DIRECT_OID_REQUEST", "DirectOidRequestHandler", _STATUS, "FilterModuleContext OidRequest", may_pend=True
)
FILTER_DIRECT_OID_REQUEST_COMPLETE: Final = _filter(
    "FILTER_DIRECT_OID_REQUEST_COMPLETE",
    "DirectOidRequestCompleteHandler",
    _VOID,
    "FilterModuleContext OidRequest Status",
)
FILTER_CANCEL_DIRECT_OID_REQUEST: Final = _filter(
    "FILTER_CANCEL_DIRECT_OID_REQUEST", "CancelDirectOidRequestHandler", _VOID, "FilterModuleContext RequestId"
)
FILTER_SYNCHRONOUS_OID_REQUEST: Final = _filter(
    "FILTER_SYNCHRONOUS_OID_REQUEST",
    "SynchronousOidRequestHandler",
    _STATUS,
    "FilterModuleContext OidRequest:changed CallContext:out",
    page="nf-ndis-filter_synchronous_oid_request",
)
FILTER_SYNCHRONOUS_OID_REQUEST_COMPLETE: Final = _filter(
    "FILTER_SYNCHRONOUS_OID_REQUEST_COMPLETE",
    "SynchronousOidRequestCompleteHandler",
    _VOID,
    "FilterModuleContext OidRequest:changed Status:inout CallContext",
    page="nf-ndis-filter_synchronous_oid_request_complete",
)
