"""Structures of power management: what an adapter can, what it shall, and the handlers of selective suspend.

Law: Microsoft's members; what is packed lies in memory as on x64.
"""

from __future__ import annotations

from msgspec import Struct, field

from emulator.ndis.headers.packed import Packed, layout_of
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, Handler


class NDIS_MINIPORT_SS_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisSetOptionalHandlers wants to know of a miniport whose adapters may be suspended while they are idle."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    IdleNotificationHandler: Handler = None
    CancelIdleNotificationHandler: Handler = None


class NDIS_PM_CAPABILITIES(Packed, Struct, kw_only=True, eq=False):
    """What an adapter can while it sleeps, and what wakes it."""

    LAYOUT = layout_of("14I")

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    SupportedWoLPacketPatterns: int = 0
    NumTotalWoLPatterns: int = 0
    MaxWoLPatternSize: int = 0
    MaxWoLPatternOffset: int = 0
    MaxWoLPacketSaveBuffer: int = 0
    SupportedProtocolOffloads: int = 0
    NumArpOffloadIPv4Addresses: int = 0
    NumNSOffloadIPv6Addresses: int = 0
    MinMagicPacketWakeUp: int = 0
    MinPatternWakeUp: int = 0
    MinLinkChangeWakeUp: int = 0
    SupportedWakeUpEvents: int = 0
    MediaSpecificWakeUpEvents: int = 0


class NDIS_PM_PARAMETERS(Packed, Struct, kw_only=True, eq=False):
    """What an adapter shall do while it sleeps, and what shall wake it: set with OID_PM_PARAMETERS."""

    LAYOUT = layout_of("4I")

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    EnabledWoLPacketPatterns: int = 0
    EnabledProtocolOffloads: int = 0
    WakeUpFlags: int = 0
    MediaSpecificWakeUpEvents: int = 0


__all__ = ["NDIS_MINIPORT_SS_CHARACTERISTICS", "NDIS_PM_CAPABILITIES", "NDIS_PM_PARAMETERS"]
