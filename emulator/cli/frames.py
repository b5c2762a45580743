"""Ethernet frames in words, and the few that the command itself puts on a cable.

Law: what cannot be read is shown as bytes, never guessed at.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Final

ARP: Final = 0x0806
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
ICMP: Final = 1
ETHERNET_HEADER: Final = 14
IPV4_HEADER: Final = 20
BROADCAST: Final = b"\xff" * 6
SMALLEST_FRAME: Final = 60
_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_ARP_REQUEST, _ARP_REPLY = 1, 2
_ICMP_KINDS: Final = {0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
_PROTOCOLS: Final = {2: "IGMP", 6: "TCP", 17: "UDP"}


def ethernet(destination: bytes, source: bytes, kind: int, payload: bytes) -> bytes:
    """A frame, padded to the smallest length."""
    return (destination + source + kind.to_bytes(2, "big") + payload).ljust(SMALLEST_FRAME, b"\0")


def arp_request(mac: bytes, address: IPv4Address, wanted: IPv4Address) -> bytes:
    """Who has the wanted address?"""
    body = _ARP.pack(1, IPV4, 6, 4, _ARP_REQUEST, mac, address.packed, bytes(6), wanted.packed)
    return ethernet(BROADCAST, mac, ARP, body)


def arp_reply(mac: bytes, address: IPv4Address, asker_mac: bytes, asker: IPv4Address) -> bytes:
    """The address is at this MAC."""
    body = _ARP.pack(1, IPV4, 6, 4, _ARP_REPLY, mac, address.packed, asker_mac, asker.packed)
    return ethernet(asker_mac, mac, ARP, body)


def ipv4(source: IPv4Address, destination: IPv4Address, protocol: int, identifier: int, payload: bytes) -> bytes:
    """An IPv4 packet without options."""
    fields = [0x45, 0, IPV4_HEADER + len(payload), identifier & 0xFFFF, 0x4000, 64, protocol, 0]
    header = _IPV4.pack(*fields, source.packed, destination.packed)
    fields[-1] = 0xFFFF - checksum(header)
    return _IPV4.pack(*fields, source.packed, destination.packed) + payload


def checksum(data: bytes) -> int:
    """The Internet checksum's sum, without the final complement; 0 for a message whose checksum is right."""
    return int.from_bytes(data + b"\0" if len(data) % 2 else data, "big") % 0xFFFF


def read_arp(frame: bytes) -> tuple[bool, bytes, IPv4Address, IPv4Address] | None:
    """(is it a request, sender's MAC, sender, target) of an ARP frame for IPv4; None for anything else."""
    if len(frame) < ETHERNET_HEADER + _ARP.size or int.from_bytes(frame[12:14], "big") != ARP:
        return None
    hardware, protocol, _, _, operation, mac, sender, _, target = _ARP.unpack_from(frame, ETHERNET_HEADER)
    if (hardware, protocol) != (1, IPV4) or operation not in (_ARP_REQUEST, _ARP_REPLY):
        return None
    return operation == _ARP_REQUEST, mac, IPv4Address(sender), IPv4Address(target)


def read_icmp(frame: bytes, address: IPv4Address) -> bytes | None:
    """The IPv4 packet, header and all, of an ICMP frame to this address; None for anything else."""
    end = ETHERNET_HEADER + IPV4_HEADER
    if len(frame) < end + 8 or int.from_bytes(frame[12:14], "big") != IPV4:
        return None
    version, _, length, _, _, _, protocol, _, _, target = _IPV4.unpack_from(frame, ETHERNET_HEADER)
    header = (version & 15) * 4
    if version >> 4 != 4 or protocol != ICMP or target != address.packed or header < IPV4_HEADER or length < header + 8:
        return None
    if checksum(frame[ETHERNET_HEADER : ETHERNET_HEADER + header]) != 0:
        return None
    return frame[ETHERNET_HEADER : ETHERNET_HEADER + length]


def in_words(frame: bytes) -> str:
    """A frame in one line."""
    kind = int.from_bytes(frame[12:14], "big")
    arp = read_arp(frame)
    if arp is not None:
        request, mac, sender, target = arp
        return f"ARP who has {target}? tell {sender}" if request else f"ARP {sender} is at {mac.hex(':')}"
    if kind == IPV4 and len(frame) >= ETHERNET_HEADER + IPV4_HEADER:
        return _ipv4_in_words(frame)
    name = {ARP: "ARP", IPV4: "IPv4", IPV6: "IPv6"}.get(kind, f"type 0x{kind:04x}")
    return f"{frame[6:12].hex(':')} > {frame[0:6].hex(':')} {name}, {len(frame)} bytes"


def _ipv4_in_words(frame: bytes) -> str:
    version, _, length, _, _, _, protocol, _, source, target = _IPV4.unpack_from(frame, ETHERNET_HEADER)
    start = ETHERNET_HEADER + (version & 15) * 4
    what = _PROTOCOLS.get(protocol, f"protocol {protocol}")
    if protocol == ICMP and len(frame) >= start + 8:
        kind = frame[start]
        what = f"ICMP {_ICMP_KINDS.get(kind, f'type {kind}')}"
        if kind in (0, 8):
            what += f" {int.from_bytes(frame[start + 6 : start + 8], 'big')}"
    return f"{IPv4Address(source)} > {IPv4Address(target)} {what}, {length} bytes"
