"""Structures of network interface providers.

Law: Microsoft's member names; what follows a structure in C's buffer (addresses, the name) is a member here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct, field

from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, Handler

NIIF_WAN_TUNNEL_TYPE_UNKNOWN: Final = 0xFFFF_FFFF


class NET_PHYSICAL_LOCATION(NamedTuple):
    """Where the hardware of an interface is."""

    BusNumber: int = 0
    SlotNumber: int = 0
    FunctionNumber: int = 0


class NDIS_IF_PROVIDER_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisIfRegisterProvider wants to know."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    QueryObjectHandler: Handler = None
    SetObjectHandler: Handler = None
    Reserved1: int = 0
    Reserved2: int = 0


class NET_IF_INFORMATION(Struct, kw_only=True, eq=False):
    """What NdisIfRegisterInterface wants to know: what stays the same as long as the interface exists."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    PhysicalLocation: NET_PHYSICAL_LOCATION = field(default_factory=NET_PHYSICAL_LOCATION)
    WanTunnelType: int = 0
    PortNumber: int = 0
    AccessType: int = 0
    DirectionType: int = 0
    ConnectionType: int = 0
    ifConnectorPresent: bool = False
    PhysAddressLength: int = 0
    PhysAddress: bytes = b""
    PermanentPhysAddress: bytes = b""
    FriendlyName: str = ""
    InterfaceGuid: bytes = bytes(16)
    NetworkGuid: bytes = bytes(16)
    SupportedStatistics: int = 0
    MediaType: int = 0
    PhysicalMediumType: int = 0
