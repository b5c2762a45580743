"""Task offloads: what an adapter can and does, what a driver asks of it, and the out-of-band words of a list.

Law: Microsoft's members in Microsoft's layout on x64, bit fields included, since these structures travel as bytes (OID
and status buffers) and as words (NetBufferListInfo).  What is left out is zero; a structure of an earlier revision is
read as one whose later members are zero.
"""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar, Final

from emulator.ndis.headers.packed_structures import HEADER as _HEADER
from emulator.ndis.headers.packed_structures import U8 as _U8
from emulator.ndis.headers.packed_structures import U16 as _U16
from emulator.ndis.headers.packed_structures import U32 as _U32
from emulator.ndis.headers.packed_structures import Fields as _Fields
from emulator.ndis.headers.packed_structures import PackedStructure as _Packed
from emulator.ndis.headers.packed_structures import part as _part

# Of a 2-bit member: what is supported, and in a set what shall change.
NDIS_OFFLOAD_NOT_SUPPORTED: Final = 0
NDIS_OFFLOAD_SUPPORTED: Final = 1
NDIS_OFFLOAD_SET_NO_CHANGE: Final = 0
NDIS_OFFLOAD_SET_ON: Final = 1
NDIS_OFFLOAD_SET_OFF: Final = 2

NDIS_ENCAPSULATION_NOT_SUPPORTED: Final = 0x0
NDIS_ENCAPSULATION_NULL: Final = 0x1
NDIS_ENCAPSULATION_IEEE_802_3: Final = 0x2
NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q: Final = 0x4
NDIS_ENCAPSULATION_IEEE_802_3_P_AND_Q_IN_OOB: Final = 0x8
NDIS_ENCAPSULATION_IEEE_LLC_SNAP_ROUTED: Final = 0x10

NDIS_OFFLOAD_PARAMETERS_NO_CHANGE: Final = 0
NDIS_OFFLOAD_PARAMETERS_TX_RX_DISABLED: Final = 1
NDIS_OFFLOAD_PARAMETERS_TX_ENABLED_RX_DISABLED: Final = 2
NDIS_OFFLOAD_PARAMETERS_RX_ENABLED_TX_DISABLED: Final = 3
NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED: Final = 4
NDIS_OFFLOAD_PARAMETERS_LSOV1_DISABLED: Final = 1
NDIS_OFFLOAD_PARAMETERS_LSOV1_ENABLED: Final = 2
NDIS_OFFLOAD_PARAMETERS_LSOV2_DISABLED: Final = 1
NDIS_OFFLOAD_PARAMETERS_LSOV2_ENABLED: Final = 2
NDIS_OFFLOAD_PARAMETERS_RSC_DISABLED: Final = 1
NDIS_OFFLOAD_PARAMETERS_RSC_ENABLED: Final = 2
NDIS_OFFLOAD_PARAMETERS_USO_DISABLED: Final = 1
NDIS_OFFLOAD_PARAMETERS_USO_ENABLED: Final = 2
NDIS_OFFLOAD_PARAMETERS_SKIP_REGISTRY_UPDATE: Final = 0x1

NDIS_TCP_LARGE_SEND_OFFLOAD_V1_TYPE: Final = 0
NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE: Final = 1
NDIS_TCP_LARGE_SEND_OFFLOAD_IPv4: Final = 0
NDIS_TCP_LARGE_SEND_OFFLOAD_IPv6: Final = 1
NDIS_UDP_SEGMENTATION_OFFLOAD_IPV4: Final = 0
NDIS_UDP_SEGMENTATION_OFFLOAD_IPV6: Final = 1

NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1: Final = 112
NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_2: Final = 144
NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_3: Final = 156
NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_4: Final = 177
NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_5: Final = 188
NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_6: Final = 216
NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1: Final = 20
NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_2: Final = 22
NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_3: Final = 26
NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_4: Final = 32
NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_5: Final = 34
NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1: Final = 28


def _bits(*names: str) -> _Fields:
    """Members of two bits each."""
    return [(name, _U32, 2) for name in names]


_FRAME: _Fields = [("Encapsulation", _U32)]
_LIMITS: _Fields = [*_FRAME, ("MaxOffLoadSize", _U32), ("MinSegmentCount", _U32)]
_SUMS = ("TcpOptionsSupported", "TcpChecksum", "UdpChecksum")
_SUMS4 = _part("_CHECKSUM_IPv4", [*_FRAME, *_bits("IpOptionsSupported", *_SUMS, "IpChecksum")])
_SUMS6 = _part("_CHECKSUM_IPv6", [*_FRAME, *_bits("IpExtensionHeadersSupported", *_SUMS)])
_USO4: _Fields = [*_LIMITS[:2], ("MinSegmentCount", _U32, 6), ("SubMssFinalSegmentSupported", _U32, 1)]


class NDIS_TCP_IP_CHECKSUM_OFFLOAD(ctypes.Structure):
    """Checksums that the adapter computes and checks."""

    _fields_: ClassVar[Any] = [
        ("IPv4Transmit", _SUMS4),
        ("IPv4Receive", _SUMS4),
        ("IPv6Transmit", _SUMS6),
        ("IPv6Receive", _SUMS6),
    ]
    IPv4Transmit: Any
    IPv4Receive: Any
    IPv6Transmit: Any
    IPv6Receive: Any


class NDIS_TCP_LARGE_SEND_OFFLOAD_V1(ctypes.Structure):
    """How large a TCP frame of IPv4 may be that the adapter cuts, in the first version."""

    _fields_: ClassVar[Any] = [("IPv4", _part("_LSOV1_IPv4", [*_LIMITS, *_bits("TcpOptions", "IpOptions")]))]
    IPv4: Any


class NDIS_TCP_LARGE_SEND_OFFLOAD_V2(ctypes.Structure):
    """The same in the second version, and of IPv6 too."""

    _fields_: ClassVar[Any] = [
        ("IPv4", _part("_LSOV2_IPv4", _LIMITS)),
        ("IPv6", _part("_LSOV2_IPv6", [*_LIMITS, *_bits("IpExtensionHeadersSupported", "TcpOptionsSupported")])),
    ]
    IPv4: Any
    IPv6: Any


class NDIS_TCP_RECV_SEG_COALESCE_OFFLOAD(ctypes.Structure):
    """Whether the adapter puts TCP segments together; also called NDIS_TCP_RECV_SEG_COALESC_OFFLOAD."""

    _fields_: ClassVar[Any] = [("IPv4", _part("_RSC", [("Enabled", _U8)])), ("IPv6", _part("_RSC", [("Enabled", _U8)]))]
    IPv4: Any
    IPv6: Any


class NDIS_UDP_SEGMENTATION_OFFLOAD(ctypes.Structure):
    """How large a UDP frame may be that the adapter cuts into datagrams."""

    _fields_: ClassVar[Any] = [
        ("IPv4", _part("_USO_IPv4", _USO4)),
        ("IPv6", _part("_USO_IPv6", [*_USO4, ("Reserved1", _U32, 25), ("IpExtensionHeadersSupported", _U32, 2)])),
    ]
    IPv4: Any
    IPv6: Any


class NDIS_OFFLOAD(_Packed):
    """What an adapter offloads; the parts of IPsec, of encapsulated packets and of 464XLAT are not looked into."""

    _fields_: ClassVar[Any] = [
        ("Header", _HEADER),
        ("Checksum", NDIS_TCP_IP_CHECKSUM_OFFLOAD),
        ("LsoV1", NDIS_TCP_LARGE_SEND_OFFLOAD_V1),
        ("IPsecV1", _U32 * 7),
        ("LsoV2", NDIS_TCP_LARGE_SEND_OFFLOAD_V2),
        ("Flags", _U32),
        ("IPsecV2", _U32 * 8),
        ("Rsc", NDIS_TCP_RECV_SEG_COALESCE_OFFLOAD),
        ("EncapsulatedPacketTaskOffloadGre", _U32 * 2),
        ("EncapsulatedPacketTaskOffloadVxlan", _U32 * 5),
        ("EncapsulationTypes", _U8),
        ("Rfc6877Xlat", _U32 * 2),
        ("UdpSegmentation", NDIS_UDP_SEGMENTATION_OFFLOAD),
    ]
    Checksum: NDIS_TCP_IP_CHECKSUM_OFFLOAD
    LsoV1: NDIS_TCP_LARGE_SEND_OFFLOAD_V1
    IPsecV1: Any
    LsoV2: NDIS_TCP_LARGE_SEND_OFFLOAD_V2
    Flags: int
    IPsecV2: Any
    Rsc: NDIS_TCP_RECV_SEG_COALESCE_OFFLOAD
    EncapsulatedPacketTaskOffloadGre: Any
    EncapsulatedPacketTaskOffloadVxlan: Any
    EncapsulationTypes: int
    Rfc6877Xlat: Any
    UdpSegmentation: NDIS_UDP_SEGMENTATION_OFFLOAD


class NDIS_OFFLOAD_PARAMETERS(_Packed):
    """What OID_TCP_OFFLOAD_PARAMETERS switches on and off."""

    _fields_: ClassVar[Any] = [
        ("Header", _HEADER),
        ("IPv4Checksum", _U8),
        ("TCPIPv4Checksum", _U8),
        ("UDPIPv4Checksum", _U8),
        ("TCPIPv6Checksum", _U8),
        ("UDPIPv6Checksum", _U8),
        ("LsoV1", _U8),
        ("IPsecV1", _U8),
        ("LsoV2IPv4", _U8),
        ("LsoV2IPv6", _U8),
        ("TcpConnectionIPv4", _U8),
        ("TcpConnectionIPv6", _U8),
        ("Flags", _U32),
        ("IPsecV2", _U8),
        ("IPsecV2IPv4", _U8),
        ("RscIPv4", _U8),
        ("RscIPv6", _U8),
        ("EncapsulatedPacketTaskOffload", _U8),
        ("EncapsulationTypes", _U8),
        ("EncapsulationProtocolParameters", _U32),
        ("UdpSegmentation", _part("_USO_PARAMETERS", [("IPv4", _U8), ("IPv6", _U8)])),
    ]
    IPv4Checksum: int
    TCPIPv4Checksum: int
    UDPIPv4Checksum: int
    TCPIPv6Checksum: int
    UDPIPv6Checksum: int
    LsoV1: int
    IPsecV1: int
    LsoV2IPv4: int
    LsoV2IPv6: int
    TcpConnectionIPv4: int
    TcpConnectionIPv6: int
    Flags: int
    IPsecV2: int
    IPsecV2IPv4: int
    RscIPv4: int
    RscIPv6: int
    EncapsulatedPacketTaskOffload: int
    EncapsulationTypes: int
    EncapsulationProtocolParameters: int
    UdpSegmentation: Any


_ENCAPSULATION = _part("_ENCAPSULATION", [("Enabled", _U32), ("EncapsulationType", _U32), ("HeaderSize", _U32)])


class NDIS_OFFLOAD_ENCAPSULATION(_Packed):
    """How a protocol frames the packets that it offloads; offloads begin with it."""

    _fields_: ClassVar[Any] = [("Header", _HEADER), ("IPv4", _ENCAPSULATION), ("IPv6", _ENCAPSULATION)]
    IPv4: Any
    IPv6: Any


def _flags(*names: str) -> _Fields:
    return [(name, _U32, 1) for name in names]


_SEGMENTS: _Fields = [("MSS", _U32, 20), ("TcpHeaderOffset", _U32, 10), ("Type", _U32, 1)]


class NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO(ctypes.Union):
    """TcpIpChecksumNetBufferListInfo: sums to compute (Transmit), or that have been checked (Receive)."""

    _fields_: ClassVar[Any] = [
        (
            "Transmit",
            _part(
                "_CHECKSUM_TRANSMIT",
                [
                    *_flags("IsIPv4", "IsIPv6", "TcpChecksum", "UdpChecksum", "IpHeaderChecksum"),
                    ("Reserved", _U32, 11),
                    ("TcpHeaderOffset", _U32, 10),
                ],
            ),
        ),
        (
            "Receive",
            _part(
                "_CHECKSUM_RECEIVE",
                _flags(
                    "TcpChecksumFailed",
                    "UdpChecksumFailed",
                    "IpChecksumFailed",
                    "TcpChecksumSucceeded",
                    "UdpChecksumSucceeded",
                    "IpChecksumSucceeded",
                    "Loopback",
                    "TcpChecksumValueInvalid",
                    "IpChecksumValueInvalid",
                ),
            ),
        ),
        ("Value", ctypes.c_uint64),
    ]
    Transmit: Any
    Receive: Any
    Value: int


class NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO(ctypes.Union):
    """TcpLargeSendNetBufferListInfo: a TCP frame that the adapter cuts; `Transmit.Type` says which version asks."""

    _fields_: ClassVar[Any] = [
        ("Transmit", _part("_LSO_TRANSMIT", [("Unused", _U32, 30), ("Type", _U32, 1), ("Reserved2", _U32, 1)])),
        ("LsoV1Transmit", _part("_LSOV1_TRANSMIT", [*_SEGMENTS, ("Reserved2", _U32, 1)])),
        ("LsoV1TransmitComplete", _part("_LSOV1_COMPLETE", [("TcpPayload", _U32, 30), ("Type", _U32, 1)])),
        ("LsoV2Transmit", _part("_LSOV2_TRANSMIT", [*_SEGMENTS, ("IPVersion", _U32, 1)])),
        ("LsoV2TransmitComplete", _part("_LSOV2_COMPLETE", [("Reserved", _U32, 30), ("Type", _U32, 1)])),
        ("Value", ctypes.c_uint64),
    ]
    Transmit: Any
    LsoV1Transmit: Any
    LsoV1TransmitComplete: Any
    LsoV2Transmit: Any
    LsoV2TransmitComplete: Any
    Value: int


class NDIS_UDP_SEGMENTATION_OFFLOAD_NET_BUFFER_LIST_INFO(ctypes.Union):
    """UdpSegmentationOffloadInfo: a UDP frame that the adapter cuts into datagrams of MSS bytes of payload."""

    _fields_: ClassVar[Any] = [
        (
            "Transmit",
            _part(
                "_USO_TRANSMIT",
                [("MSS", _U32, 20), ("UdpHeaderOffset", _U32, 10), ("Reserved", _U32, 1), ("IPVersion", _U32, 1)],
            ),
        ),
        ("Value", ctypes.c_uint64),
    ]
    Transmit: Any
    Value: int


class NDIS_RSC_NBL_INFO(ctypes.Union):
    """TcpRecvSegCoalesceInfo: of how many segments a received TCP frame was put together."""

    _fields_: ClassVar[Any] = [
        ("Info", _part("_RSC_INFO", [("CoalescedSegCount", _U16), ("DupAckCount", _U16)])),
        ("Value", ctypes.c_uint64),
    ]
    Info: Any
    Value: int
