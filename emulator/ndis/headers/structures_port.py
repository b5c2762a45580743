"""Structures of NDIS ports.

Law: Microsoft's members; the numbers of ports are NDIS's to give.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

from emulator.ndis.headers.object_header import NDIS_SIZEOF_PORT_ARRAY_REVISION_1
from emulator.ndis.headers.packed import Packed, layout_of
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER

_ARRAY: Final = layout_of("3I")
PORT_ELEMENT: Final = 64
"""Bytes of one NDIS_PORT_CHARACTERISTICS in an array on x64."""


class NDIS_PORT_CHARACTERISTICS(Packed, Struct, kw_only=True, eq=False):
    """What a port is like; NDIS writes PortNumber."""

    LAYOUT = layout_of("4I4x2Q5I")

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    PortNumber: int = 0
    Flags: int = 0
    Type: int = 0
    MediaConnectState: int = 0
    XmitLinkSpeed: int = 0
    RcvLinkSpeed: int = 0
    Direction: int = 0
    SendControlState: int = 0
    RcvControlState: int = 0
    SendAuthorizationState: int = 0
    RcvAuthorizationState: int = 0


class NDIS_PORT_STATE(Packed, Struct, kw_only=True, eq=False):
    """The state of a port: the answer to OID_GEN_PORT_STATE, and what NDIS_STATUS_PORT_STATE comes with."""

    LAYOUT = layout_of("I2Q6I")

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    MediaConnectState: int = 0
    XmitLinkSpeed: int = 0
    RcvLinkSpeed: int = 0
    Direction: int = 0
    SendControlState: int = 0
    RcvControlState: int = 0
    SendAuthorizationState: int = 0
    RcvAuthorizationState: int = 0
    Flags: int = 0


class NDIS_PORT_ARRAY(Struct, kw_only=True, eq=False):
    """The active ports of an adapter: the answer to OID_GEN_ENUMERATE_PORTS."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Ports: list[NDIS_PORT_CHARACTERISTICS] = field(default_factory=list)

    @property
    def NumberOfPorts(self) -> int:
        """How many there are."""
        return len(self.Ports)

    @property
    def OffsetFirstPort(self) -> int:
        """Where the first one begins."""
        return _ARRAY.size

    @property
    def ElementSize(self) -> int:
        """How long each one is."""
        return PORT_ELEMENT

    def to_bytes(self) -> bytes:
        """Return the structure as it lies in memory on x64, with room for one port at least."""
        header = self.Header
        start = _ARRAY.pack(header.Type, header.Revision, header.Size, len(self.Ports), _ARRAY.size, PORT_ELEMENT)
        ports = b"".join(port.to_bytes().ljust(PORT_ELEMENT, b"\0") for port in self.Ports)
        return (start + ports).ljust(NDIS_SIZEOF_PORT_ARRAY_REVISION_1, b"\0")

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> NDIS_PORT_ARRAY:
        """Read the structure from the start of a buffer."""
        kind, revision, size, count, first, step = _ARRAY.unpack_from(data)
        places = range(first, first + count * step, step)
        ports = [NDIS_PORT_CHARACTERISTICS.from_bytes(data[place:]) for place in places]
        return cls(Header=NDIS_OBJECT_HEADER(kind, revision, size), Ports=ports)


class NDIS_PORT(Struct, kw_only=True, eq=False):
    """One port of a linked list: in NetEventPortActivation, and in NDIS_BIND_PARAMETERS.ActivePorts."""

    Next: NDIS_PORT | None = None
    NdisReserved: Any = None
    MiniportReserved: Any = None
    ProtocolReserved: Any = None
    PortCharacteristics: NDIS_PORT_CHARACTERISTICS = field(default_factory=NDIS_PORT_CHARACTERISTICS)


__all__ = ["NDIS_PORT", "NDIS_PORT_ARRAY", "NDIS_PORT_CHARACTERISTICS", "NDIS_PORT_STATE"]
