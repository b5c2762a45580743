"""The Toeplitz hash: the published vectors, and which bytes of which frames are hashed."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from vnic.device import (
    VNIC_HASH_FUNCTION_TOEPLITZ,
    VNIC_HASH_IPV4,
    VNIC_HASH_IPV6,
    VNIC_HASH_IPV6_EX,
    VNIC_HASH_TCP_IPV4,
    VNIC_HASH_TCP_IPV6,
    VNIC_HASH_TCP_IPV6_EX,
    VNIC_HASH_TYPES,
    VNIC_HASH_UDP_IPV4,
    VNIC_HASH_UDP_IPV6,
    VNIC_HASH_UDP_IPV6_EX,
)
from vnic.device.toeplitz import NO_HASH, REMEMBERED_FLOWS, FrameHash, make_tables, toeplitz

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")

# Microsoft's "Verifying the RSS hash calculation": destination, source, hash of the addresses, hash with the ports.
VECTORS = [
    ("161.142.100.80", 1766, "66.9.149.187", 2794, 0x323E8FC2, 0x51CCC178),
    ("65.69.140.83", 4739, "199.92.111.2", 14230, 0xD718262A, 0xC626B0EA),
    ("12.22.207.184", 38024, "24.19.198.95", 12898, 0xD2D0A5DE, 0x5C2B394A),
    ("209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xAFC7327F),
    ("202.188.127.2", 1303, "153.39.163.191", 44251, 0x5D1809C5, 0x10E828A2),
    ("3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2CC18CD5, 0x40207D3D),
    ("ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0F0C461C, 0xDDE51BBF),
    ("fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4B61E985, 0x02D1FEEF),
]
TCP, UDP = 6, 17
DESTINATION4, PORT_TO, SOURCE4, PORT_FROM, ADDRESSES4, PORTS4 = VECTORS[0]
DESTINATION6, _, SOURCE6, _, ADDRESSES6, PORTS6 = VECTORS[5]
HASH4 = VNIC_HASH_IPV4 | VNIC_HASH_TCP_IPV4 | VNIC_HASH_UDP_IPV4
HASH6 = VNIC_HASH_IPV6 | VNIC_HASH_TCP_IPV6 | VNIC_HASH_UDP_IPV6
HASH6_EX = VNIC_HASH_IPV6_EX | VNIC_HASH_TCP_IPV6_EX | VNIC_HASH_UDP_IPV6_EX


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def segment(source_port: int, destination_port: int) -> bytes:
    return struct.pack("!HH", source_port, destination_port) + bytes(16)


def ipv4(
    payload: bytes, protocol: int = TCP, *, source: str = SOURCE4, destination: str = DESTINATION4, **fields: int
) -> bytes:
    """An Ethernet frame of IPv4; ``fields``: fragment (the flags and the offset), options (in words)."""
    options = fields.get("options", 0)
    header = struct.pack(
        "!BBHHHBBH", 0x45 + options, 0, 20 + 4 * options + len(payload), 7, fields.get("fragment", 0), 64, protocol, 0
    )
    return bytes(12) + b"\x08\x00" + header + packed(source) + packed(destination) + b"\x01" * 4 * options + payload


def ipv6(payload: bytes, following: int = TCP, *, source: str = SOURCE6, destination: str = DESTINATION6) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(payload), following, 64)
    return bytes(12) + b"\x86\xdd" + header + packed(source) + packed(destination) + payload


def hashed(frame: bytes, types: int = VNIC_HASH_TYPES, hasher: FrameHash | None = None) -> tuple[int, int]:
    """The hash with its type; the function is Toeplitz.  The bytes behind the frame must not matter."""
    hasher = hasher or FrameHash(types | VNIC_HASH_FUNCTION_TOEPLITZ, KEY)
    value, information = hasher(memoryview(frame + bytes(64)), len(frame))
    again = hasher(memoryview(frame + b"\xff" * 64), len(frame))
    assert again == (value, information)
    assert information == 0 or information & 0xFF == VNIC_HASH_FUNCTION_TOEPLITZ
    return value, information & ~0xFF


@pytest.mark.parametrize(("destination", "to", "source", "since", "addresses", "ports"), VECTORS)
def test_the_published_vectors(destination: str, to: int, source: str, since: int, addresses: int, ports: int) -> None:
    tables = make_tables(KEY)
    octets = packed(source) + packed(destination)
    assert toeplitz(tables, octets) == addresses
    assert toeplitz(tables, octets + struct.pack("!HH", since, to)) == ports
    six = ":" in destination
    alone, tcp, udp = (
        (VNIC_HASH_IPV6, VNIC_HASH_TCP_IPV6, VNIC_HASH_UDP_IPV6)
        if six
        else (VNIC_HASH_IPV4, VNIC_HASH_TCP_IPV4, VNIC_HASH_UDP_IPV4)
    )
    build = ipv6 if six else ipv4
    frame = build(segment(since, to), TCP, source=source, destination=destination)
    assert hashed(frame) == (ports, tcp)
    assert hashed(frame, alone) == (addresses, alone)
    # The same function over the same fields.
    datagram = build(segment(since, to)[:8], UDP, source=source, destination=destination)
    assert hashed(datagram) == (ports, udp)


@pytest.mark.parametrize("types", [VNIC_HASH_TCP_IPV4, VNIC_HASH_UDP_IPV4, VNIC_HASH_IPV6, HASH6_EX])
def test_a_type_that_is_not_asked_for_gives_no_hash(types: int) -> None:
    other = UDP if types == VNIC_HASH_TCP_IPV4 else TCP
    assert hashed(ipv4(segment(1, 2), other), types) == NO_HASH


def test_another_protocol_than_tcp_and_udp_is_hashed_by_its_addresses() -> None:
    assert hashed(ipv4(bytes(8), 1)) == (ADDRESSES4, VNIC_HASH_IPV4)
    assert hashed(ipv6(bytes(8), 58)) == (ADDRESSES6, VNIC_HASH_IPV6)


@pytest.mark.parametrize("fragment", [0x2000, 0x2001, 0x0001])
def test_a_fragment_is_hashed_by_its_addresses(fragment: int) -> None:
    frame = ipv4(segment(PORT_FROM, PORT_TO), fragment=fragment)
    assert hashed(frame) == (ADDRESSES4, VNIC_HASH_IPV4)
    assert hashed(frame, VNIC_HASH_TCP_IPV4) == NO_HASH


def test_do_not_fragment_is_no_fragment() -> None:
    assert hashed(ipv4(segment(PORT_FROM, PORT_TO), fragment=0x4000)) == (PORTS4, VNIC_HASH_TCP_IPV4)


@pytest.mark.parametrize("options", [1, 10])
def test_options_are_passed_over(options: int) -> None:
    assert hashed(ipv4(segment(PORT_FROM, PORT_TO), options=options)) == (PORTS4, VNIC_HASH_TCP_IPV4)


@pytest.mark.parametrize("tags", [b"\x81\x00\x00\x05", b"\x88\xa8\x00\x07\x81\x00\x00\x05"])
def test_vlan_tags_are_passed_over(tags: bytes) -> None:
    for frame, expected in (
        (ipv4(segment(PORT_FROM, PORT_TO)), (PORTS4, VNIC_HASH_TCP_IPV4)),
        (ipv6(segment(PORT_FROM, PORT_TO)), (PORTS6, VNIC_HASH_TCP_IPV6)),
    ):
        assert hashed(frame[:12] + tags + frame[12:]) == expected


HOME = packed("3ffe:2501:200:1fff::7")
HOME_OPTIONS = bytes((TCP, 2, 1, 2, 0, 0, 0xC9, 16)) + HOME
"""A destination options header: padding, then the home address."""
ROUTING = bytes((TCP, 2, 2, 1)) + bytes(4) + packed(DESTINATION6)


def test_extension_headers_are_passed_over() -> None:
    inner = segment(PORT_FROM, PORT_TO)
    hop_by_hop = bytes((60, 0)) + bytes(6)
    destination = bytes((TCP, 1)) + bytes(14)
    assert hashed(ipv6(hop_by_hop + destination + inner, 0)) == (PORTS6, VNIC_HASH_TCP_IPV6)
    authentication = bytes((TCP, 4)) + bytes(22)
    assert hashed(ipv6(authentication + inner, 51)) == (PORTS6, VNIC_HASH_TCP_IPV6)


def test_addresses_of_extension_headers_are_hashed_where_that_is_asked_for() -> None:
    inner = segment(PORT_FROM, PORT_TO)
    mobile = ipv6(HOME_OPTIONS + inner, 60, source="2001:db8::99")
    assert hashed(mobile) == (PORTS6, VNIC_HASH_TCP_IPV6_EX)
    assert hashed(mobile, HASH6_EX) == (PORTS6, VNIC_HASH_TCP_IPV6_EX)
    assert hashed(mobile, VNIC_HASH_IPV6_EX) == (ADDRESSES6, VNIC_HASH_IPV6_EX)
    assert hashed(mobile, HASH6)[1] == VNIC_HASH_TCP_IPV6
    assert hashed(mobile, HASH6)[0] != PORTS6
    routed = ipv6(ROUTING + inner, 43, destination="2001:db8::98")
    assert hashed(routed, HASH6_EX) == (PORTS6, VNIC_HASH_TCP_IPV6_EX)
    datagram = ipv6(bytes((UDP,)) + ROUTING[1:] + inner, 43, destination="2001:db8::98")
    assert hashed(datagram) == (PORTS6, VNIC_HASH_UDP_IPV6_EX)
    # Without such headers it is the hash of the header's own addresses.
    assert hashed(ipv6(inner), HASH6_EX) == (PORTS6, VNIC_HASH_TCP_IPV6_EX)


@pytest.mark.parametrize(("offset", "whole"), [(0x0001, False), (0x0008, False), (0x0000, True)])
def test_a_fragment_of_ipv6_is_hashed_by_its_addresses(offset: int, whole: bool) -> None:
    header = struct.pack("!BBHI", TCP, 0, offset, 9)
    expected = (PORTS6, VNIC_HASH_TCP_IPV6) if whole else (ADDRESSES6, VNIC_HASH_IPV6)
    assert hashed(ipv6(header + segment(PORT_FROM, PORT_TO), 44)) == expected


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(13),
        bytes(12) + b"\x08\x06" + bytes(46),
        ipv4(segment(1, 2))[:33],
        ipv4(b"\1\2\3"),
        ipv4(segment(1, 2), options=10)[:50],
        bytes(12) + b"\x08\x00\x44" + bytes(60),
        bytes(12) + b"\x08\x00\x65" + bytes(60),
        bytes(12) + b"\x86\xdd\x45" + bytes(60),
        ipv6(b"\1\2\3"),
        ipv6(segment(1, 2))[:53],
        ipv6(bytes((TCP, 9)) + bytes(30), 60),
        ipv6(b"\x06", 0),
        bytes(12) + b"\x81\x00",
    ],
    ids=str,
)
def test_what_cannot_be_read_has_no_hash(frame: bytes) -> None:
    assert hashed(frame) == NO_HASH


@pytest.mark.parametrize("options", [b"\xc9\x10\1\2\3\4", b"\x05\xff\0\0\0\0", b"\1\0\1\0\1\xc9", bytes(6)])
def test_options_that_hold_no_home_address(options: bytes) -> None:
    frame = ipv6(bytes((TCP, 0)) + options + segment(PORT_FROM, PORT_TO), 60)
    assert hashed(frame) == (PORTS6, VNIC_HASH_TCP_IPV6)


def test_flows_are_told_apart_by_all_that_is_hashed() -> None:
    hasher = FrameHash(VNIC_HASH_TYPES | VNIC_HASH_FUNCTION_TOEPLITZ, KEY)
    frames = [
        build(segment(port, 2), protocol)
        for build in (ipv4, ipv6)
        for protocol in (TCP, UDP, 1)
        for port in (1, 2, 0x100)
    ]
    frames += [ipv4(segment(1, 2), fragment=0x2000), ipv4(segment(1, 2), options=1)]
    fresh = [hashed(frame) for frame in frames]
    for _ in range(2):
        assert [hashed(frame, hasher=hasher) for frame in frames] == fresh
    assert hashed(frames[0][:60], hasher=hasher) == fresh[0]
    assert hashed(frames[0][:42], hasher=hasher) == fresh[0]
    assert hashed(frames[0][:36], hasher=hasher) == NO_HASH


def test_the_memory_of_flows_is_bounded() -> None:
    hasher = FrameHash(HASH4 | VNIC_HASH_FUNCTION_TOEPLITZ, KEY)
    for port in range(REMEMBERED_FLOWS + 10):
        hasher(memoryview(ipv4(segment(port, 9))), 54)
        hasher(memoryview(ipv4(segment(port, 9), 1)), 54)
    assert len(hasher._flows) == 10
