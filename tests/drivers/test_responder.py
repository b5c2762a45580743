"""responder over netvmini: neighbours and echoes of both families answered, the rest refused, the table aged."""

from __future__ import annotations

import struct

import pytest
from scapy.layers.inet import ICMP, IP, UDP, IPOption_RR
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from emulator.ndis.plug_and_play import pnp
from tests.drivers.rig import MAC, PEER, Rig

OWN, OTHER = "10.77.0.2", "10.77.0.1"
OWN6, OTHER6, LOCAL6 = "fd00:77::2", "fd00:77::1", "fe80::4e:44ff:fe00:1"
MAC_TEXT, PEER_TEXT = MAC.hex(":"), PEER.hex(":")


@pytest.fixture
def rig() -> Rig:
    made = Rig("netvmini", "responder", registry={"Address": f"{OTHER}/24, {OTHER6}/64"})
    made.start()
    return made


def ping(size: int = 56, *, target: str = OWN, **fields: object) -> bytes:
    payload = bytes(number & 0xFF for number in range(size))
    return bytes(
        Ether(dst=MAC_TEXT, src=PEER_TEXT) / IP(src=OTHER, dst=target, **fields) / ICMP(id=7, seq=9) / Raw(payload)
    )


def who_has(target: str = OWN) -> bytes:
    return bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_TEXT) / ARP(op=1, hwsrc=PEER_TEXT, psrc=OTHER, pdst=target))


def test_who_has_is_answered_and_padded(rig: Rig) -> None:
    (sent,) = rig.receive(who_has())
    assert len(sent) == 60
    answer = Ether(sent)
    assert (answer.dst, answer.src) == (PEER_TEXT, MAC_TEXT)
    assert (answer[ARP].op, answer[ARP].hwsrc, answer[ARP].psrc, answer[ARP].hwdst, answer[ARP].pdst) == (
        2,
        MAC_TEXT,
        OWN,
        PEER_TEXT,
        OTHER,
    )


def test_who_has_somebody_else_is_not_answered(rig: Rig) -> None:
    assert rig.receive(who_has("10.77.0.3")) == []


def solicit(target: str = OWN6, *, source: str = OTHER6, group: str = "33:33:ff:00:00:02") -> bytes:
    request = Ether(dst=group, src=PEER_TEXT) / IPv6(src=source, dst="ff02::1:ff00:2", hlim=255)
    return bytes(request / ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=PEER_TEXT))


def ping6(size: int = 56, target: str = OWN6, mac: str = PEER_TEXT) -> bytes:
    body = bytes(number & 0xFF for number in range(size))
    return bytes(
        Ether(dst=MAC_TEXT, src=mac) / IPv6(src=OTHER6, dst=target) / ICMPv6EchoRequest(id=7, seq=9, data=body)
    )


def test_a_solicitation_to_our_group_is_answered_and_one_to_another_group_is_not_heard(rig: Rig) -> None:
    (sent,) = rig.receive(solicit())
    answer = Ether(sent)
    assert (answer.dst, answer[IPv6].src, answer[IPv6].dst) == (PEER_TEXT, OWN6, OTHER6)
    assert (answer[ICMPv6ND_NA].tgt, answer[ICMPv6ND_NA].S) == (OWN6, 1)
    assert rig.receive(solicit(group="33:33:ff:00:00:09")) == []  # the packet says ours, and the frame not
    assert rig.outstanding() == 0


@pytest.mark.parametrize("size", [0, 1, 56, 1451, 1452])
@pytest.mark.parametrize("target", [OWN6, LOCAL6])
def test_echo_over_ipv6_is_answered(rig: Rig, size: int, target: str) -> None:
    request = ping6(size, target)
    (sent,) = rig.receive(request)
    answer = Ether(sent)
    assert (answer[IPv6].src, answer[IPv6].dst) == (target, OTHER6)
    assert (answer[ICMPv6EchoReply].id, answer[ICMPv6EchoReply].seq) == (7, 9)
    assert sent[62 : 62 + size] == request[62:]


@pytest.mark.parametrize("head", [IP(src=OTHER, dst=OWN), IPv6(src=OTHER6, dst=OWN6)], ids=["ipv4", "ipv6"])
def test_udp_echo_is_answered(rig: Rig, head: IP | IPv6) -> None:
    (sent,) = rig.receive(bytes(Ether(dst=MAC_TEXT, src=PEER_TEXT) / head / UDP(sport=999, dport=7) / Raw(b"echo it")))
    answer = Ether(sent)
    assert (answer[UDP].sport, answer[UDP].dport, bytes(answer[UDP])[8:15]) == (7, 999, b"echo it")


def test_a_known_neighbour_is_answered_where_it_was_learned(rig: Rig) -> None:
    rig.receive(solicit(), who_has())
    (sent,) = rig.receive(ping6(mac="02:00:00:00:00:42"))
    assert Ether(sent).dst == PEER_TEXT
    rig.fake.platform.advance(61_000_000_000)
    rig.settle()
    (sent,) = rig.receive(ping6(mac="02:00:00:00:00:42"))
    assert Ether(sent).dst == "02:00:00:00:00:42"
    rig.stop()
    logs = " ".join(rig.logs())
    assert "answered: 1 ARP requests, 1 neighbour solicitations, 2 ICMP and 0 UDP echoes" in logs
    assert "0 refused, 2 neighbours learned, 2 aged" in logs


def test_what_is_refused_is_counted_for_both(rig: Rig) -> None:
    assert rig.receive(ping(flags="MF"), ping6()[:-1], solicit()[:70], b"\0" * 14, who_has()[:30].ljust(60)) == []
    rig.stop()
    assert "3 refused, 0 neighbours learned" in " ".join(rig.logs())


@pytest.mark.parametrize("size", [0, 1, 17, 18, 56, 1471, 1472])
def test_echo_is_answered_with_right_checksums(rig: Rig, size: int) -> None:
    request = ping(size)
    (sent,) = rig.receive(request)
    answer = Ether(sent)
    assert (answer.dst, answer.src, answer[IP].src, answer[IP].dst) == (PEER_TEXT, MAC_TEXT, OWN, OTHER)
    assert (answer[ICMP].type, answer[ICMP].id, answer[ICMP].seq) == (0, 7, 9)
    assert sent[42 : 42 + size] == request[42:]
    again = Ether(sent)
    del again[IP].chksum
    del again[ICMP].chksum
    assert bytes(again) == sent


def test_options_are_understood_and_not_repeated(rig: Rig) -> None:
    (sent,) = rig.receive(ping(20, options=[IPOption_RR(routers=["0.0.0.0"] * 3)]))
    assert Ether(sent)[IP].ihl == 5
    assert bytes(Ether(sent)[Raw].load)[:20] == bytes(range(20))


@pytest.mark.parametrize(
    "wrong",
    [
        ping(flags="MF"),
        ping(frag=1),
        ping(chksum=0x1234),
        ping()[:-1],
        ping()[:40] + b"\xff" + ping()[41:],
        ping(target="10.77.0.9"),
    ],
)
def test_what_is_not_whole_is_refused(rig: Rig, wrong: bytes) -> None:
    assert rig.receive(wrong) == []
    assert rig.outstanding() == 0


def test_neighbours_are_learned_and_aged_by_the_work_item(rig: Rig) -> None:
    rig.receive(who_has())
    queue = rig.fake.machine.queues[1]
    rig.fake.platform.advance(61_000_000_000)
    rig.settle()
    put, taken = queue.counts
    assert put == taken > 0
    rig.stop()
    logs = " ".join(rig.logs())
    assert "answered: 1 ARP requests, 0 neighbour solicitations, 0 ICMP and 0 UDP echoes" in logs
    assert "0 refused, 1 neighbours learned, 1 aged" in logs


def test_a_flood_is_answered_whole(rig: Rig) -> None:
    assert len(rig.receive(*[ping(number % 1400) for number in range(1500)])) == 1500
    rig.stop()
    assert rig.control(lambda context, _: pnp.unload(context)) == 0


def test_the_registry_gives_another_address() -> None:
    made = Rig("netvmini", "responder", registry={"Address": "10.77.0.1/24", "IpAddress": "192.0.2.7"})
    made.start()
    assert len(made.receive(ping(target="192.0.2.7"))) == 1
    assert made.receive(ping()) == []


@pytest.mark.parametrize(
    ("registry", "told"),
    [
        ({"Address": f"{OTHER}/24"}, f"answers for {OWN}, {LOCAL6}"),
        ({"Address": f"{OTHER6}/64"}, f"answers for {OWN6}, {LOCAL6}"),
        ({"Address": f"{OTHER}/24", "Ipv6Address": "2001:db8::7"}, f"answers for {OWN}, 2001:db8::7, {LOCAL6}"),
    ],
)
def test_the_addresses_that_it_answers_for(registry: dict[str, str], told: str) -> None:
    made = Rig("netvmini", "responder", registry=registry)
    made.start()
    assert told in " ".join(made.logs())
    assert len(made.receive(ping6(target=LOCAL6))) == 1
    assert len(made.receive(ping())) == (OWN in told)
    assert len(made.receive(ping6())) == (OWN6 in told)


@pytest.mark.parametrize("registry", [{}, {"Address": "nowhere"}, {"Ipv6Address": "10.77.0.1"}])
def test_without_an_address_it_does_not_bind(registry: dict[str, str]) -> None:
    made = Rig("netvmini", "responder", registry=registry)
    made.start()
    assert made.adapter().bindings == 0
    made.stop()


def test_checksum_of_zeros_and_of_odd_lengths() -> None:
    from tests.drivers.rig import sample_module

    checksum = sample_module("responder").RespChecksum
    assert checksum(memoryview(b"\0\0")) == 0xFFFF
    assert checksum(memoryview(b"\xff\xff")) == 0
    for data in (b"\x01", b"\x01\x02\x03", bytes(range(21))):
        padded = data + b"\0" * (len(data) % 2)
        total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
        assert checksum(memoryview(data)) == 0xFFFF - (total % 0xFFFF)
