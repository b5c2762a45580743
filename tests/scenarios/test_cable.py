"""Live machines on cables, with no privileges: every size, a flood, several at once, PnP under traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.traffic import (
    ETHERTYPE,
    HELLO,
    LONGEST,
    MINIPORT,
    RESPONDER,
    SHORTEST,
    STATION,
    drain,
    echo,
    frame,
    free_buffers,
    pause_and_restart_under_traffic,
    settled,
)

if TYPE_CHECKING:
    from emulator.testing import Lab


def test_five_lines(lab: Lab) -> None:
    scapy = pytest.importorskip("scapy.all")
    nic = lab.start("sample_drivers.netvmini", protocol="sample_drivers.hello")
    nic.send(scapy.Ether(dst=nic.mac, src="02:00:00:00:00:02") / scapy.IP() / scapy.ICMP())
    assert nic.receive(timeout=1).dst == "02:00:00:00:00:02"


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "free"])
def test_every_size_comes_back_as_it_went(lab: Lab, checked: bool) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, checked=checked)
    before = free_buffers(nic)
    sizes = range(SHORTEST, LONGEST + 1)
    assert echo(nic, (frame(nic, size, size) for size in sizes)) == len(sizes)
    settled(nic, before)


def test_frames_that_are_cut_come_back_as_they_went(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, split_frames="allowed", split_seed=3)
    before = free_buffers(nic)
    sizes = range(SHORTEST, LONGEST + 1, 7)
    assert echo(nic, (frame(nic, size, size) for size in sizes)) == len(sizes)
    settled(nic, before)


def test_a_frame_shorter_than_ethernet_s_shortest_is_padded(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    nic.send(frame(nic, 1, 20))
    answer = nic.receive_bytes()
    assert len(answer) == SHORTEST
    assert answer[:6] == STATION
    assert answer[12:14] == ETHERTYPE
    assert answer[20:] == bytes(SHORTEST - 20)


def test_a_flood_of_ten_thousand_without_loss(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, processors=2)
    before = free_buffers(nic)
    assert echo(nic, (frame(nic, number) for number in range(10_000)), window=128) == 10_000
    settled(nic, before)
    counted = nic.counters
    assert (counted["received"], counted["sent"]) == (10_000, 10_000)
    assert counted["receive_no_buffer"] == counted["receive_errors"] == counted["send_errors"] == 0


def test_frames_for_others_are_not_answered(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    nic.send(bytes.fromhex("02000000ffff") + frame(nic, 1)[6:])
    echo(nic, [frame(nic, 2)])
    assert drain(nic) == 0


def test_scapy_s_arp_and_icmp_are_answered(lab: Lab) -> None:
    scapy = pytest.importorskip("scapy.all")
    nic = lab.start(MINIPORT, protocol=RESPONDER)
    source = {"src": "02:00:00:00:00:02"}
    request = scapy.ARP(op="who-has", hwsrc=source["src"], psrc=nic.address, pdst=nic.peer)
    answer = nic.srp1(scapy.Ether(dst="ff:ff:ff:ff:ff:ff", **source) / request)
    assert (answer[scapy.ARP].op, answer[scapy.ARP].hwsrc, answer[scapy.ARP].psrc) == (2, nic.mac, nic.peer)
    ping = scapy.Ether(dst=nic.mac, **source) / scapy.IP(src=nic.address, dst=nic.peer) / scapy.ICMP(id=7, seq=9)
    answer = nic.srp1(ping / (b"as it came" * 3))
    assert (answer[scapy.ICMP].type, answer[scapy.ICMP].id, answer[scapy.ICMP].seq) == (0, 7, 9)
    assert bytes(answer[scapy.Raw]) == b"as it came" * 3


def test_scapy_s_solicitations_and_echoes_of_ipv6_are_answered(lab: Lab) -> None:
    scapy = pytest.importorskip("scapy.all")
    nic = lab.start(MINIPORT, protocol=RESPONDER, address="10.78.0.1/24,fd00:78::1/64")
    source = {"src": "02:00:00:00:00:02"}
    group = scapy.Ether(dst="33:33:ff:00:00:02", **source) / scapy.IPv6(
        src="fd00:78::1", dst="ff02::1:ff00:2", hlim=255
    )
    asked = group / scapy.ICMPv6ND_NS(tgt="fd00:78::2") / scapy.ICMPv6NDOptSrcLLAddr(lladdr=source["src"])
    answer = nic.srp1(asked)
    assert (answer[scapy.IPv6].src, answer[scapy.ICMPv6NDOptDstLLAddr].lladdr) == ("fd00:78::2", nic.mac)
    head = scapy.Ether(dst=nic.mac, **source) / scapy.IPv6(src="fd00:78::1", dst="fd00:78::2")
    answer = nic.srp1(head / scapy.ICMPv6EchoRequest(id=7, seq=9, data=b"as it came"))
    assert bytes(answer[scapy.ICMPv6EchoReply].data) == b"as it came"
    answer = nic.srp1(head / scapy.UDP(sport=999, dport=7) / b"as it came")
    assert (answer[scapy.UDP].dport, bytes(answer[scapy.UDP].payload)) == (999, b"as it came")
    nic.send(head / scapy.IPv6ExtHdrFragment() / scapy.ICMPv6EchoRequest())
    nic.expect_silence()
    nic.halt()
    lab.log.wait_for("1 refused, 1 neighbours learned, 0 aged")


def test_two_machines_and_two_adapters_in_one_at_once(lab: Lab) -> None:
    nics = [
        *lab.start(MINIPORT, protocol=HELLO, adapters=2, processors=2).machine.nics,
        lab.start(MINIPORT, protocol=HELLO),
    ]
    before = [free_buffers(nic) for nic in nics]
    for batch in range(20):
        sent = [[frame(nic, batch * 10 + n, 100 + place) for n in range(10)] for place, nic in enumerate(nics)]
        for nic, frames in zip(nics, sent, strict=True):
            nic.send(frames)
        for nic, frames in zip(nics, sent, strict=True):
            answers = [nic.receive_bytes() for _ in frames]
            assert [answer[12:] for answer in answers] == [wanted[12:] for wanted in frames]
            assert {answer[6:12].hex(":") for answer in answers} == {nic.mac}
    for nic, buffers in zip(nics, before, strict=True):
        assert nic.counters["received"] == 200
        settled(nic, buffers)


def test_pause_and_restart_under_traffic(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    pause_and_restart_under_traffic(nic)


def test_halt_and_start_again_under_traffic(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    for number in range(200):
        nic.send(frame(nic, number))
    nic.halt()
    drain(nic)
    nic.start()
    assert echo(nic, (frame(nic, n) for n in range(50))) == 50


def test_the_cable_is_pulled_and_plugged_in_again(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    echo(nic, [frame(nic, 1)])
    nic.link(False)
    nic.wait_carrier(False)
    nic.link(True)
    nic.wait_carrier(True)
    echo(nic, [frame(nic, 2)])


def test_a_cable_torn_out_is_a_surprise_removal_and_the_other_adapter_lives(lab: Lab) -> None:
    first, second = lab.start(MINIPORT, protocol=HELLO, adapters=2).machine.nics
    echo(first, [frame(first, 1)])
    first.remove()
    lab.log.wait_for("was taken away")
    echo(second, (frame(second, n) for n in range(20)))
    assert first.machine.running


def test_a_halt_that_waits_for_its_queued_item_ends_with_one_passive_worker(lab: Lab) -> None:
    nic = lab.start(
        "tests.bad_drivers.repaired.work_item_left_queued_at_halt",
        protocol="tests.bad_drivers.base_protocol",
        passive_workers=1,
    )
    nic.halt()
    assert nic.machine.counter("work_items_taken") == 1
    assert nic.machine.counter("passive_workers") == 1


@pytest.mark.soak
def test_a_long_flood_on_four_adapters(lab: Lab) -> None:
    nics = lab.start(MINIPORT, protocol=HELLO, adapters=4, processors=2).machine.nics
    before = [free_buffers(nic) for nic in nics]
    for nic in nics:
        assert echo(nic, (frame(nic, n, 60 + n % 1400) for n in range(100_000)), window=128) == 100_000
    for nic, buffers in zip(nics, before, strict=True):
        settled(nic, buffers)


def test_an_open_that_pends_is_waited_for(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, opens_pend=True)
    assert echo(nic, (frame(nic, n) for n in range(20))) == 20
