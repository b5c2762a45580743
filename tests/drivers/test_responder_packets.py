"""responder's packets beside scapy's: good ones are answered as scapy has it, bad ones refused or met by silence."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from sample_drivers.responder_packets import (
    ANSWER,
    IPV4_MAPPED,
    REFUSED,
    STATION,
    RespAddress,
    RespChecksum,
    RespGroups,
    RespInWords,
    RespLinkLocal,
    RespParse,
)

HARDWARE = bytes.fromhex("024e44010001")
OWN_MAC, PEER_MAC = HARDWARE.hex(":"), "02:00:00:00:00:99"
OWN4, PEER4 = "10.77.0.2", "10.77.0.1"
LOCAL, GLOBAL = "fe80::4e:44ff:fe01:1", "fd00:77::2"
PEER6, PEER_LOCAL = "fd00:77::1", "fe80::99"
LOCAL_GROUP, GLOBAL_GROUP = "ff02::1:ff01:1", "ff02::1:ff00:2"
HERE = STATION(HARDWARE, IPv4Address(OWN4).packed, RespLinkLocal(HARDWARE), IPv6Address(GLOBAL).packed)

COUNTERS = ("", "ArpAnswered", "SolicitationsAnswered", "EchoAnswered", "UdpAnswered", "Refused")


def found(packet: Any, station: STATION = HERE) -> ANSWER | None:
    """What responder makes of a packet, at the end of a frame that Ethernet has padded."""
    return RespParse(memoryview(bytes(packet).ljust(60, b"\0")), station)


def answer_to(packet: Any, counter: str) -> Any:
    """The answer as scapy reads it, once scapy has agreed with each of its checksums and lengths."""
    answer = found(packet)
    assert answer is not None
    assert answer.Frame is not None
    assert answer.Counter == counter
    read = Ether(bytes(answer.Frame))
    again = read.copy()
    for layer in again.iterpayloads():
        for field in ("chksum", "cksum", "len", "plen"):
            if layer.fields.get(field) is not None and not isinstance(layer, ARP):
                delattr(layer, field)
    assert bytes(again) == bytes(answer.Frame)
    return read


def ether(**fields: Any) -> Any:
    return Ether(src=PEER_MAC, **{"dst": OWN_MAC, **fields})


def ip4(**fields: Any) -> Any:
    return ether() / IP(**{"src": PEER4, "dst": OWN4, **fields})


def ip6(**fields: Any) -> Any:
    return ether() / IPv6(**{"src": PEER6, "dst": GLOBAL, **fields})


def solicitation(
    target: str = GLOBAL, source: str = PEER6, to: str = "", option: bool = True, hops: int = 255, **fields: Any
) -> Any:
    """As Linux asks: to the group of the target, or to an address that it is checking."""
    group = "ff02::1:ff" + IPv6Address(target).exploded[-7:]
    packet = Ether(src=PEER_MAC, dst="33:33:ff:" + IPv6Address(target).packed[-3:].hex(":"))
    packet /= IPv6(src=source, dst=to or group, hlim=hops) / ICMPv6ND_NS(tgt=target, **fields)
    return packet / ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC) if option else packet


def advertisement(target: str = PEER6, to: str = GLOBAL, **fields: Any) -> Any:
    packet = ether() / IPv6(src=PEER6, dst=to, hlim=255) / ICMPv6ND_NA(tgt=target, **fields)
    return packet / ICMPv6NDOptDstLLAddr(lladdr=PEER_MAC)


# -- neighbours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [LOCAL, GLOBAL])
@pytest.mark.parametrize("option", [True, False])
@pytest.mark.parametrize("unicast", [True, False])
def test_a_solicitation_is_answered(target: str, option: bool, unicast: bool) -> None:
    request = solicitation(target, option=option, to=target if unicast else "")
    answer = answer_to(request, "SolicitationsAnswered")
    assert (answer.dst, answer.src) == (PEER_MAC, OWN_MAC)
    assert (answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim) == (target, PEER6, 255)
    told = answer[ICMPv6ND_NA]
    assert (told.tgt, told.R, told.S, told.O) == (target, 0, 1, 1)
    assert answer[ICMPv6NDOptDstLLAddr].lladdr == OWN_MAC
    made = found(request)
    assert made is not None
    learned = bytes.fromhex(PEER_MAC.replace(":", "")) if option else b""
    assert (made.Peer, made.Learned) == (IPv6Address(PEER6).packed, learned)


@pytest.mark.parametrize("target", [LOCAL, GLOBAL])
def test_who_looks_for_a_double_is_told_by_an_advertisement_to_all(target: str) -> None:
    request = solicitation(target, source="::", option=False)
    answer = answer_to(request, "SolicitationsAnswered")
    assert answer.dst == "33:33:00:00:00:01"
    assert (answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim) == (target, "ff02::1", 255)
    assert (answer[ICMPv6ND_NA].S, answer[ICMPv6ND_NA].O) == (0, 1)
    made = found(request)
    assert made is not None
    assert (made.Peer, made.Learned) == (b"", b"")


def test_solicitations_for_others_are_silent() -> None:
    assert found(solicitation("fd00:77::9")) is None
    assert found(solicitation("fd00:99::1:0:2")) is None  # in our group, since its last bytes are ours
    assert found(solicitation(GLOBAL), HERE._replace(Global=b"")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        solicitation(hops=254),
        solicitation(code=1),
        solicitation(cksum=0x1234),
        solicitation(source="::"),  # with an option, which nobody without an address has
        solicitation(source="::", option=False, to=GLOBAL),
        solicitation("ff02::1:ff00:2", to=GLOBAL),
        solicitation(option=False) / ICMPv6NDOptSrcLLAddr(lladdr="33:33:00:00:00:01"),
        solicitation(option=False) / ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC, len=0),
        solicitation(option=False) / ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC, len=9),
        solicitation(option=False) / ICMPv6NDOptUnknown(type=77, len=2, data=b"\0" * 6),
        solicitation(option=False) / Raw(b"\1"),
        solicitation(source="ff02::1"),
        solicitation(source="::ffff:10.77.0.1"),
        solicitation(source=GLOBAL),
        advertisement(R=1, cksum=0x1234),
        advertisement(GLOBAL),
        advertisement(to="ff02::1", S=1),
        advertisement("ff02::1"),
        advertisement("::ffff:10.77.0.1"),
        advertisement() / Raw(b"\2"),
    ],
    ids=lambda packet: packet.command(),
)
def test_neighbours_that_break_a_rule_are_refused(wrong: Any) -> None:
    assert found(wrong) == REFUSED


def test_an_advertisement_to_us_is_learned_and_one_to_all_is_not() -> None:
    made = found(advertisement(S=1))
    assert made == ANSWER(Peer=IPv6Address(PEER6).packed, Learned=bytes.fromhex(PEER_MAC.replace(":", "")))
    assert found(advertisement(to="ff02::1", S=0)) is None
    assert found(ether() / IPv6(src=PEER6, dst=GLOBAL, hlim=255) / ICMPv6ND_NA(tgt=PEER6)) is None


def test_who_has_is_answered_and_who_says_that_he_has_ours_is_refused() -> None:
    asked = ARP(op=1, hwsrc=PEER_MAC, psrc=PEER4, pdst=OWN4)
    answer = answer_to(ether(dst="ff:ff:ff:ff:ff:ff") / asked, "ArpAnswered")
    assert (answer[ARP].hwsrc, answer[ARP].psrc, answer[ARP].hwdst, answer[ARP].pdst) == (
        OWN_MAC,
        OWN4,
        PEER_MAC,
        PEER4,
    )
    assert found(ether() / ARP(op=1, hwsrc=PEER_MAC, psrc=OWN4, pdst=OWN4)) == REFUSED
    assert found(ether() / ARP(op=1, hwsrc="01:00:5e:00:00:01", psrc=PEER4, pdst=OWN4)) == REFUSED
    reply = found(ether() / ARP(op=2, hwsrc=PEER_MAC, psrc=PEER4, pdst=OWN4))
    assert reply is not None
    assert (reply.Frame, reply.Peer) == (None, IPV4_MAPPED + IPv4Address(PEER4).packed)


# -- echoes ------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=1452), st.sampled_from([LOCAL, GLOBAL]), st.integers(0, 255), st.integers(0, 0xFFFFF))
def test_icmpv6_echo_of_any_body(body: bytes, target: str, service: int, flow: int) -> None:
    request = ip6(dst=target, tc=service, fl=flow, hlim=3) / ICMPv6EchoRequest(id=7, seq=9, data=body)
    answer = answer_to(request, "EchoAnswered")
    assert (answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim, answer[IPv6].tc) == (target, PEER6, 64, service)
    reply = answer[ICMPv6EchoReply]
    assert (reply.id, reply.seq, bytes(reply.data)) == (7, 9, body)


@pytest.mark.parametrize(("group", "own"), [("ff02::1", LOCAL), (LOCAL_GROUP, LOCAL), (GLOBAL_GROUP, GLOBAL)])
def test_echo_to_a_group_is_answered_from_an_address_of_our_own(group: str, own: str) -> None:
    mac = "33:33:" + IPv6Address(group).packed[-4:].hex(":")
    request = ether(dst=mac) / IPv6(src=PEER_LOCAL, dst=group) / ICMPv6EchoRequest(data=b"who is there?")
    answer = answer_to(request, "EchoAnswered")
    assert (answer.dst, answer[IPv6].src, answer[IPv6].dst) == (PEER_MAC, own, PEER_LOCAL)


@given(st.binary(max_size=1472), st.integers(0, 255))
def test_icmp_echo_of_any_body(body: bytes, service: int) -> None:
    answer = answer_to(ip4(tos=service) / ICMP(id=7, seq=9) / Raw(body), "EchoAnswered")
    assert (answer[IP].src, answer[IP].dst, answer[IP].ttl, answer[IP].tos) == (OWN4, PEER4, 64, service)
    assert bytes(answer[ICMP].payload)[: len(body)] == body


@given(st.binary(max_size=1452), st.integers(1, 0xFFFF).filter(lambda port: port != 7), st.booleans(), st.booleans())
def test_udp_echo_of_any_body(body: bytes, port: int, six: bool, unsummed: bool) -> None:
    udp = UDP(sport=port, dport=7, **({"chksum": 0} if unsummed and not six else {}))
    answer = answer_to((ip6() if six else ip4()) / udp / Raw(body), "UdpAnswered")
    assert (answer[UDP].sport, answer[UDP].dport, answer[UDP].len) == (7, port, 8 + len(body))
    assert answer[UDP].chksum != 0
    assert bytes(answer[UDP])[8 : 8 + len(body)] == body


def test_a_udp_checksum_that_comes_to_zero_is_sent_as_ones() -> None:
    summed = bytes(ip6() / UDP(sport=9, dport=7) / Raw(b"\0\0"))
    rest = int.from_bytes(summed[60:62], "big")
    answer = answer_to(ip6() / UDP(sport=9, dport=7) / Raw(rest.to_bytes(2, "big")), "UdpAnswered")
    assert answer[UDP].chksum == 0xFFFF


def test_a_datagram_shorter_than_its_packet_is_taken_as_long_as_it_says() -> None:
    answer = answer_to(ip4() / UDP(sport=9, dport=7, len=11, chksum=0) / Raw(b"abcdef"), "UdpAnswered")
    assert (answer[UDP].len, bytes(answer[UDP])[8:11]) == (11, b"abc")


@pytest.mark.parametrize(
    "wrong",
    [
        ip4(flags="MF") / ICMP(),
        ip4(frag=1) / ICMP(),
        ip4(chksum=0x1234) / ICMP(),
        ip4(version=6) / ICMP(),
        ip4(ihl=4) / ICMP(),
        ip4(ihl=15) / ICMP(),
        ip4(len=27) / ICMP(),
        ip4(len=1400) / ICMP(),
        ip4() / ICMP(chksum=0x1234),
        ip4(src="224.0.0.1") / ICMP(),
        ip4(src="127.0.0.1") / ICMP(),
        ip4(src="255.255.255.255") / ICMP(),
        ip4(src="0.0.0.0") / ICMP(),
        ip4(src=OWN4) / ICMP(),
        ip4() / UDP(sport=9, dport=7, chksum=0x1234),
        ip4() / UDP(sport=9, dport=7, len=7),
        ip4() / UDP(sport=9, dport=7, len=9),
        ip4() / UDP(sport=7, dport=7),
        ip4() / UDP(sport=0, dport=7),
        ip6() / UDP(sport=9, dport=7, chksum=0),
        ip6() / UDP(sport=9, dport=7, chksum=0x1234),
        ip6() / UDP(sport=7, dport=7),
        ip6(src="::") / UDP(sport=9, dport=7),
        ip6(src="::") / ICMPv6EchoRequest(),
        ip6(src="::1") / ICMPv6EchoRequest(),
        ip6(src=LOCAL) / ICMPv6EchoRequest(),
        ip6(src="ff02::1") / ICMPv6EchoRequest(),
        ip6(version=4) / ICMPv6EchoRequest(),
        ip6(plen=1400) / ICMPv6EchoRequest(),
        ip6(plen=7) / ICMPv6EchoRequest(),
        ip6(plen=0) / ICMPv6EchoRequest(),
        ip6() / ICMPv6EchoRequest(cksum=0x1234),
        ip6() / IPv6ExtHdrFragment() / ICMPv6EchoRequest(),
        ip6() / IPv6ExtHdrFragment(offset=3, m=1) / Raw(b"rest of it"),
        ip6() / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest(),
        ip6() / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(),
        ip6() / IPv6ExtHdrRouting() / ICMPv6EchoRequest(),
        Ether(dst=OWN_MAC, src="03:00:00:00:00:01") / IP(src=PEER4, dst=OWN4) / ICMP(),
        Ether(dst=OWN_MAC, src="33:33:00:00:00:01") / IPv6(src=PEER6, dst=GLOBAL) / ICMPv6EchoRequest(),
    ],
    ids=lambda packet: packet.command(),
)
def test_what_is_not_whole_or_not_right_is_refused(wrong: Any) -> None:
    assert found(wrong) == REFUSED


@pytest.mark.parametrize(
    "other",
    [
        ip4(dst="10.77.0.9") / ICMP(),
        ip4() / TCP(),
        ip4() / UDP(sport=9, dport=53),
        ip4() / ICMP(type=0),
        ip4() / ICMP(type=8, code=1),
        ip6(dst="fd00:77::9") / ICMPv6EchoRequest(),
        ip6() / TCP(),
        ip6() / UDP(sport=9, dport=53),
        ip6(dst="ff02::1") / UDP(sport=9, dport=7),
        ip6() / ICMPv6EchoReply(),
        ether(dst="33:33:00:00:00:16")
        / IPv6(src=PEER_LOCAL, dst="ff02::16")
        / IPv6ExtHdrHopByHop()
        / ICMPv6MLReport2(),
        ether(dst="02:00:00:00:00:77") / IP(src=PEER4, dst=OWN4) / ICMP(),
        ether(dst="ff:ff:ff:ff:ff:ff") / IP(src=PEER4, dst=OWN4) / ICMP(),
        ether(type=0x88B5) / Raw(b"nobody's"),
    ],
    ids=lambda packet: packet.command(),
)
def test_what_is_for_others_or_asks_for_nothing_is_silent(other: Any) -> None:
    assert found(other) is None


# -- hostile frames ----------------------------------------------------------------------------------------------------

GOOD = [
    bytes(packet)
    for packet in (
        solicitation(),
        solicitation(LOCAL, source="::", option=False),
        advertisement(S=1),
        ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=PEER_MAC, psrc=PEER4, pdst=OWN4),
        ip4() / ICMP() / Raw(b"odd"),
        ip4() / UDP(sport=9, dport=7) / Raw(b"datagram"),
        ip6() / ICMPv6EchoRequest(data=b"odd"),
        ip6() / UDP(sport=9, dport=7) / Raw(b"odd"),
    )
]


def harmless(frame: bytes) -> ANSWER | None:
    """No exception, a counter that there is, and an answer that is no larger than a frame."""
    made = RespParse(memoryview(frame), HERE)
    if made is not None:
        assert made.Counter in COUNTERS
        assert len(made.Learned) in (0, 6)
        assert len(made.Peer) in (0, 16)
        assert made.Frame is None or len(made.Frame) <= max(len(frame), 86)
    return made


@given(st.sampled_from(GOOD), st.data())
def test_every_mutation_is_harmless(good: bytes, data: st.DataObject) -> None:
    frame = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place] = data.draw(st.integers(0, 255))
    harmless(bytes(frame[: data.draw(st.integers(0, len(frame)))]) if data.draw(st.booleans()) else bytes(frame))


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x00", b"\x08\x06", b"\x86\xdd"]))
def test_noise_is_harmless(noise: bytes, kind: bytes) -> None:
    harmless(HARDWARE + bytes.fromhex(PEER_MAC.replace(":", "")) + kind + noise)


@pytest.mark.parametrize("good", GOOD, ids=range(len(GOOD)))
def test_every_frame_that_is_cut_short_is_refused(good: bytes) -> None:
    for length in range(len(good)):
        made = harmless(good[:length])
        assert made == REFUSED, length


@pytest.mark.parametrize("good", GOOD[4:], ids=range(4, len(GOOD)))
def test_every_single_wrong_bit_of_what_a_checksum_covers_is_seen(good: bytes) -> None:
    start = 14 if good[12:14] == b"\x08\x00" else 54  # the header of IPv6 has no checksum of its own
    for place in range(start * 8, len(good) * 8):
        frame = bytearray(good)
        frame[place // 8] ^= 1 << place % 8
        made = harmless(bytes(frame))
        assert made is None or made.Frame is None, place


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_the_link_local_address_and_the_groups() -> None:
    assert str(IPv6Address(HERE.LinkLocal)) == LOCAL
    groups = RespGroups(HERE)
    assert [groups[place : place + 6].hex(":") for place in range(0, len(groups), 6)] == [
        "33:33:00:00:00:01",
        "33:33:ff:01:00:01",
        "33:33:ff:00:00:02",
    ]
    assert len(RespGroups(HERE._replace(Global=bytes(13) + HARDWARE[3:]))) == 12  # both are in one group
    assert RespInWords(HERE) == f"{OWN4}, {GLOBAL}, {LOCAL}"


@pytest.mark.parametrize(
    ("version", "own", "host", "expected"),
    [
        (4, "", "10.77.0.1/24", "10.77.0.2"),
        (6, "", "10.77.0.1/24", ""),
        (4, "", "fd00:77::1/64", ""),
        (6, "", "10.77.0.1/24, fd00:77::1/64", "fd00:77::2"),
        (4, "192.0.2.7", "10.77.0.1/24", "192.0.2.7"),
        (6, "2001:db8::7", "10.77.0.1/24", "2001:db8::7"),
        (4, "", "255.255.255.255", "0.0.0.0"),
        (6, "", "", ""),
    ],
)
def test_the_addresses_of_the_registry(version: int, own: str, host: str, expected: str) -> None:
    found = RespAddress(version, own, host)
    assert found == ((IPv4Address if version == 4 else IPv6Address)(expected).packed if expected else b"")


@pytest.mark.parametrize(("version", "own", "host"), [(4, "x", ""), (6, "10.0.0.1", ""), (4, "", "10.0.0.256")])
def test_what_is_no_address_is_said(version: int, own: str, host: str) -> None:
    with pytest.raises(ValueError, match=own or host):
        RespAddress(version, own, host)


def test_checksums_of_parts() -> None:
    assert RespChecksum(b"\0\0") == 0xFFFF
    assert RespChecksum(b"\x12\x34", b"\x56") == RespChecksum(b"\x12\x34\x56") == 0xFFFF - (0x1234 + 0x5600)
