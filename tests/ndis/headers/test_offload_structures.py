"""Offload structures: Microsoft's layout, and the bits of the out-of-band words."""

from __future__ import annotations

import pytest

import emulator.ndis as surface

OFFSETS = {
    "Checksum": 4,
    "LsoV1": 36,
    "IPsecV1": 52,
    "LsoV2": 80,
    "Flags": 108,
    "IPsecV2": 112,
    "Rsc": 144,
    "EncapsulatedPacketTaskOffloadGre": 148,
    "EncapsulatedPacketTaskOffloadVxlan": 156,
    "EncapsulationTypes": 176,
    "Rfc6877Xlat": 180,
    "UdpSegmentation": 188,
}


def test_members_lie_where_windows_has_them() -> None:
    assert {name: getattr(surface.NDIS_OFFLOAD, name).offset for name in OFFSETS} == OFFSETS
    parameters = surface.NDIS_OFFLOAD_PARAMETERS
    assert (parameters.IPv4Checksum.offset, parameters.Flags.offset, parameters.RscIPv4.offset) == (4, 16, 22)  # type: ignore[attr-defined]
    assert len(bytes(surface.NDIS_OFFLOAD_ENCAPSULATION())) == surface.NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1


def test_an_earlier_revision_is_read_as_one_whose_later_members_are_zero() -> None:
    given = surface.NDIS_OFFLOAD(Header=surface.NDIS_OBJECT_HEADER(surface.NDIS_OBJECT_TYPE_OFFLOAD, 1, 112))
    given.LsoV2.IPv4.MaxOffLoadSize, given.Rsc.IPv4.Enabled = 65000, 1
    given.Checksum.IPv4Transmit.TcpChecksum = surface.NDIS_OFFLOAD_SUPPORTED
    data = given.to_bytes()
    assert len(data) == surface.NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_1
    assert data[4:12] == bytes((0, 0, 0, 0, 1 << 4, 0, 0, 0))
    found = surface.NDIS_OFFLOAD.from_bytes(data)
    assert (found.LsoV2.IPv4.MaxOffLoadSize, found.Rsc.IPv4.Enabled) == (65000, 0)


@pytest.mark.parametrize(
    ("kind", "part", "members", "value"),
    [
        ("NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO", "Transmit", {"IsIPv6": 1}, 0x2),
        ("NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO", "Transmit", {"TcpChecksum": 1, "TcpHeaderOffset": 34}, 0x22_0004),
        ("NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO", "Receive", {"IpChecksumSucceeded": 1}, 0x20),
        ("NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO", "Receive", {"TcpChecksumValueInvalid": 1}, 0x80),
        ("NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO", "LsoV2Transmit", {"MSS": 1460, "Type": 1}, 0x4000_05B4),
        ("NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO", "LsoV2Transmit", {"IPVersion": 1}, 0x8000_0000),
        ("NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO", "LsoV1Transmit", {"TcpHeaderOffset": 34}, 34 << 20),
        ("NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO", "LsoV1TransmitComplete", {"TcpPayload": 9}, 9),
        ("NDIS_UDP_SEGMENTATION_OFFLOAD_NET_BUFFER_LIST_INFO", "Transmit", {"UdpHeaderOffset": 42}, 42 << 20),
        ("NDIS_RSC_NBL_INFO", "Info", {"CoalescedSegCount": 3, "DupAckCount": 1}, 0x1_0003),
    ],
)
def test_a_word_has_microsofts_bits(kind: str, part: str, members: dict[str, int], value: int) -> None:
    info = getattr(surface, kind)()
    for name, given in members.items():
        setattr(getattr(info, part), name, given)
    assert info.Value == value
    assert getattr(getattr(getattr(surface, kind)(Value=value), part), next(iter(members))) == next(
        iter(members.values())
    )
