"""Structures at the protocol's edge: characteristics, opening and binding, pause and restart.

Law: Microsoft's member names, keyword construction, and what a driver leaves out is zero. A handler that Windows
demands and a driver leaves out stays None, and registration refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, Handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.ndis.headers.structures_common import NDIS_RESTART_ATTRIBUTES


class NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisRegisterProtocolDriver wants to know of a driver."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MajorNdisVersion: int = 0
    MinorNdisVersion: int = 0
    MajorDriverVersion: int = 0
    MinorDriverVersion: int = 0
    Flags: int = 0
    Name: str = ""
    SetOptionsHandler: Handler = None
    BindAdapterHandlerEx: Handler = None
    UnbindAdapterHandlerEx: Handler = None
    OpenAdapterCompleteHandlerEx: Handler = None
    CloseAdapterCompleteHandlerEx: Handler = None
    NetPnPEventHandler: Handler = None
    UninstallHandler: Handler = None
    OidRequestCompleteHandler: Handler = None
    StatusHandlerEx: Handler = None
    ReceiveNetBufferListsHandler: Handler = None
    SendNetBufferListsCompleteHandler: Handler = None
    DirectOidRequestCompleteHandler: Handler = None


class NDIS_OPEN_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NdisOpenAdapterEx wants to know; NDIS writes SelectedMediumIndex."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    AdapterName: str = ""
    MediumArray: Sequence[int] = ()
    MediumArraySize: int = 0
    SelectedMediumIndex: int | None = None
    FrameTypeArray: Sequence[int] = ()
    FrameTypeArraySize: int = 0


class NDIS_BIND_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NDIS tells a protocol of the adapter to bind to."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    ProtocolSection: str = ""
    AdapterName: str = ""
    PhysicalDeviceObject: Any = None
    MediaType: int = 0
    MtuSize: int = 0
    MaxXmitLinkSpeed: int = 0
    XmitLinkSpeed: int = 0
    MaxRcvLinkSpeed: int = 0
    RcvLinkSpeed: int = 0
    MediaConnectState: int = 0
    MediaDuplexState: int = 0
    LookaheadSize: int = 0
    PowerManagementCapabilities: Any = None
    SupportedPacketFilters: int = 0
    MaxMulticastListSize: int = 0
    MacAddressLength: int = 0
    CurrentMacAddress: bytes = b""
    PhysicalMediumType: int = 0
    RcvScaleCapabilities: Any = None
    BoundIfNetluid: int = 0
    BoundIfIndex: int = 0
    LowestIfNetluid: int = 0
    LowestIfIndex: int = 0
    AccessType: int = 0
    DirectionType: int = 0
    ConnectionType: int = 0
    IfType: int = 0
    IfConnectorPresent: bool = False
    ActivePorts: Any = None
    DataBackFillSize: int = 0
    ContextBackFillSize: int = 0
    MacOptions: int = 0
    CompartmentId: int = 0
    DefaultOffloadConfiguration: Any = None
    TcpConnectionOffloadCapabilities: Any = None
    BoundAdapterName: str = ""
    HDSplitCurrentConfig: Any = None
    ReceiveFilterCapabilities: Any = None
    PowerManagementCapabilitiesEx: Any = None
    NicSwitchCapabilities: Any = None
    NDKEnabled: bool = False
    NDKCapabilities: Any = None
    SriovCapabilities: Any = None
    NicSwitchArray: Any = None


class NDIS_PROTOCOL_PAUSE_PARAMETERS(Struct, kw_only=True, eq=False):
    """The buffer of NetEventPause."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    PauseReason: int = 0


class NDIS_PROTOCOL_RESTART_PARAMETERS(Struct, kw_only=True, eq=False):
    """The buffer of NetEventRestart."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    FilterModuleNameBuffer: bytes = b""
    FilterModuleNameBufferLength: int = 0
    RestartAttributes: NDIS_RESTART_ATTRIBUTES | None = None
    BoundIfIndex: int = 0
    BoundIfNetluid: int = 0
    Flags: int = 0
