"""Where a frame may be cut into MDLs: between its headers, and anywhere behind the last of them.

Law: pure facts about bytes.  What is no header that is known here is taken for one, and not cut.  Source: nbl.md of the
dossier, section 3 (network/indicating-received-ethernet-frames.md): not inside an IP header, IPv4 options, an IPsec
header, an IPv6 extension header or an upper-layer header, unless the first MDL has the lookahead size.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LONGEST: Final = 256
"""Bytes of a frame that are enough to find its headers."""
ETHERNET: Final = 14
_VLAN, _IPV4, _IPV6, _ARP = 0x8100, 0x0800, 0x86DD, 0x0806
_ARP_BYTES: Final = 28
_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS = 0, 43, 44, 51, 60
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
_ECHO: Final = (128, 129)


class HeaderEdges(NamedTuple):
    """The ends of a frame's headers, and from where on every place may be an edge."""

    edges: tuple[int, ...]
    free: int


def header_edges(data: bytes, length: int) -> HeaderEdges:
    """The places of a frame of ``length`` bytes that begins with ``data``, each behind a whole header."""
    edges: list[int] = []
    place = _ethernet(data)
    kind = int.from_bytes(data[place - 2 : place], "big")
    edges.append(place)
    if kind == _ARP:
        end = place + _ARP_BYTES
    elif kind == _IPV4 and len(data) >= place + 20:
        end = _ipv4(data, place, length, edges)
    elif kind == _IPV6 and len(data) >= place + 40:
        end = _ipv6(data, place, length, edges)
    else:
        end = length
    edges.append(end)
    return HeaderEdges(tuple(dict.fromkeys(edge for edge in edges if edge < length)), min(end, length))


def _ethernet(data: bytes) -> int:
    return ETHERNET + 4 if int.from_bytes(data[12:14], "big") == _VLAN else ETHERNET


def _ipv4(data: bytes, place: int, length: int, edges: list[int]) -> int:
    end = place + (data[place] & 0xF) * 4
    edges.append(end)
    if int.from_bytes(data[place + 6 : place + 8], "big") & 0x1FFF:
        return end  # a later fragment has no upper-layer header
    return _upper(data, data[place + 9], end, length)


def _ipv6(data: bytes, place: int, length: int, edges: list[int]) -> int:
    following, end = data[place + 6], place + 40
    while following in (_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS) and len(data) > end + 4:
        edges.append(end)
        if following == _FRAGMENT:
            later = int.from_bytes(data[end + 2 : end + 4], "big") & 0xFFF8
            following, end = data[end], end + 8
            if later:
                edges.append(end)
                return end
        elif following == _AUTHENTICATION:
            following, end = data[end], end + (data[end + 1] + 2) * 4
        else:
            following, end = data[end], end + (data[end + 1] + 1) * 8
    edges.append(end)
    return _upper(data, following, end, length)


def _upper(data: bytes, protocol: int, place: int, length: int) -> int:
    """The end of the upper-layer header; of one that is not known here, the end of the frame."""
    if protocol == _TCP and len(data) > place + 12:
        return place + (data[place + 12] >> 4) * 4
    if protocol in (_UDP, _ICMP) or (protocol == _ICMPV6 and len(data) > place and data[place] in _ECHO):
        return place + 8
    return length
