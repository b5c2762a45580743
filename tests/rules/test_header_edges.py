"""Edges lie behind whole headers, whatever the frame is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from emulator.rules.header_edges import LONGEST, header_edges

LOAD = Raw(bytes(100))


FRAMES = {
    "tcp": (Ether() / IP() / TCP() / LOAD, (14, 34, 54), 54),
    "tcp options": (Ether() / IP() / TCP(options=[("MSS", 1460)]) / LOAD, (14, 34, 58), 58),
    "ip options": (Ether() / IP(options=[IPOption_RR(length=11)]) / UDP() / LOAD, (14, 38, 46), 46),
    "vlan": (Ether() / Dot1Q(vlan=3) / IP() / ICMP() / LOAD, (18, 38, 46), 46),
    "later fragment": (Ether() / IP(frag=7) / LOAD, (14, 34), 34),
    "unknown protocol": (Ether() / IP(proto=132) / LOAD, (14, 34), 134),
    "ipv6 udp": (Ether() / IPv6() / UDP() / LOAD, (14, 54, 62), 62),
    "icmpv6 echo": (Ether() / IPv6() / ICMPv6EchoRequest(data=bytes(40)), (14, 54, 62), 62),
    "solicitation": (Ether() / IPv6() / ICMPv6ND_NS(), (14, 54), 78),
    "ipv6 options": (Ether() / IPv6() / IPv6ExtHdrDestOpt() / TCP() / LOAD, (14, 54, 62, 82), 82),
    "ipv6 fragment": (Ether() / IPv6() / IPv6ExtHdrFragment(offset=3, nh=17) / LOAD, (14, 54, 62), 62),
    "arp": (Ether() / ARP() / Raw(bytes(18)), (14, 42), 42),
    "unknown frame": (Ether(type=0x88B5) / LOAD, (14,), 114),
}


@pytest.mark.parametrize("name", FRAMES)
def test_edges_are_the_ends_of_headers(name: str) -> None:
    packet, edges, free = FRAMES[name]
    data = bytes(packet)
    assert header_edges(data[:LONGEST], len(data)) == (edges, free)


@given(st.binary(max_size=80), st.integers(0, 200))
def test_any_bytes_have_edges_inside_the_frame(data: bytes, more: int) -> None:
    length = len(data) + more
    found = header_edges(data, length)
    assert all(14 <= edge < length for edge in found.edges)
    assert 0 <= found.free <= length
