"""Where each handler of a driver stands in DRIVER.handlers: the handlers' names in the order of the characteristics.

Law: an index is the place in Microsoft's structure, so that a table in the arena can be read with the header beside it.
"""

from __future__ import annotations

from typing import Final

MINIPORT_HANDLERS: Final = (
    "SetOptionsHandler",
    "InitializeHandlerEx",
    "HaltHandlerEx",
    "UnloadHandler",
    "PauseHandler",
    "RestartHandler",
    "OidRequestHandler",
    "SendNetBufferListsHandler",
    "ReturnNetBufferListsHandler",
    "CancelSendHandler",
    "CheckForHangHandlerEx",
    "ResetHandlerEx",
    "DevicePnPEventNotifyHandler",
    "ShutdownHandlerEx",
    "CancelOidRequestHandler",
    "DirectOidRequestHandler",
    "CancelDirectOidRequestHandler",
    "SynchronousOidRequestHandler",
)
"""NDIS_MINIPORT_DRIVER_CHARACTERISTICS."""

MINIPORT_OPTIONAL_HANDLERS: Final = (
    "MiniportAddDeviceHandler",
    "MiniportRemoveDeviceHandler",
    "MiniportFilterResourceRequirementsHandler",
    "MiniportStartDeviceHandler",
)
"""NDIS_MINIPORT_PNP_CHARACTERISTICS; they stand behind those of the driver's own characteristics."""

PROTOCOL_HANDLERS: Final = (
    "SetOptionsHandler",
    "BindAdapterHandlerEx",
    "UnbindAdapterHandlerEx",
    "OpenAdapterCompleteHandlerEx",
    "CloseAdapterCompleteHandlerEx",
    "NetPnPEventHandler",
    "UninstallHandler",
    "OidRequestCompleteHandler",
    "StatusHandlerEx",
    "ReceiveNetBufferListsHandler",
    "SendNetBufferListsCompleteHandler",
    "DirectOidRequestCompleteHandler",
)
"""NDIS_PROTOCOL_DRIVER_CHARACTERISTICS."""

FILTER_HANDLERS: Final = (
    "SetOptionsHandler",
    "SetFilterModuleOptionsHandler",
    "AttachHandler",
    "DetachHandler",
    "RestartHandler",
    "PauseHandler",
    "SendNetBufferListsHandler",
    "SendNetBufferListsCompleteHandler",
    "CancelSendNetBufferListsHandler",
    "ReceiveNetBufferListsHandler",
    "ReturnNetBufferListsHandler",
    "OidRequestHandler",
    "OidRequestCompleteHandler",
    "CancelOidRequestHandler",
    "DevicePnPEventNotifyHandler",
    "NetPnPEventHandler",
    "StatusHandler",
    "DirectOidRequestHandler",
    "DirectOidRequestCompleteHandler",
    "CancelDirectOidRequestHandler",
    "SynchronousOidRequestHandler",
    "SynchronousOidRequestCompleteHandler",
)
"""NDIS_FILTER_DRIVER_CHARACTERISTICS."""

MINIPORT_SEND: Final = MINIPORT_HANDLERS.index("SendNetBufferListsHandler")
MINIPORT_RETURN: Final = MINIPORT_HANDLERS.index("ReturnNetBufferListsHandler")
MINIPORT_CANCEL_SEND: Final = MINIPORT_HANDLERS.index("CancelSendHandler")
PROTOCOL_RECEIVE: Final = PROTOCOL_HANDLERS.index("ReceiveNetBufferListsHandler")
PROTOCOL_SEND_COMPLETE: Final = PROTOCOL_HANDLERS.index("SendNetBufferListsCompleteHandler")
FILTER_BYPASSED: Final = (
    "SendNetBufferListsHandler",
    "SendNetBufferListsCompleteHandler",
    "CancelSendNetBufferListsHandler",
    "ReceiveNetBufferListsHandler",
    "ReturnNetBufferListsHandler",
)
"""NDIS_FILTER_PARTIAL_CHARACTERISTICS: what a module may have otherwise than its driver."""

FILTER_SEND: Final = FILTER_HANDLERS.index("SendNetBufferListsHandler")
FILTER_SEND_COMPLETE: Final = FILTER_HANDLERS.index("SendNetBufferListsCompleteHandler")
FILTER_CANCEL_SEND: Final = FILTER_HANDLERS.index("CancelSendNetBufferListsHandler")
FILTER_RECEIVE: Final = FILTER_HANDLERS.index("ReceiveNetBufferListsHandler")
FILTER_RETURN: Final = FILTER_HANDLERS.index("ReturnNetBufferListsHandler")
