"""responder over netvmini: ARP and ICMP echo answered, everything else refused, the table learned and aged."""

from __future__ import annotations

import struct

import pytest
from scapy.layers.inet import ICMP, IP, IPOption_RR
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from emulator.ndis import pnp
from tests.drivers.rig import MAC, PEER, Rig

OWN, OTHER = "10.77.0.2", "10.77.0.1"
MAC_TEXT, PEER_TEXT = MAC.hex(":"), PEER.hex(":")


@pytest.fixture
def rig() -> Rig:
    made = Rig("netvmini", "responder", registry={"Address": f"{OTHER}/24"})
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
    assert "1 ARP and 0 echo requests answered, 0 refused, 1 neighbours learned, 1 aged" in " ".join(rig.logs())


def test_a_flood_is_answered_whole(rig: Rig) -> None:
    assert len(rig.receive(*[ping(number % 1400) for number in range(1500)])) == 1500
    rig.stop()
    assert rig.control(lambda context, _: pnp.unload(context)) == 0


def test_the_registry_gives_another_address() -> None:
    made = Rig("netvmini", "responder", registry={"Address": "10.77.0.1/24", "IpAddress": "192.0.2.7"})
    made.start()
    assert len(made.receive(ping(target="192.0.2.7"))) == 1
    assert made.receive(ping()) == []


def test_without_an_address_it_does_not_bind() -> None:
    made = Rig("netvmini", "responder")
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
