"""Structures at the filter driver's edge: characteristics, attaching, pause and restart.

Law: Microsoft's member names, keyword construction, and what a driver leaves out is zero. A handler that Windows
demands and a driver leaves out stays None, and registration refuses it; another that is None is bypassed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, Handler

if TYPE_CHECKING:
    from emulator.ndis.headers.structures_common import NDIS_RESTART_ATTRIBUTES


class NDIS_FILTER_DRIVER_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisFRegisterFilterDriver wants to know of a driver."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MajorNdisVersion: int = 0
    MinorNdisVersion: int = 0
    MajorDriverVersion: int = 0
    MinorDriverVersion: int = 0
    Flags: int = 0
    FriendlyName: str = ""
    UniqueName: str = ""
    ServiceName: str = ""
    SetOptionsHandler: Handler = None
    SetFilterModuleOptionsHandler: Handler = None
    AttachHandler: Handler = None
    DetachHandler: Handler = None
    RestartHandler: Handler = None
    PauseHandler: Handler = None
    SendNetBufferListsHandler: Handler = None
    SendNetBufferListsCompleteHandler: Handler = None
    CancelSendNetBufferListsHandler: Handler = None
    ReceiveNetBufferListsHandler: Handler = None
    ReturnNetBufferListsHandler: Handler = None
    OidRequestHandler: Handler = None
    OidRequestCompleteHandler: Handler = None
    CancelOidRequestHandler: Handler = None
    DevicePnPEventNotifyHandler: Handler = None
    NetPnPEventHandler: Handler = None
    StatusHandler: Handler = None
    DirectOidRequestHandler: Handler = None
    DirectOidRequestCompleteHandler: Handler = None
    CancelDirectOidRequestHandler: Handler = None
    SynchronousOidRequestHandler: Handler = None
    SynchronousOidRequestCompleteHandler: Handler = None


class NDIS_FILTER_PARTIAL_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisSetOptionalHandlers puts in place of a driver's handlers, for one module; None bypasses it."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    SendNetBufferListsHandler: Handler = None
    SendNetBufferListsCompleteHandler: Handler = None
    CancelSendNetBufferListsHandler: Handler = None
    ReceiveNetBufferListsHandler: Handler = None
    ReturnNetBufferListsHandler: Handler = None


class NDIS_FILTER_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """What NdisFSetAttributes wants to know of a module."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0


class NDIS_FILTER_ATTACH_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NDIS tells a filter driver of the stack that it attaches to."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    IfIndex: int = 0
    NetLuid: int = 0
    FilterModuleGuidName: str = ""
    BaseMiniportIfIndex: int = 0
    BaseMiniportInstanceName: str = ""
    BaseMiniportName: str = ""
    MediaConnectState: int = 0
    MediaDuplexState: int = 0
    XmitLinkSpeed: int = 0
    RcvLinkSpeed: int = 0
    MiniportMediaType: int = 0
    MiniportPhysicalMediaType: int = 0
    MiniportMediaSpecificAttributes: Any = None
    DefaultOffloadConfiguration: Any = None
    MacAddressLength: int = 0
    CurrentMacAddress: bytes = b""
    BaseMiniportNetLuid: int = 0
    LowerIfIndex: int = 0
    LowerIfNetLuid: int = 0
    Flags: int = 0


class NDIS_FILTER_PAUSE_PARAMETERS(Struct, kw_only=True, eq=False):
    """Why a filter module is paused."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    PauseReason: int = 0


class NDIS_FILTER_RESTART_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NDIS tells a filter module when it restarts."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MiniportMediaType: int = 0
    MiniportPhysicalMediaType: int = 0
    RestartAttributes: NDIS_RESTART_ATTRIBUTES | None = None
    LowerIfIndex: int = 0
    LowerIfNetLuid: int = 0
    Flags: int = 0
