"""Structures that every kind of driver fills: headers, pools, timers, configuration, status, link and statistics.

Law: Microsoft's member names, keyword construction, and what a driver leaves out is zero, as after NdisZeroMemory.
Nothing is filled in that Windows would demand of the driver; whoever takes a structure checks its header. Structures
that travel as bytes (OID and status buffers) have the exact x64 layout.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct, field

from emulator.ndis.headers.structure_headers import STRUCTURE_HEADERS, header_fault

Handler = Callable[..., Any] | None
_Bytes = bytes | bytearray | memoryview

_LINK_STATE: Final = struct.Struct("<BBHii4xQQiI")
_STATISTICS: Final = struct.Struct("<BBHI18Q")
_INTERRUPT_MODERATION: Final = struct.Struct("<BBHIi")


class NDIS_OBJECT_HEADER(Struct):
    """Type, revision and size of the structure that it begins."""

    Type: int = 0
    Revision: int = 0
    Size: int = 0


class HasHeader(Protocol):
    """Any structure that begins with an NDIS_OBJECT_HEADER."""

    Header: NDIS_OBJECT_HEADER


def header_of(structure: str, revision: int) -> NDIS_OBJECT_HEADER:
    """The header of a structure in one of its revisions, from the table."""
    known = STRUCTURE_HEADERS[structure]
    return NDIS_OBJECT_HEADER(known.object_type, revision, known.sizes[revision])


def structure_fault(structure: HasHeader) -> str | None:
    """Say what is wrong with the header of a structure, or None where nothing is."""
    header = structure.Header
    return header_fault(type(structure).__name__, header.Type, header.Revision, header.Size)


def handlers_in(structure: type[Any]) -> tuple[str, ...]:
    """The members of a structure that are handlers."""
    return tuple(name for name, kind in structure.__annotations__.items() if kind == "Handler")


class NET_BUFFER_LIST_POOL_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NdisAllocateNetBufferListPool wants to know."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    ProtocolId: int = 0
    fAllocateNetBuffer: bool = False
    ContextSize: int = 0
    PoolTag: int = 0
    DataSize: int = 0
    Flags: int = 0


class NET_BUFFER_POOL_PARAMETERS(Struct, kw_only=True, eq=False):
    """What NdisAllocateNetBufferPool wants to know."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    PoolTag: int = 0
    DataSize: int = 0
    Flags: int = 0


class NDIS_TIMER_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisAllocateTimerObject wants to know."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    AllocationTag: int = 0
    TimerFunction: Handler = None
    FunctionContext: Any = None


class NDIS_DEVICE_OBJECT_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """What NdisRegisterDeviceEx wants to know; MajorFunctions is indexed by IRP_MJ_..."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    DeviceName: str = ""
    SymbolicName: str = ""
    MajorFunctions: Sequence[Handler] = ()
    ExtensionSize: int = 0
    DefaultSDDLString: str | None = None
    DeviceClassGuid: bytes | None = None


class NDIS_CONFIGURATION_OBJECT(Struct, kw_only=True, eq=False):
    """Whose registry key NdisOpenConfigurationEx opens."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    NdisHandle: Any = None
    Flags: int = 0


class NDIS_CONFIGURATION_PARAMETER_DATA(Struct, kw_only=True, eq=False):
    """The union inside NDIS_CONFIGURATION_PARAMETER; only the member of the parameter's type means anything."""

    IntegerData: int = 0
    StringData: str = ""
    BinaryData: bytes = b""


class NDIS_CONFIGURATION_PARAMETER(Struct, kw_only=True, eq=False):
    """One value of the registry."""

    ParameterType: int = 0
    ParameterData: NDIS_CONFIGURATION_PARAMETER_DATA = field(default_factory=NDIS_CONFIGURATION_PARAMETER_DATA)


class NDIS_STATUS_INDICATION(Struct, kw_only=True, eq=False):
    """A status on its way up; the buffer belongs to the caller until the call returns."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    SourceHandle: Any = None
    PortNumber: int = 0
    StatusCode: int = 0
    Flags: int = 0
    DestinationHandle: Any = None
    RequestId: Any = None
    StatusBuffer: Any = None
    StatusBufferSize: int = 0
    Guid: bytes = bytes(16)
    NdisReserved: list[Any] = field(default_factory=lambda: [None] * 4)


class NDIS_LINK_STATE(Struct, kw_only=True):
    """Link state as indicated with NDIS_STATUS_LINK_STATE and answered to OID_GEN_LINK_STATE."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MediaConnectState: int = 0
    MediaDuplexState: int = 0
    XmitLinkSpeed: int = 0
    RcvLinkSpeed: int = 0
    PauseFunctions: int = 0
    AutoNegotiationFlags: int = 0

    def to_bytes(self) -> bytes:
        """Return the structure as it lies in memory on x64."""
        header = self.Header
        return _LINK_STATE.pack(
            header.Type,
            header.Revision,
            header.Size,
            self.MediaConnectState,
            self.MediaDuplexState,
            self.XmitLinkSpeed,
            self.RcvLinkSpeed,
            self.PauseFunctions,
            self.AutoNegotiationFlags,
        )

    @classmethod
    def from_bytes(cls, data: _Bytes) -> NDIS_LINK_STATE:
        """Read the structure from the start of a buffer."""
        kind, revision, size, connect, duplex, transmit, receive, pause, flags = _LINK_STATE.unpack_from(data)
        return cls(
            Header=NDIS_OBJECT_HEADER(kind, revision, size),
            MediaConnectState=connect,
            MediaDuplexState=duplex,
            XmitLinkSpeed=transmit,
            RcvLinkSpeed=receive,
            PauseFunctions=pause,
            AutoNegotiationFlags=flags,
        )


class NDIS_STATISTICS_INFO(Struct, kw_only=True):
    """The answer to OID_GEN_STATISTICS."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    SupportedStatistics: int = 0
    ifInDiscards: int = 0
    ifInErrors: int = 0
    ifHCInOctets: int = 0
    ifHCInUcastPkts: int = 0
    ifHCInMulticastPkts: int = 0
    ifHCInBroadcastPkts: int = 0
    ifHCOutOctets: int = 0
    ifHCOutUcastPkts: int = 0
    ifHCOutMulticastPkts: int = 0
    ifHCOutBroadcastPkts: int = 0
    ifOutErrors: int = 0
    ifOutDiscards: int = 0
    ifHCInUcastOctets: int = 0
    ifHCInMulticastOctets: int = 0
    ifHCInBroadcastOctets: int = 0
    ifHCOutUcastOctets: int = 0
    ifHCOutMulticastOctets: int = 0
    ifHCOutBroadcastOctets: int = 0

    def to_bytes(self) -> bytes:
        """Return the structure as it lies in memory on x64; counters wrap as ULONG64 does."""
        header = self.Header
        counters = [getattr(self, name) & 0xFFFF_FFFF_FFFF_FFFF for name in _COUNTERS]
        return _STATISTICS.pack(header.Type, header.Revision, header.Size, self.SupportedStatistics, *counters)

    @classmethod
    def from_bytes(cls, data: _Bytes) -> NDIS_STATISTICS_INFO:
        """Read the structure from the start of a buffer."""
        kind, revision, size, supported, *counters = _STATISTICS.unpack_from(data)
        return cls(
            Header=NDIS_OBJECT_HEADER(kind, revision, size),
            SupportedStatistics=supported,
            **dict(zip(_COUNTERS, counters, strict=True)),
        )


_COUNTERS: Final = tuple(name for name in NDIS_STATISTICS_INFO.__struct_fields__ if name.startswith("if"))


class NDIS_INTERRUPT_MODERATION_PARAMETERS(Struct, kw_only=True):
    """The buffer of OID_GEN_INTERRUPT_MODERATION."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    InterruptModeration: int = 0

    def to_bytes(self) -> bytes:
        """Return the structure as it lies in memory on x64."""
        header = self.Header
        return _INTERRUPT_MODERATION.pack(
            header.Type, header.Revision, header.Size, self.Flags, self.InterruptModeration
        )

    @classmethod
    def from_bytes(cls, data: _Bytes) -> NDIS_INTERRUPT_MODERATION_PARAMETERS:
        """Read the structure from the start of a buffer."""
        kind, revision, size, flags, moderation = _INTERRUPT_MODERATION.unpack_from(data)
        return cls(Header=NDIS_OBJECT_HEADER(kind, revision, size), Flags=flags, InterruptModeration=moderation)


class NDIS_RESTART_ATTRIBUTES(Struct, kw_only=True, eq=False):
    """One link of the list of attributes that travels up a stack while it restarts."""

    Next: NDIS_RESTART_ATTRIBUTES | None = None
    Oid: int = 0
    DataLength: int = 0
    Data: bytes = b""


class NET_PNP_EVENT(Struct, kw_only=True, eq=False):
    """A network PnP event."""

    NetEvent: int = 0
    Buffer: Any = None
    BufferLength: int = 0
    NdisReserved: list[Any] = field(default_factory=lambda: [None] * 4)
    TransportReserved: list[Any] = field(default_factory=lambda: [None] * 4)
    TdiReserved: list[Any] = field(default_factory=lambda: [None] * 4)
    TdiClientReserved: list[Any] = field(default_factory=lambda: [None] * 4)


class NET_PNP_EVENT_NOTIFICATION(Struct, kw_only=True, eq=False):
    """A network PnP event on its way to protocols and filters."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    PortNumber: int = 0
    NetPnPEvent: NET_PNP_EVENT = field(default_factory=NET_PNP_EVENT)
    Flags: int = 0
    SwitchId: int = 0
    VPortId: int = 0


class NET_DEVICE_PNP_EVENT(Struct, kw_only=True, eq=False):
    """A device PnP event on its way to miniports and filters."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    PortNumber: int = 0
    DevicePnPEvent: int = 0
    InformationBuffer: Any = None
    InformationBufferLength: int = 0
    NdisReserved: bytes = bytes(16)
