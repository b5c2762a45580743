"""Who answers each OID, whether an Ethernet miniport must, and what its buffer holds.

Law: data only. A query that NDIS answers from attributes and indications never reaches a miniport; a set may all the
same. Sizes are those of x64; a counter of 8 bytes is also asked for in 4.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from emulator.ndis.headers.oids import (
    OID_802_3_ADD_MULTICAST_ADDRESS,
    OID_802_3_CURRENT_ADDRESS,
    OID_802_3_DELETE_MULTICAST_ADDRESS,
    OID_802_3_MAXIMUM_LIST_SIZE,
    OID_802_3_MULTICAST_LIST,
    OID_802_3_PERMANENT_ADDRESS,
    OID_802_3_RCV_ERROR_ALIGNMENT,
    OID_802_3_RCV_OVERRUN,
    OID_802_3_XMIT_DEFERRED,
    OID_802_3_XMIT_HEARTBEAT_FAILURE,
    OID_802_3_XMIT_LATE_COLLISIONS,
    OID_802_3_XMIT_MAX_COLLISIONS,
    OID_802_3_XMIT_MORE_COLLISIONS,
    OID_802_3_XMIT_ONE_COLLISION,
    OID_802_3_XMIT_TIMES_CRS_LOST,
    OID_802_3_XMIT_UNDERRUN,
    OID_GEN_BROADCAST_BYTES_RCV,
    OID_GEN_BROADCAST_BYTES_XMIT,
    OID_GEN_BROADCAST_FRAMES_RCV,
    OID_GEN_BROADCAST_FRAMES_XMIT,
    OID_GEN_BYTES_RCV,
    OID_GEN_BYTES_XMIT,
    OID_GEN_CURRENT_LOOKAHEAD,
    OID_GEN_CURRENT_PACKET_FILTER,
    OID_GEN_DIRECTED_BYTES_RCV,
    OID_GEN_DIRECTED_BYTES_XMIT,
    OID_GEN_DIRECTED_FRAMES_RCV,
    OID_GEN_DIRECTED_FRAMES_XMIT,
    OID_GEN_DRIVER_VERSION,
    OID_GEN_ENUMERATE_PORTS,
    OID_GEN_HARDWARE_STATUS,
    OID_GEN_INTERRUPT_MODERATION,
    OID_GEN_LINK_PARAMETERS,
    OID_GEN_LINK_SPEED,
    OID_GEN_LINK_STATE,
    OID_GEN_MAC_OPTIONS,
    OID_GEN_MACHINE_NAME,
    OID_GEN_MAX_LINK_SPEED,
    OID_GEN_MAXIMUM_FRAME_SIZE,
    OID_GEN_MAXIMUM_LOOKAHEAD,
    OID_GEN_MAXIMUM_SEND_PACKETS,
    OID_GEN_MAXIMUM_TOTAL_SIZE,
    OID_GEN_MEDIA_CONNECT_STATUS,
    OID_GEN_MEDIA_IN_USE,
    OID_GEN_MEDIA_SUPPORTED,
    OID_GEN_MULTICAST_BYTES_RCV,
    OID_GEN_MULTICAST_BYTES_XMIT,
    OID_GEN_MULTICAST_FRAMES_RCV,
    OID_GEN_MULTICAST_FRAMES_XMIT,
    OID_GEN_NETWORK_LAYER_ADDRESSES,
    OID_GEN_PHYSICAL_MEDIUM,
    OID_GEN_PHYSICAL_MEDIUM_EX,
    OID_GEN_PORT_STATE,
    OID_GEN_RCV_CRC_ERROR,
    OID_GEN_RCV_DISCARDS,
    OID_GEN_RCV_ERROR,
    OID_GEN_RCV_NO_BUFFER,
    OID_GEN_RCV_OK,
    OID_GEN_RECEIVE_BLOCK_SIZE,
    OID_GEN_RECEIVE_BUFFER_SPACE,
    OID_GEN_RECEIVE_HASH,
    OID_GEN_RECEIVE_SCALE_CAPABILITIES,
    OID_GEN_RECEIVE_SCALE_PARAMETERS,
    OID_GEN_RECEIVE_SCALE_PARAMETERS_V2,
    OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
    OID_GEN_STATISTICS,
    OID_GEN_SUPPORTED_LIST,
    OID_GEN_TRANSMIT_BLOCK_SIZE,
    OID_GEN_TRANSMIT_BUFFER_SPACE,
    OID_GEN_TRANSMIT_QUEUE_LENGTH,
    OID_GEN_VENDOR_DESCRIPTION,
    OID_GEN_VENDOR_DRIVER_VERSION,
    OID_GEN_VENDOR_ID,
    OID_GEN_VLAN_ID,
    OID_GEN_XMIT_DISCARDS,
    OID_GEN_XMIT_ERROR,
    OID_GEN_XMIT_OK,
    OID_NIC_SWITCH_DELETE_SWITCH,
    OID_NIC_SWITCH_FREE_VF,
    OID_OFFLOAD_ENCAPSULATION,
    OID_PM_ADD_PROTOCOL_OFFLOAD,
    OID_PM_ADD_WOL_PATTERN,
    OID_PM_CURRENT_CAPABILITIES,
    OID_PM_GET_PROTOCOL_OFFLOAD,
    OID_PM_HARDWARE_CAPABILITIES,
    OID_PM_PARAMETERS,
    OID_PM_REMOVE_PROTOCOL_OFFLOAD,
    OID_PM_REMOVE_WOL_PATTERN,
    OID_PNP_ADD_WAKE_UP_PATTERN,
    OID_PNP_ENABLE_WAKE_UP,
    OID_PNP_QUERY_POWER,
    OID_PNP_REMOVE_WAKE_UP_PATTERN,
    OID_PNP_SET_POWER,
    OID_RECEIVE_FILTER_CLEAR_FILTER,
    OID_RECEIVE_FILTER_FREE_QUEUE,
    OID_TCP_OFFLOAD_CURRENT_CONFIG,
    OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
    OID_TCP_OFFLOAD_PARAMETERS,
    OID_TCP_RSC_STATISTICS,
    OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA,
    OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX,
    OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA,
    OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA,
    OID_TCP_TASK_OFFLOAD,
    OID_TUNNEL_INTERFACE_RELEASE_OID,
    oid_name,
)


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
    name = oid_name(oid)
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
    _row(
        OID_GEN_RECEIVE_SCALE_PARAMETERS,
        "Q:NDIS S",
        "if RSS",
        "NDIS_RECEIVE_SCALE_PARAMETERS",
        None,
        note="table: a power of 2 up to 128 entries; key: 40 bytes; mutually exclusive with OID_GEN_RECEIVE_HASH",
    ),
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

DIRECT: Final[frozenset[int]] = frozenset(
    {
        OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA,
        OID_TCP_TASK_IPSEC_OFFLOAD_V2_ADD_SA_EX,
        OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA,
        OID_TCP_TASK_IPSEC_OFFLOAD_V2_UPDATE_SA,
    }
)
"""Whose reference pages say that they may be direct requests."""

SYNCHRONOUS: Final[frozenset[int]] = frozenset({OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES})
"""The only one that may be a synchronous request (network/synchronous-oid-request-interface-in-ndis-6-80.md)."""

MANDATORY_FOR_ETHERNET: Final[frozenset[int]] = frozenset(entry.oid for entry in OIDS if entry.need == "mandatory")
