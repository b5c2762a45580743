"""The Toeplitz hash of received frames, as NDIS defines it for receive side scaling.

Law: pure functions of the key and the frame's bytes.  What cannot be read for certain has no hash: a frame that is not
IP, one that is cut off, an unknown extension header, a transport whose type is not asked for where the addresses alone
are not either.  A fragment is hashed by its addresses alone, the first as well, since the others have no ports.

The table for each byte of the input holds the part of the hash that this byte makes, for each of its 256 values; the
parts are combined by exclusive or.  Flows are remembered, so that a frame mostly costs one slice and one look-up.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from vnic.device.scaling import (
    VNIC_HASH_FUNCTION_TOEPLITZ,
    VNIC_HASH_IPV4,
    VNIC_HASH_IPV6,
    VNIC_HASH_IPV6_EX,
    VNIC_HASH_TCP_IPV4,
    VNIC_HASH_TCP_IPV6,
    VNIC_HASH_TCP_IPV6_EX,
    VNIC_HASH_UDP_IPV4,
    VNIC_HASH_UDP_IPV6,
    VNIC_HASH_UDP_IPV6_EX,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_INPUT: Final = 36
"""Two addresses of IPv6 and two ports."""
NO_HASH: Final = (0, 0)
"""Of a frame without: the value, and the information which says that it is none."""
REMEMBERED_FLOWS: Final = 4096

_ETHERNET_HEADER: Final = 14
_VLAN_TAG: Final = 4
_TAGS: Final = frozenset((0x8100, 0x88A8))
_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_TCP: Final = 6
_UDP: Final = 17
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_HOME_ADDRESS: Final = 0xC9
_PADDING: Final = 0

# What makes an untagged frame's flow. IPv4 without options: type, version, fragment, protocol, addresses and ports;
# IPv6: type, next header, addresses and ports. What else the fields between hold changes from frame to frame.
_FLOW4: Final = struct.Struct("!12xHB5xHxB2x12s")
_FLOW6: Final = struct.Struct("!12xH6xBx36s")
_PLAIN4: Final = 0x45
_FRAGMENTED: Final = 0x3FFF
"""The offset, and that more follow."""
_PORTS: Final = 4


class Hashed(NamedTuple):
    """What a frame's hash is made of: the bytes, and the hash types that these bytes can be."""

    octets: bytes
    kind: int


def make_tables(key: bytes, length: int = LONGEST_INPUT) -> tuple[tuple[int, ...], ...]:
    """For each byte of an input of up to `length` bytes, the part of the hash that each of its values makes."""
    bits = int.from_bytes(key, "big")
    shift = 8 * len(key) - 32
    tables = []
    for place in range(length):
        windows = [bits >> shift - 8 * place - bit & 0xFFFF_FFFF for bit in range(8)]
        table = [0] * 256
        for bit, window in enumerate(reversed(windows)):
            first = 1 << bit
            for value in range(first):
                table[first + value] = table[value] ^ window
        tables.append(tuple(table))
    return tuple(tables)


def toeplitz(tables: Sequence[Sequence[int]], octets: bytes) -> int:
    """The hash of these bytes under the key of the tables."""
    value = 0
    for table, octet in zip(tables, octets, strict=False):
        value ^= table[octet]
    return value


def hashed_part(frame: bytes | memoryview, types: int) -> Hashed | None:
    """What a frame's hash is made of under these hash types; None: it has no hash."""
    start = _ETHERNET_HEADER
    if len(frame) < start:
        return None
    kind = frame[12] << 8 | frame[13]
    while kind in _TAGS and len(frame) >= start + _VLAN_TAG:
        kind = frame[start + 2] << 8 | frame[start + 3]
        start += _VLAN_TAG
    if kind == _IPV4:
        return _of_ipv4(frame, start, types)
    return _of_ipv6(frame, start, types) if kind == _IPV6 else None


def _of_ipv4(frame: bytes | memoryview, start: int, types: int) -> Hashed | None:
    if len(frame) < start + 20 or frame[start] >> 4 != 4:
        return None
    header = 4 * (frame[start] & 0xF)
    if header < 20 or len(frame) < start + header:
        return None
    protocol = frame[start + 9]
    addresses = bytes(frame[start + 12 : start + 20])
    fragment = (frame[start + 6] << 8 | frame[start + 7]) & _FRAGMENTED
    wanted = {_TCP: VNIC_HASH_TCP_IPV4, _UDP: VNIC_HASH_UDP_IPV4}.get(protocol, 0) & types
    if wanted and not fragment:
        ports = bytes(frame[start + header : start + header + _PORTS])
        return Hashed(addresses + ports, wanted) if len(ports) == _PORTS else None
    return Hashed(addresses, VNIC_HASH_IPV4) if types & VNIC_HASH_IPV4 else None


def _of_ipv6(frame: bytes | memoryview, start: int, types: int) -> Hashed | None:
    if len(frame) < start + 40 or frame[start] >> 4 != 6:
        return None
    plain = extended = bytes(frame[start + 8 : start + 40])
    following, place, fragment = frame[start + 6], start + 40, False
    while following in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION):
        if len(frame) < place + 8:
            return None
        length = 8 * (frame[place + 1] + 1)
        if following == _FRAGMENT:
            length = 8
            fragment = fragment or (frame[place + 2] << 8 | frame[place + 3]) & 0xFFF9 != 0
        elif following == _AUTHENTICATION:
            length = 4 * (frame[place + 1] + 2)
        header = bytes(frame[place : place + length])
        if len(header) < length:
            return None
        if following == _ROUTING and header[2] == 2 and header[3] and length == 24:
            extended = extended[:16] + header[8:24]
        elif following == _DESTINATION:
            extended = (_home_address(header) or extended[:16]) + extended[16:]
        following, place = header[0], place + length
        if fragment:
            break  # behind a later fragment's header lies the middle of something
    transport = {
        _TCP: (VNIC_HASH_TCP_IPV6_EX, VNIC_HASH_TCP_IPV6),
        _UDP: (VNIC_HASH_UDP_IPV6_EX, VNIC_HASH_UDP_IPV6),
    }.get(following, (0, 0))
    if not fragment and types & (transport[0] | transport[1]):
        ports = bytes(frame[place : place + _PORTS])
        return _extended(plain, extended, ports, transport, types) if len(ports) == _PORTS else None
    return _extended(plain, extended, b"", (VNIC_HASH_IPV6_EX, VNIC_HASH_IPV6), types)


def _extended(plain: bytes, extended: bytes, ports: bytes, kinds: tuple[int, int], types: int) -> Hashed | None:
    """With the addresses of the extension headers where their type is asked for, else with those of the header."""
    with_headers, without = kinds
    if types & with_headers and (extended != plain or not types & without):
        return Hashed(extended + ports, with_headers)
    return Hashed(plain + ports, without) if types & without else None


def _home_address(header: bytes) -> bytes:
    """The home address among destination options; empty: none."""
    place = 2
    while place < len(header):
        option = header[place]
        if option == _PADDING:
            place += 1
            continue
        if place + 2 > len(header):
            break
        length = header[place + 1]
        if option == _HOME_ADDRESS and length == 16 and place + 18 <= len(header):
            return header[place + 2 : place + 18]
        place += 2 + length
    return b""


class FrameHash:
    """Hash values of frames under one key and one set of hash types, with a memory for flows.

    Args:
        information: Hash types and function, as NDIS says them.
        key: 40 bytes.
    """

    __slots__ = ("_flows", "_tables", "_types")

    def __init__(self, information: int, key: bytes) -> None:
        self._types = information
        self._tables = make_tables(key)
        self._flows: dict[tuple[int | bytes, ...], tuple[int, int]] = {}

    def __call__(self, frame: memoryview, length: int, /) -> tuple[int, int]:
        """The hash value of the frame in the first `length` bytes and what it is; NO_HASH where it has none."""
        if length >= _FLOW6.size:
            flow: tuple[int | bytes, ...] = _FLOW4.unpack_from(frame)
            if flow[0] != _IPV4:
                flow = _FLOW6.unpack_from(frame)
            found = self._flows.get(flow)
            return found if found is not None else self._first(frame[:length], flow)
        if length >= _FLOW4.size:
            flow = _FLOW4.unpack_from(frame)
            found = self._flows.get(flow)
            return found if found is not None else self._first(frame[:length], flow)
        return self._compute(frame[:length])

    def _first(self, frame: memoryview, flow: tuple[int | bytes, ...]) -> tuple[int, int]:
        found = self._compute(frame)
        # Only what the flow says in full is remembered, and of that only what comes again.
        plain4 = flow[0] == _IPV4 and flow[1] == _PLAIN4 and flow[3] in (_TCP, _UDP)
        plain6 = len(flow) == 3 and flow[0] == _IPV6 and frame[14] >> 4 == 6 and flow[1] in (_TCP, _UDP)
        if plain4 or plain6:
            if len(self._flows) >= REMEMBERED_FLOWS:
                self._flows.clear()
            self._flows[flow] = found
        return found

    def _compute(self, frame: memoryview) -> tuple[int, int]:
        part = hashed_part(frame, self._types)
        if part is None:
            return NO_HASH
        return toeplitz(self._tables, part.octets), part.kind | VNIC_HASH_FUNCTION_TOEPLITZ
