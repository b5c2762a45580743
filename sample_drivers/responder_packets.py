"""What responder knows of packets: from the bytes of a frame to those of its answer, for ARP, IPv4, IPv6, ICMP and UDP.

Law: as in a header file, nothing here calls the DDI and nothing keeps state. A length is looked at before what it
spans; a packet for us that is not whole or not right is counted as refused, and is never an exception.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from struct import Struct, pack, pack_into
from typing import Final, NamedTuple

MAXIMUM_FRAME: Final = 1514
ETHERNET: Final = Struct("!6s6sH")
BROADCAST: Final = b"\xff" * 6
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
ARP: Final = Struct("!HHBBH6s4s6s4s")
ARP_ETHERNET_IPV4: Final = (1, ETHERTYPE_IPV4, 6, 4)
ARP_REQUEST, ARP_REPLY = 1, 2
IPV4: Final = Struct("!BBHHHBBH4s4s")
IPV4_VERSION_AND_LENGTH: Final = 0x45
IPV4_DO_NOT_FRAGMENT, IPV4_FRAGMENT = 0x4000, 0x3FFF
IPV4_NO_SENDERS: Final = frozenset((0, 127, *range(224, 256)))
"""First bytes of addresses that nobody sends from: unspecified, loopback, multicast and above."""
IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"
"""An IPv4 address behind these is how it stands among IPv6 ones; none is ever seen on a wire."""
IPV6: Final = Struct("!IHBB16s16s")
IPV6_EXTENSIONS: Final = frozenset((0, 43, 44, 50, 51, 60, 135, 139, 140, 253, 254))
"""Hop-by-hop options, routing, fragment and their kin: none is understood here."""
LINK_LOCAL: Final = bytes.fromhex("fe80000000000000")
ALL_NODES: Final = bytes.fromhex("ff020000000000000000000000000001")
SOLICITED_NODE: Final = bytes.fromhex("ff0200000000000000000001ff")
UNSPECIFIED: Final = bytes(16)
LOOPBACK: Final = bytes(15) + b"\1"
MULTICAST: Final = 0xFF
GROUP_MAC: Final = b"\x33\x33"
TIME_TO_LIVE: Final = 64
NEIGHBOUR_HOPS: Final = 255
"""What comes with fewer has passed a router, and neighbours never do."""
ICMP, UDP, ICMPV6 = 1, 17, 58
ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST = 0, 8
ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY = 128, 129
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
DISCOVERY: Final = Struct("!BBHI16s")
ADVERTISEMENT: Final = Struct("!BBHI16sBB6s")
SOURCE_LINK_LAYER, TARGET_LINK_LAYER = 1, 2
SOLICITED, OVERRIDE = 0x4000_0000, 0x2000_0000
SHORTEST_MESSAGE: Final = 8
"""An ICMP header and a UDP header have this length alike."""
UDP_HEADER: Final = Struct("!HHHH")
UDP_ECHO: Final = 7
NO_CALLERS: Final = (0, UDP_ECHO)
"""Ports whose echo would go nowhere, or be echoed for ever."""


class STATION(NamedTuple):
    """Who is answered for; an address that there is not is empty."""

    Hardware: bytes
    Ipv4: bytes
    LinkLocal: bytes
    Global: bytes


class ANSWER(NamedTuple):
    """What a frame leads to."""

    Counter: str = ""
    """Which counter of the binding goes up."""
    Frame: bytearray | None = None
    """What is sent; its receiver's hardware address is that of the frame that it answers."""
    Peer: bytes = b""
    """The other end, as an IPv6 or mapped IPv4 address; if it is known as a neighbour it is sent to as such."""
    Learned: bytes = b""
    """The hardware address by which Peer is to be known from now on."""


REFUSED: Final = ANSWER("Refused")


def RespParse(Frame: memoryview, Station: STATION) -> ANSWER | None:
    """What a frame leads to; None for one that is not for us, or asks for nothing."""
    if len(Frame) < ETHERNET.size:
        return REFUSED
    destination, source, kind = ETHERNET.unpack_from(Frame)
    mine = destination == Station.Hardware
    packet = Frame[ETHERNET.size :]
    if kind == ETHERTYPE_ARP and (mine or destination == BROADCAST):
        return RespArp(packet, Station)
    if kind == ETHERTYPE_IPV4 and mine:
        return REFUSED if source[0] & 1 else RespIpv4(packet, source, Station)
    if kind == ETHERTYPE_IPV6 and (mine or destination.startswith(GROUP_MAC)):
        return REFUSED if source[0] & 1 else RespIpv6(packet, source, Station)
    return None


def RespArp(Packet: memoryview, Station: STATION) -> ANSWER | None:
    """Learn from a request or reply that is meant for us, and answer the request (RFC 826)."""
    if len(Packet) < ARP.size:
        return REFUSED
    *form, operation, hardware, address, _, target = ARP.unpack_from(Packet)
    if tuple(form) != ARP_ETHERNET_IPV4 or target != Station.Ipv4:
        return None
    if hardware[0] & 1 or address == target:
        return REFUSED
    peer = IPV4_MAPPED + address
    if operation != ARP_REQUEST:
        return ANSWER(Peer=peer, Learned=hardware)
    frame = bytearray(ETHERNET.size + ARP.size)
    ETHERNET.pack_into(frame, 0, hardware, Station.Hardware, ETHERTYPE_ARP)
    ARP.pack_into(frame, ETHERNET.size, *form, ARP_REPLY, Station.Hardware, target, hardware, address)
    return ANSWER("ArpAnswered", frame, peer, hardware)


def RespIpv4(Packet: memoryview, Source: bytes, Station: STATION) -> ANSWER | None:
    """Answer an ICMP or UDP echo request that is whole and has its checksums right; refuse fragments."""
    if len(Packet) < IPV4.size:
        return REFUSED
    version, service, total, identification, fragment, _, protocol, _, sender, target = IPV4.unpack_from(Packet)
    if target != Station.Ipv4 or protocol not in (ICMP, UDP):
        return None
    header = (version & 0xF) * 4
    if (
        version >> 4 != 4
        or not IPV4.size <= header <= total - SHORTEST_MESSAGE
        or total > len(Packet)
        or fragment & IPV4_FRAGMENT
        or RespChecksum(Packet[:header])
        or sender[0] in IPV4_NO_SENDERS
        or sender == target
    ):
        return REFUSED
    message = Packet[header:total]
    answer = RespIcmp(message) if protocol == ICMP else RespUdp(message, sender, target, True)
    if not isinstance(answer, bytearray):
        return answer
    # Options are not repeated in the answer: none of them asks for more than its sender's own routers do.
    size = IPV4.size + len(answer)
    head = bytearray(IPV4.size)
    fields = (IPV4_VERSION_AND_LENGTH, service, size, identification, IPV4_DO_NOT_FRAGMENT, TIME_TO_LIVE, protocol)
    IPV4.pack_into(head, 0, *fields, 0, target, sender)
    pack_into("!H", head, 10, RespChecksum(head))
    frame = bytearray(ETHERNET.pack(Source, Station.Hardware, ETHERTYPE_IPV4)) + head + answer
    return ANSWER("EchoAnswered" if protocol == ICMP else "UdpAnswered", frame, IPV4_MAPPED + sender)


def RespIcmp(Message: memoryview) -> bytearray | ANSWER | None:
    """The echo reply to a request (RFC 792)."""
    if RespChecksum(Message):
        return REFUSED
    if bytes(Message[:2]) != bytes((ICMP_ECHO_REQUEST, 0)):
        return None
    answer = bytearray(Message)
    pack_into("!BBH", answer, 0, ICMP_ECHO_REPLY, 0, 0)
    pack_into("!H", answer, 2, RespChecksum(answer))
    return answer


def RespUdp(Message: memoryview, Sender: bytes, Target: bytes, MayBeZero: bool) -> bytearray | ANSWER | None:
    """What was sent to the echo port, on its way back (RFC 862); a checksum of 0 is none, which IPv4 allows."""
    source, port, length, checksum = UDP_HEADER.unpack_from(Message)
    if port != UDP_ECHO:
        return None
    if not UDP_HEADER.size <= length <= len(Message) or source in NO_CALLERS:
        return REFUSED
    message = Message[:length]
    if RespChecksum(RespPseudo(Sender, Target, UDP, length), message) if checksum else not MayBeZero:
        return REFUSED
    answer = bytearray(message)
    UDP_HEADER.pack_into(answer, 0, port, source, length, 0)
    pack_into("!H", answer, 6, RespChecksum(RespPseudo(Target, Sender, UDP, length), answer) or 0xFFFF)
    return answer


def RespIpv6(Packet: memoryview, Source: bytes, Station: STATION) -> ANSWER | None:
    """Answer echo requests and the questions of neighbours; refuse fragments and all other extension headers."""
    if len(Packet) < IPV6.size:
        return REFUSED
    first, length, following, hops, sender, target = IPV6.unpack_from(Packet)
    own = RespOwn(target, Station)
    if own is None:
        return None
    if (
        first >> 28 != 6
        or length > len(Packet) - IPV6.size
        or sender[0] == MULTICAST
        or sender.startswith(IPV4_MAPPED)
        or sender in (LOOPBACK, Station.LinkLocal, Station.Global)
        or following in IPV6_EXTENSIONS
    ):
        return REFUSED
    if following not in (ICMPV6, UDP):
        return None
    message = Packet[IPV6.size : IPV6.size + length]
    if length < SHORTEST_MESSAGE:
        return REFUSED
    if following == UDP:
        if target != own:
            return None
        answer = REFUSED if sender == UNSPECIFIED else RespUdp(message, sender, target, False)
    elif RespChecksum(RespPseudo(sender, target, ICMPV6, length), message):
        return REFUSED
    elif message[0] in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
        if hops != NEIGHBOUR_HOPS or length < DISCOVERY.size or message[1]:
            return REFUSED
        if message[0] == NEIGHBOUR_SOLICITATION:
            return RespSolicitation(message, sender, target, Source, Station)
        return RespAdvertisement(message, target, Station)
    else:
        answer = RespIcmpv6(message, sender, own)
    if not isinstance(answer, bytearray):
        return answer
    frame = RespFrameOf(Source, Station, own, sender, following, TIME_TO_LIVE, answer, first & 0x0FF0_0000)
    return ANSWER("UdpAnswered" if following == UDP else "EchoAnswered", frame, sender)


def RespOwn(Target: bytes, Station: STATION) -> bytes | None:
    """Our address that a packet to this one is for; a group stands for the address by which we are in it."""
    for own in (Station.LinkLocal, Station.Global):
        if own and Target in (own, ALL_NODES, SOLICITED_NODE + own[-3:]):
            return own
    return None


def RespIcmpv6(Message: memoryview, Sender: bytes, Own: bytes) -> bytearray | ANSWER | None:
    """The echo reply to a request (RFC 4443); one to a group is answered from our own address."""
    if bytes(Message[:2]) != bytes((ICMPV6_ECHO_REQUEST, 0)):
        return None
    if Sender == UNSPECIFIED:
        return REFUSED
    answer = bytearray(Message)
    pack_into("!BBH", answer, 0, ICMPV6_ECHO_REPLY, 0, 0)
    pack_into("!H", answer, 2, RespChecksum(RespPseudo(Own, Sender, ICMPV6, len(answer)), answer))
    return answer


def RespSolicitation(
    Message: memoryview, Sender: bytes, Target: bytes, Source: bytes, Station: STATION
) -> ANSWER | None:
    """Advertise ourselves to who asks for us, or, to all nodes, to who is about to take our address (RFC 4861)."""
    *_, wanted = DISCOVERY.unpack_from(Message)
    hardware = RespLinkLayer(Message[DISCOVERY.size :], SOURCE_LINK_LAYER)
    nobody = Sender == UNSPECIFIED
    if hardware is None or wanted[0] == MULTICAST or (nobody and (hardware or not Target.startswith(SOLICITED_NODE))):
        return REFUSED
    if wanted not in (Station.LinkLocal, Station.Global):
        return None
    flags = OVERRIDE if nobody else OVERRIDE | SOLICITED
    receiver, mac = (ALL_NODES, RespGroupMac(ALL_NODES)) if nobody else (Sender, hardware or Source)
    fields = (NEIGHBOUR_ADVERTISEMENT, 0, 0, flags, wanted, TARGET_LINK_LAYER, 1, Station.Hardware)
    answer = bytearray(ADVERTISEMENT.pack(*fields))
    pack_into("!H", answer, 2, RespChecksum(RespPseudo(wanted, receiver, ICMPV6, len(answer)), answer))
    frame = RespFrameOf(mac, Station, wanted, receiver, ICMPV6, NEIGHBOUR_HOPS, answer, 0)
    return ANSWER("SolicitationsAnswered", frame, b"" if nobody else Sender, hardware)


def RespAdvertisement(Message: memoryview, Target: bytes, Station: STATION) -> ANSWER | None:
    """Learn from an advertisement that is meant for us alone; refuse one of our own address, which has a double."""
    _, _, _, flags, wanted = DISCOVERY.unpack_from(Message)
    hardware = RespLinkLayer(Message[DISCOVERY.size :], TARGET_LINK_LAYER)
    group = Target[0] == MULTICAST
    own = wanted in (Station.LinkLocal, Station.Global)
    if (
        hardware is None
        or own
        or wanted[0] == MULTICAST
        or wanted.startswith(IPV4_MAPPED)
        or (group and flags & SOLICITED)
    ):
        return REFUSED
    return ANSWER(Peer=wanted, Learned=hardware) if hardware and not group else None


def RespLinkLayer(Options: memoryview, Kind: int) -> bytes | None:
    """The hardware address among a neighbour's options, empty where there is none; None for options that are wrong."""
    found = b""
    while Options:
        length = Options[1] * 8 if len(Options) >= 8 else 0
        if not 0 < length <= len(Options):
            return None
        if Options[0] == Kind:
            found = bytes(Options[2:8])
            if length != 8 or found[0] & 1:
                return None
        Options = Options[length:]
    return found


def RespFrameOf(
    Receiver: bytes,
    Station: STATION,
    Own: bytes,
    Target: bytes,
    Protocol: int,
    Hops: int,
    Message: bytearray,
    Class: int,
) -> bytearray:
    """A frame with an IPv6 packet."""
    head = IPV6.pack(6 << 28 | Class, len(Message), Protocol, Hops, Own, Target)
    return bytearray(ETHERNET.pack(Receiver, Station.Hardware, ETHERTYPE_IPV6)) + head + Message


def RespPseudo(Sender: bytes, Target: bytes, Protocol: int, Length: int) -> bytes:
    """What a checksum covers besides the message, for IPv4 (RFC 768) as for IPv6 (RFC 8200): the words are the same."""
    return Sender + Target + pack("!II", Length, Protocol)


def RespChecksum(*Parts: bytes | bytearray | memoryview) -> int:
    """The Internet checksum (RFC 1071) of parts of which only the last may be odd; 0 for what contains a right one."""
    total = sum(int.from_bytes(part, "big") << (8 if len(part) & 1 else 0) for part in Parts)
    # The one's complement sum of 16-bit words is the number modulo 0xFFFF, where 0 stands for 0xFFFF unless all is 0.
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))


def RespLinkLocal(Hardware: bytes) -> bytes:
    """The link-local address that a hardware address makes (RFC 4291, modified EUI-64)."""
    return LINK_LOCAL + bytes((Hardware[0] ^ 2,)) + Hardware[1:3] + b"\xff\xfe" + Hardware[3:6]


def RespGroupMac(Group: bytes) -> bytes:
    """The hardware address of an IPv6 multicast group (RFC 2464)."""
    return GROUP_MAC + Group[-4:]


def RespGroups(Station: STATION) -> bytes:
    """The hardware addresses of all groups that a station is in, each once, one behind the other."""
    groups = [ALL_NODES, *(SOLICITED_NODE + own[-3:] for own in (Station.LinkLocal, Station.Global) if own)]
    return b"".join(dict.fromkeys(map(RespGroupMac, groups)))


def RespAddress(Version: int, Own: str, Host: str) -> bytes:
    """The address of this version: Own, else the one behind that of Host, a list; empty where neither has one.

    Raises ValueError for what is no address.
    """
    for text, beyond in ((Own, 0), *((text, 1) for text in Host.split(","))):
        if text.strip():
            address = ip_interface(text.strip()).ip
            if address.version == Version:
                return (int(address) + beyond).to_bytes(len(address.packed) + 1, "big")[1:]
            if not beyond:
                raise ValueError(f"{text!r} is no IPv{Version} address")
    return b""


def RespInWords(Station: STATION) -> str:
    """The addresses of a station."""
    return ", ".join(str(ip_address(own)) for own in (Station.Ipv4, Station.Global, Station.LinkLocal) if own)
