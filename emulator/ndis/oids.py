"""OIDs: their numbers, and for each one who answers it, whether a miniport must, and what its buffer holds.

Law: data only. A query that NDIS answers from attributes and indications never reaches a miniport; a set may all the
same. Sizes are those of x64; a counter of 8 bytes is also asked for in 4.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

OID_GEN_SUPPORTED_LIST: Final = 0x0001_0101
OID_GEN_HARDWARE_STATUS: Final = 0x0001_0102
OID_GEN_MEDIA_SUPPORTED: Final = 0x0001_0103
OID_GEN_MEDIA_IN_USE: Final = 0x0001_0104
OID_GEN_MAXIMUM_LOOKAHEAD: Final = 0x0001_0105
OID_GEN_MAXIMUM_FRAME_SIZE: Final = 0x0001_0106
OID_GEN_LINK_SPEED: Final = 0x0001_0107
OID_GEN_TRANSMIT_BUFFER_SPACE: Final = 0x0001_0108
OID_GEN_RECEIVE_BUFFER_SPACE: Final = 0x0001_0109
OID_GEN_TRANSMIT_BLOCK_SIZE: Final = 0x0001_010A
OID_GEN_RECEIVE_BLOCK_SIZE: Final = 0x0001_010B
OID_GEN_VENDOR_ID: Final = 0x0001_010C
OID_GEN_VENDOR_DESCRIPTION: Final = 0x0001_010D
OID_GEN_CURRENT_PACKET_FILTER: Final = 0x0001_010E
OID_GEN_CURRENT_LOOKAHEAD: Final = 0x0001_010F
OID_GEN_DRIVER_VERSION: Final = 0x0001_0110
OID_GEN_MAXIMUM_TOTAL_SIZE: Final = 0x0001_0111
OID_GEN_MAC_OPTIONS: Final = 0x0001_0113
OID_GEN_MEDIA_CONNECT_STATUS: Final = 0x0001_0114
OID_GEN_MAXIMUM_SEND_PACKETS: Final = 0x0001_0115
OID_GEN_VENDOR_DRIVER_VERSION: Final = 0x0001_0116
OID_GEN_NETWORK_LAYER_ADDRESSES: Final = 0x0001_0118
OID_GEN_PHYSICAL_MEDIUM: Final = 0x0001_0202
OID_GEN_RECEIVE_SCALE_CAPABILITIES: Final = 0x0001_0203
OID_GEN_RECEIVE_SCALE_PARAMETERS: Final = 0x0001_0204
OID_GEN_MAX_LINK_SPEED: Final = 0x0001_0206
OID_GEN_LINK_STATE: Final = 0x0001_0207
OID_GEN_LINK_PARAMETERS: Final = 0x0001_0208
OID_GEN_INTERRUPT_MODERATION: Final = 0x0001_0209
OID_GEN_ENUMERATE_PORTS: Final = 0x0001_020D
OID_GEN_PORT_STATE: Final = 0x0001_020E
OID_GEN_PHYSICAL_MEDIUM_EX: Final = 0x0001_0213
OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: Final = 0x0001_0214
OID_GEN_MACHINE_NAME: Final = 0x0001_021A
OID_GEN_VLAN_ID: Final = 0x0001_021C
OID_GEN_RECEIVE_HASH: Final = 0x0001_021F
OID_RECEIVE_FILTER_FREE_QUEUE: Final = 0x0001_0224
OID_RECEIVE_FILTER_CLEAR_FILTER: Final = 0x0001_0228
OID_NIC_SWITCH_DELETE_SWITCH: Final = 0x0001_0239
OID_NIC_SWITCH_FREE_VF: Final = 0x0001_0246
OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES: Final = 0x0001_02C0
OID_GEN_XMIT_OK: Final = 0x0002_0101
OID_GEN_RCV_OK: Final = 0x0002_0102
OID_GEN_XMIT_ERROR: Final = 0x0002_0103
OID_GEN_RCV_ERROR: Final = 0x0002_0104
OID_GEN_RCV_NO_BUFFER: Final = 0x0002_0105
OID_GEN_STATISTICS: Final = 0x0002_0106
OID_GEN_DIRECTED_BYTES_XMIT: Final = 0x0002_0201
OID_GEN_DIRECTED_FRAMES_XMIT: Final = 0x0002_0202
OID_GEN_MULTICAST_BYTES_XMIT: Final = 0x0002_0203
OID_GEN_MULTICAST_FRAMES_XMIT: Final = 0x0002_0204
OID_GEN_BROADCAST_BYTES_XMIT: Final = 0x0002_0205
OID_GEN_BROADCAST_FRAMES_XMIT: Final = 0x0002_0206
OID_GEN_DIRECTED_BYTES_RCV: Final = 0x0002_0207
OID_GEN_DIRECTED_FRAMES_RCV: Final = 0x0002_0208
OID_GEN_MULTICAST_BYTES_RCV: Final = 0x0002_0209
OID_GEN_MULTICAST_FRAMES_RCV: Final = 0x0002_020A
OID_GEN_BROADCAST_BYTES_RCV: Final = 0x0002_020B
OID_GEN_BROADCAST_FRAMES_RCV: Final = 0x0002_020C
OID_GEN_RCV_CRC_ERROR: Final = 0x0002_020D
OID_GEN_TRANSMIT_QUEUE_LENGTH: Final = 0x0002_020E
OID_GEN_BYTES_RCV: Final = 0x0002_0219
OID_GEN_BYTES_XMIT: Final = 0x0002_021A
OID_GEN_RCV_DISCARDS: Final = 0x0002_021B
OID_GEN_XMIT_DISCARDS: Final = 0x0002_021C
OID_TCP_RSC_STATISTICS: Final = 0x0002_021D
OID_802_3_PERMANENT_ADDRESS: Final = 0x0101_0101
OID_802_3_CURRENT_ADDRESS: Final = 0x0101_0102
OID_802_3_MULTICAST_LIST: Final = 0x0101_0103
OID_802_3_MAXIMUM_LIST_SIZE: Final = 0x0101_0104
OID_OFFLOAD_ENCAPSULATION: Final = 0x0101_010A
OID_802_3_ADD_MULTICAST_ADDRESS: Final = 0x0101_0208
OID_802_3_DELETE_MULTICAST_ADDRESS: Final = 0x0101_0209
OID_802_3_RCV_ERROR_ALIGNMENT: Final = 0x0102_0101
OID_802_3_XMIT_ONE_COLLISION: Final = 0x0102_0102
OID_802_3_XMIT_MORE_COLLISIONS: Final = 0x0102_0103
OID_802_3_XMIT_DEFERRED: Final = 0x0102_0201
OID_802_3_XMIT_MAX_COLLISIONS: Final = 0x0102_0202
OID_802_3_RCV_OVERRUN: Final = 0x0102_0203
OID_802_3_XMIT_UNDERRUN: Final = 0x0102_0204
OID_802_3_XMIT_HEARTBEAT_FAILURE: Final = 0x0102_0205
OID_802_3_XMIT_TIMES_CRS_LOST: Final = 0x0102_0206
OID_802_3_XMIT_LATE_COLLISIONS: Final = 0x0102_0207
OID_TUNNEL_INTERFACE_RELEASE_OID: Final = 0x0F01_0107
OID_TCP_TASK_OFFLOAD: Final = 0xFC01_0201
OID_TCP_OFFLOAD_CURRENT_CONFIG: Final = 0xFC01_020B
OID_TCP_OFFLOAD_PARAMETERS: Final = 0xFC01_020C
OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES: Final = 0xFC01_020D
OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA: Final = 0xFC03_0203
OID_PNP_SET_POWER: Final = 0xFD01_0101
OID_PNP_QUERY_POWER: Final = 0xFD01_0102
OID_PNP_ADD_WAKE_UP_PATTERN: Final = 0xFD01_0103
OID_PNP_REMOVE_WAKE_UP_PATTERN: Final = 0xFD01_0104
OID_PNP_ENABLE_WAKE_UP: Final = 0xFD01_0106
OID_PM_CURRENT_CAPABILITIES: Final = 0xFD01_0107
OID_PM_HARDWARE_CAPABILITIES: Final = 0xFD01_0108
OID_PM_PARAMETERS: Final = 0xFD01_0109
OID_PM_ADD_WOL_PATTERN: Final = 0xFD01_010A
OID_PM_REMOVE_WOL_PATTERN: Final = 0xFD01_010B
OID_PM_ADD_PROTOCOL_OFFLOAD: Final = 0xFD01_010D
OID_PM_GET_PROTOCOL_OFFLOAD: Final = 0xFD01_010E
OID_PM_REMOVE_PROTOCOL_OFFLOAD: Final = 0xFD01_010F

_NAMES: Final = {value: name for name, value in list(globals().items()) if name.startswith("OID_")}


class By(IntEnum):
    """Who takes care of a request."""

    NOBODY = 0
    MINIPORT = 1
    NDIS = 2


class OidEntry(NamedTuple):
    """One OID. `need` is "mandatory", "optional", "NDIS" (it answers by itself) or "if" and the condition."""

    oid: int
    name: str
    query: By
    set: By
    method: By
    need: str
    buffer: str
    size: int | None
    note: str
    source: str


_WITHOUT_PAGE: Final = frozenset(
    {
        OID_802_3_RCV_ERROR_ALIGNMENT,
        OID_802_3_XMIT_ONE_COLLISION,
        OID_802_3_XMIT_MORE_COLLISIONS,
    }
)


def _by(kinds: str, letter: str) -> By:
    for kind in kinds.split():
        if kind.startswith(letter):
            return By.NDIS if kind.endswith(":NDIS") else By.MINIPORT
    return By.NOBODY


def _row(oid: int, kinds: str, need: str, buffer: str, size: int | None, *, note: str = "") -> OidEntry:
    name = _NAMES[oid]
    source = "ntddndis.h" if oid in _WITHOUT_PAGE else f"network/{name.lower().replace('_', '-')}.md"
    query, set_, method = (_by(kinds, letter) for letter in "QSM")
    return OidEntry(oid, name, query, set_, method, need, buffer, size, note, source)


_OPTIONAL_COUNTERS: Final = (
    OID_GEN_XMIT_ERROR,
    OID_GEN_RCV_ERROR,
    OID_GEN_RCV_NO_BUFFER,
    OID_GEN_DIRECTED_BYTES_XMIT,
    OID_GEN_DIRECTED_FRAMES_XMIT,
    OID_GEN_MULTICAST_BYTES_XMIT,
    OID_GEN_MULTICAST_FRAMES_XMIT,
    OID_GEN_BROADCAST_BYTES_XMIT,
    OID_GEN_BROADCAST_FRAMES_XMIT,
    OID_GEN_DIRECTED_BYTES_RCV,
    OID_GEN_DIRECTED_FRAMES_RCV,
    OID_GEN_MULTICAST_BYTES_RCV,
    OID_GEN_MULTICAST_FRAMES_RCV,
    OID_GEN_BROADCAST_BYTES_RCV,
    OID_GEN_BROADCAST_FRAMES_RCV,
    OID_GEN_RCV_CRC_ERROR,
    OID_GEN_BYTES_RCV,
    OID_GEN_BYTES_XMIT,
    OID_GEN_RCV_DISCARDS,
    OID_GEN_XMIT_DISCARDS,
    OID_802_3_RCV_ERROR_ALIGNMENT,
    OID_802_3_XMIT_ONE_COLLISION,
    OID_802_3_XMIT_MORE_COLLISIONS,
    OID_802_3_XMIT_DEFERRED,
    OID_802_3_XMIT_MAX_COLLISIONS,
    OID_802_3_RCV_OVERRUN,
    OID_802_3_XMIT_UNDERRUN,
    OID_802_3_XMIT_HEARTBEAT_FAILURE,
    OID_802_3_XMIT_TIMES_CRS_LOST,
    OID_802_3_XMIT_LATE_COLLISIONS,
)

OIDS: Final[tuple[OidEntry, ...]] = (
    # General, answered by the miniport.
    _row(
        OID_GEN_CURRENT_PACKET_FILTER,
        "Q:NDIS S",
        "mandatory",
        "ULONG bit mask",
        4,
        note="what is sent is the union of all bindings; 0 at start; unsupported bits: NOT_SUPPORTED",
    ),
    _row(OID_GEN_CURRENT_LOOKAHEAD, "Q:NDIS S", "mandatory", "ULONG bytes", 4, note="<= maximum lookahead"),
    _row(
        OID_GEN_INTERRUPT_MODERATION,
        "Q S",
        "mandatory",
        "NDIS_INTERRUPT_MODERATION_PARAMETERS",
        12,
        note="enum Unknown 0, NotSupported 1, Enabled 2, Disabled 3; set on a NIC that does not support : INVALID_DATA",
    ),
    _row(
        OID_GEN_LINK_PARAMETERS,
        "S",
        "mandatory",
        "NDIS_LINK_PARAMETERS",
        None,
        note="mandatory by the list, optional by its own page",
    ),
    _row(
        OID_GEN_MAXIMUM_TOTAL_SIZE,
        "Q",
        "mandatory",
        "ULONG",
        4,
        note="header and data, no FCS (1514); with 8021P_PRIORITY 4 less than the hardware can",
    ),
    _row(OID_GEN_RCV_OK, "Q", "mandatory", "counter", 8, note="4 bytes asked: low part, BytesNeeded 8"),
    _row(OID_GEN_XMIT_OK, "Q", "mandatory", "counter", 8, note="4 bytes asked: low part, BytesNeeded 8"),
    _row(OID_GEN_RECEIVE_BLOCK_SIZE, "Q", "mandatory", "ULONG", 4),
    _row(OID_GEN_RECEIVE_BUFFER_SPACE, "Q", "mandatory", "ULONG", 4, note="block size times number"),
    _row(OID_GEN_TRANSMIT_BLOCK_SIZE, "Q", "mandatory", "ULONG", 4),
    _row(OID_GEN_TRANSMIT_BUFFER_SPACE, "Q", "mandatory", "ULONG", 4),
    _row(
        OID_GEN_STATISTICS, "Q", "mandatory", "NDIS_STATISTICS_INFO", 152, note="all counters are mandatory in NDIS 6"
    ),
    _row(OID_GEN_VENDOR_DESCRIPTION, "Q", "mandatory", "NUL-ended ANSI string", None),
    _row(OID_GEN_VENDOR_DRIVER_VERSION, "Q", "mandatory", "ULONG hi16.lo16", 4),
    _row(OID_GEN_VENDOR_ID, "Q", "mandatory", "3-byte OUI and a byte of the vendor; 0xFFFFFF without", 4),
    _row(
        OID_802_3_MULTICAST_LIST,
        "Q:NDIS S",
        "mandatory",
        "array of 6-byte addresses",
        None,
        note="replaces the list; length 0 clears; sent is the union; NDIS answers MULTICAST_FULL",
    ),
    _row(
        OID_802_3_PERMANENT_ADDRESS,
        "Q",
        "mandatory",
        "6 bytes",
        6,
        note="NDIS also holds it from the general attributes",
    ),
    _row(OID_802_3_CURRENT_ADDRESS, "Q", "mandatory", "6 bytes", 6),
    _row(OID_802_3_MAXIMUM_LIST_SIZE, "Q", "mandatory", "ULONG count", 4),
    # Answered by NDIS itself.
    _row(OID_GEN_SUPPORTED_LIST, "Q:NDIS", "NDIS", "ULONG array", None, note="SupportedOidList in general attributes"),
    _row(OID_GEN_MAXIMUM_LOOKAHEAD, "Q:NDIS", "NDIS", "ULONG", 4, note="LookaheadSize"),
    _row(OID_GEN_MAXIMUM_FRAME_SIZE, "Q:NDIS", "NDIS", "ULONG (1500)", 4, note="MtuSize"),
    _row(OID_GEN_MAC_OPTIONS, "Q:NDIS", "NDIS", "ULONG bits", 4, note="MacOptions"),
    _row(
        OID_GEN_MEDIA_CONNECT_STATUS,
        "Q:NDIS",
        "NDIS",
        "NDIS_MEDIA_STATE",
        4,
        note="another numbering than MediaConnectState",
    ),
    _row(OID_GEN_PHYSICAL_MEDIUM, "Q:NDIS", "NDIS", "NDIS_PHYSICAL_MEDIUM", 4, note="802_3 = 14"),
    _row(OID_GEN_PHYSICAL_MEDIUM_EX, "Q:NDIS", "NDIS", "NDIS_PHYSICAL_MEDIUM", 4),
    _row(OID_GEN_DRIVER_VERSION, "Q:NDIS", "NDIS", "USHORT major<<8, minor", 2),
    _row(OID_GEN_MAX_LINK_SPEED, "Q:NDIS", "NDIS", "NDIS_LINK_SPEED", 16, note="bit/s"),
    _row(OID_GEN_LINK_STATE, "Q:NDIS", "NDIS", "NDIS_LINK_STATE", 40, note="last link-state indication"),
    _row(OID_GEN_ENUMERATE_PORTS, "Q:NDIS", "NDIS", "NDIS_PORT_ARRAY", None),
    _row(OID_GEN_PORT_STATE, "Q:NDIS", "NDIS", "NDIS_PORT_STATE", None),
    _row(
        OID_GEN_RECEIVE_SCALE_CAPABILITIES,
        "Q:NDIS",
        "NDIS",
        "NDIS_RECEIVE_SCALE_CAPABILITIES",
        None,
        note="general attributes",
    ),
    _row(
        OID_TCP_OFFLOAD_CURRENT_CONFIG,
        "Q:NDIS",
        "NDIS",
        "NDIS_OFFLOAD",
        None,
        note="offload attributes / TASK_OFFLOAD_CURRENT_CONFIG indication",
    ),
    _row(OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, "Q:NDIS", "NDIS", "NDIS_OFFLOAD", None),
    _row(OID_GEN_MEDIA_SUPPORTED, "Q:NDIS", "NDIS", "NDIS_MEDIUM array", None),
    _row(OID_GEN_MEDIA_IN_USE, "Q:NDIS", "NDIS", "NDIS_MEDIUM array", None),
    _row(OID_GEN_LINK_SPEED, "Q:NDIS", "NDIS", "ULONG, 100 bit/s units", 4, note="legacy: unit is 100 bps"),
    _row(OID_GEN_MAXIMUM_SEND_PACKETS, "Q:NDIS", "NDIS", "ULONG", 4, note="legacy"),
    _row(OID_GEN_HARDWARE_STATUS, "Q:NDIS", "NDIS", "enum, Ready 0", 4, note="obsolete"),
    _row(OID_802_3_ADD_MULTICAST_ADDRESS, "S:NDIS", "NDIS", "6 bytes", 6, note="NDIS merges into MULTICAST_LIST"),
    _row(
        OID_802_3_DELETE_MULTICAST_ADDRESS, "S:NDIS", "NDIS", "6 bytes", 6, note="NDIS takes it out of MULTICAST_LIST"
    ),
    # Optional statistics.
    _row(OID_GEN_TRANSMIT_QUEUE_LENGTH, "Q", "optional", "ULONG", 4),
    # Settings, power, VLAN, misc.
    _row(OID_GEN_VLAN_ID, "Q S", "optional", "ULONG", 4),
    _row(OID_GEN_NETWORK_LAYER_ADDRESSES, "S", "optional", "NETWORK_ADDRESS_LIST", None, note="address count 0 clears"),
    _row(OID_GEN_MACHINE_NAME, "S", "optional", "Unicode, no NUL", None),
    _row(
        OID_PNP_SET_POWER,
        "S",
        "if PM",
        "NDIS_DEVICE_POWER_STATE",
        4,
        note="must not fail: SUCCESS, PENDING, NOT_ACCEPTED",
    ),
    _row(OID_PNP_QUERY_POWER, "Q", "if PM", "NDIS_DEVICE_POWER_STATE", 4, note="NDIS may answer; SUCCESS expected"),
    _row(OID_PNP_ADD_WAKE_UP_PATTERN, "S", "if PM legacy", "NDIS_PM_PACKET_PATTERN", None),
    _row(OID_PNP_REMOVE_WAKE_UP_PATTERN, "S", "if PM legacy", "", None),
    _row(OID_PNP_ENABLE_WAKE_UP, "Q S", "if PM legacy", "ULONG bits", 4),
    _row(OID_PM_CURRENT_CAPABILITIES, "Q:NDIS", "NDIS", "NDIS_PM_CAPABILITIES", None),
    _row(OID_PM_HARDWARE_CAPABILITIES, "Q:NDIS", "NDIS", "NDIS_PM_CAPABILITIES", None),
    _row(OID_PM_PARAMETERS, "Q S", "if PM", "NDIS_PM_PARAMETERS", None),
    _row(OID_PM_ADD_WOL_PATTERN, "S", "if PM", "NDIS_PM_WOL_PATTERN", None),
    _row(OID_PM_REMOVE_WOL_PATTERN, "S", "if PM", "ULONG pattern id", 4),
    _row(OID_PM_ADD_PROTOCOL_OFFLOAD, "S", "if PM", "NDIS_PM_PROTOCOL_OFFLOAD", None),
    _row(OID_PM_GET_PROTOCOL_OFFLOAD, "M", "if PM", "", None),
    _row(OID_PM_REMOVE_PROTOCOL_OFFLOAD, "S", "if PM", "ULONG id", 4),
    # Offload OIDs.
    _row(
        OID_TCP_OFFLOAD_PARAMETERS,
        "S",
        "if checksum/LSO/RSC/USO",
        "NDIS_OFFLOAD_PARAMETERS",
        None,
        note="then indicate TASK_OFFLOAD_CURRENT_CONFIG",
    ),
    _row(
        OID_OFFLOAD_ENCAPSULATION,
        "Q:NDIS S",
        "if offload",
        "NDIS_OFFLOAD_ENCAPSULATION",
        None,
        note="offloads stay off until set; then TASK_OFFLOAD_CURRENT_CONFIG; else INVALID_PARAMETER",
    ),
    _row(OID_TCP_RSC_STATISTICS, "Q", "if RSC", "NDIS_RSC_STATISTICS_INFO", None),
    _row(OID_TCP_TASK_OFFLOAD, "Q S", "if legacy NDIS 5", "", None),
    _row(OID_GEN_RECEIVE_SCALE_PARAMETERS, "Q:NDIS S", "if RSS", "NDIS_RECEIVE_SCALE_PARAMETERS", None),
    _row(
        OID_GEN_RECEIVE_HASH,
        "Q S",
        "if receive hash",
        "NDIS_RECEIVE_HASH_PARAMETERS",
        None,
        note="mutually exclusive with RSS",
    ),
    _row(
        OID_GEN_RECEIVE_SCALE_PARAMETERS_V2,
        "Q:NDIS S",
        "if RSSv2 (6.80+)",
        "NDIS_RECEIVE_SCALE_PARAMETERS_V2",
        None,
        note="INVALID_LENGTH, INVALID_DATA or INVALID_PARAMETER on bad content; filters do not see it",
    ),
    _row(
        OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
        "M",
        "if RSSv2",
        "NDIS_RSS_SET_INDIRECTION_ENTRIES",
        None,
        note="synchronous, at most DISPATCH_LEVEL",
    ),
    _row(OID_RECEIVE_FILTER_CLEAR_FILTER, "S", "if VMQ/SR-IOV", "", None),
    _row(OID_RECEIVE_FILTER_FREE_QUEUE, "S", "if VMQ", "", None),
    _row(OID_NIC_SWITCH_DELETE_SWITCH, "S", "if SR-IOV", "", None),
    _row(OID_NIC_SWITCH_FREE_VF, "S", "if SR-IOV", "", None),
    *(_row(oid, "Q", "optional", "counter", 8) for oid in _OPTIONAL_COUNTERS),
)

BY_OID: Final[dict[int, OidEntry]] = {entry.oid: entry for entry in OIDS}

# Completed with anything but SUCCESS, PENDING, NOT_ACCEPTED or REQUEST_ABORTED, these are a stop (0x7C, 0x1C).
# OID_PNP_SET_POWER is similar: SUCCESS, PENDING or NOT_ACCEPTED.
MUST_SUCCEED: Final[frozenset[int]] = frozenset(
    {
        OID_802_3_DELETE_MULTICAST_ADDRESS,
        OID_NIC_SWITCH_DELETE_SWITCH,
        OID_NIC_SWITCH_FREE_VF,
        OID_PM_REMOVE_PROTOCOL_OFFLOAD,
        OID_PM_REMOVE_WOL_PATTERN,
        OID_PNP_SET_POWER,
        OID_RECEIVE_FILTER_CLEAR_FILTER,
        OID_RECEIVE_FILTER_FREE_QUEUE,
        OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA,
        OID_TUNNEL_INTERFACE_RELEASE_OID,
    }
)

MANDATORY_FOR_ETHERNET: Final[frozenset[int]] = frozenset(entry.oid for entry in OIDS if entry.need == "mandatory")


def oid_name(oid: int) -> str:
    """Return the name of an OID, or its number as Microsoft writes it."""
    return _NAMES.get(oid, f"0x{oid & 0xFFFF_FFFF:08X}")
