"""Structures at the miniport's edge: characteristics, attributes, interrupts, and what NDIS passes to its handlers.

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


class NDIS_MINIPORT_DRIVER_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisMRegisterMiniportDriver wants to know of a driver."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MajorNdisVersion: int = 0
    MinorNdisVersion: int = 0
    MajorDriverVersion: int = 0
    MinorDriverVersion: int = 0
    Flags: int = 0
    SetOptionsHandler: Handler = None
    InitializeHandlerEx: Handler = None
    HaltHandlerEx: Handler = None
    UnloadHandler: Handler = None
    PauseHandler: Handler = None
    RestartHandler: Handler = None
    OidRequestHandler: Handler = None
    SendNetBufferListsHandler: Handler = None
    ReturnNetBufferListsHandler: Handler = None
    CancelSendHandler: Handler = None
    CheckForHangHandlerEx: Handler = None
    ResetHandlerEx: Handler = None
    DevicePnPEventNotifyHandler: Handler = None
    ShutdownHandlerEx: Handler = None
    CancelOidRequestHandler: Handler = None
    DirectOidRequestHandler: Handler = None
    CancelDirectOidRequestHandler: Handler = None
    SynchronousOidRequestHandler: Handler = None


class NDIS_MINIPORT_PNP_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisSetOptionalHandlers wants to know of a miniport that takes part in PnP."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MiniportAddDeviceHandler: Handler = None
    MiniportRemoveDeviceHandler: Handler = None
    MiniportFilterResourceRequirementsHandler: Handler = None
    MiniportStartDeviceHandler: Handler = None


class NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """What MiniportAddDevice registers: the context of the device, which outlives that of the adapter."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MiniportAddDeviceContext: Any = None
    Flags: int = 0


class NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """The first attributes of an adapter: its context, and what kind of device it is."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MiniportAdapterContext: Any = None
    AttributeFlags: int = 0
    CheckForHangTimeInSeconds: int = 0
    InterfaceType: int = 0


class NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """The second attributes of an adapter: medium, speeds, addresses, filters, OIDs."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    MediaType: int = 0
    PhysicalMediumType: int = 0
    MtuSize: int = 0
    MaxXmitLinkSpeed: int = 0
    XmitLinkSpeed: int = 0
    MaxRcvLinkSpeed: int = 0
    RcvLinkSpeed: int = 0
    MediaConnectState: int = 0
    MediaDuplexState: int = 0
    LookaheadSize: int = 0
    PowerManagementCapabilities: Any = None
    MacOptions: int = 0
    SupportedPacketFilters: int = 0
    MaxMulticastListSize: int = 0
    MacAddressLength: int = 0
    PermanentMacAddress: bytes = b""
    CurrentMacAddress: bytes = b""
    RecvScaleCapabilities: Any = None
    AccessType: int = 0
    DirectionType: int = 0
    ConnectionType: int = 0
    IfType: int = 0
    IfConnectorPresent: bool = False
    SupportedStatistics: int = 0
    SupportedPauseFunctions: int = 0
    DataBackFillSize: int = 0
    ContextBackFillSize: int = 0
    SupportedOidList: Sequence[int] = ()
    SupportedOidListLength: int = 0
    AutoNegotiationFlags: int = 0
    PowerManagementCapabilitiesEx: Any = None


class NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """What an adapter offloads: each an NDIS_OFFLOAD as it lies in memory (a structure, memory or bytes), or None."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    DefaultOffloadConfiguration: Any = None
    HardwareOffloadCapabilities: Any = None
    DefaultTcpConnectionOffloadConfiguration: Any = None
    TcpConnectionOffloadHardwareCapabilities: Any = None


NDIS_MINIPORT_ADAPTER_ATTRIBUTES = (
    NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES
    | NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES
    | NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES
    | NDIS_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES
)


class NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisMRegisterInterruptEx wants to know; NDIS writes InterruptType and MessageInfoTable."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    InterruptHandler: Handler = None
    InterruptDpcHandler: Handler = None
    DisableInterruptHandler: Handler = None
    EnableInterruptHandler: Handler = None
    MsiSupported: bool = False
    MsiSyncWithAllMessages: bool = False
    MessageInterruptHandler: Handler = None
    MessageInterruptDpcHandler: Handler = None
    DisableMessageInterruptHandler: Handler = None
    EnableMessageInterruptHandler: Handler = None
    InterruptType: int = 0
    MessageInfoTable: Any = None


class NDIS_MSIX_CONFIG_PARAMETERS(Struct, kw_only=True, eq=False):
    """One operation on an entry of the adapter's MSI-X table."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    ConfigOperation: int = 0
    TableEntry: int = 0
    MessageNumber: int = 0


class NDIS_MINIPORT_INIT_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NDIS passes to MiniportInitializeEx."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    AllocatedResources: Any = None
    IMDeviceInstanceContext: Any = None
    MiniportAddDeviceContext: Any = None
    IfIndex: int = 0
    NetLuid: int = 0
    DefaultPortAuthStates: Any = None
    PciDeviceCustomProperties: Any = None


class NDIS_MINIPORT_PAUSE_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NDIS passes to MiniportPause."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    PauseReason: int = 0


class NDIS_MINIPORT_RESTART_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NDIS passes to MiniportRestart."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    RestartAttributes: NDIS_RESTART_ATTRIBUTES | None = None
    Flags: int = 0


class NDIS_RECEIVE_THROTTLE_PARAMETERS(Struct, kw_only=True, eq=False):
    """How much a DPC may indicate, and its answer whether there is more; it has no header."""

    MaxNblsToIndicate: int = 0
    MoreNblsPending: int = 0
