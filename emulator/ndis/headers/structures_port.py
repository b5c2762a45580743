"""Structures of NDIS ports.

Law: Microsoft's members; the numbers of ports are NDIS's to give.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER


@dataclass(slots=True, kw_only=True, eq=False)
class NDIS_PORT_CHARACTERISTICS:
    """What a port is like; NDIS writes PortNumber."""

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


@dataclass(slots=True, kw_only=True, eq=False)
class NDIS_PORT:
    """One port of a linked list: in NetEventPortActivation, and in NDIS_BIND_PARAMETERS.ActivePorts."""

    Next: NDIS_PORT | None = None
    NdisReserved: Any = None
    MiniportReserved: Any = None
    ProtocolReserved: Any = None
    PortCharacteristics: NDIS_PORT_CHARACTERISTICS = field(default_factory=NDIS_PORT_CHARACTERISTICS)


__all__ = ["NDIS_PORT", "NDIS_PORT_CHARACTERISTICS"]
