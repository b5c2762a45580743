"""Frames in words, and the station at the far end of a cable that pings without the kernel."""

from __future__ import annotations

import os
import select
from ipaddress import IPv4Address

import pytest

from emulator.cli import frames
from emulator.cli.station import Station
from tests.patience import DEADLINE
from vnic.wires.cable import Cable
from vnic.wires.ping import Pinger

OURS, THEIRS = IPv4Address("10.77.0.1"), IPv4Address("10.77.0.2")
MAC = bytes.fromhex("020000000002")


def answer(frame: bytes) -> bytes | None:
    """What a host at THEIRS answers."""
    arp = frames.read_arp(frame)
    if arp is not None and arp[0] and arp[3] == THEIRS:
        return frames.arp_reply(MAC, THEIRS, arp[1], arp[2])
    packet = frames.read_icmp(frame, THEIRS)
    if packet is None:
        return None
    message = bytes([0, 0, 0, 0]) + packet[24:]
    message = message[:2] + (0xFFFF - frames.checksum(message)).to_bytes(2, "big") + message[4:]
    return frames.ethernet(frame[6:12], MAC, frames.IPV4, frames.ipv4(THEIRS, OURS, frames.ICMP, 1, message))


def test_frames_in_words() -> None:
    request = frames.arp_request(MAC, OURS, THEIRS)
    assert len(request) == 60
    assert frames.in_words(request) == "ARP who has 10.77.0.2? tell 10.77.0.1"
    assert frames.in_words(frames.arp_reply(MAC, THEIRS, MAC, OURS)) == "ARP 10.77.0.2 is at 02:00:00:00:00:02"
    echo = frames.ipv4(OURS, THEIRS, frames.ICMP, 7, bytes([8, 0, 0, 0, 0, 1, 0, 9]))
    framed = frames.ethernet(MAC, MAC, frames.IPV4, echo)
    assert frames.in_words(framed) == "10.77.0.1 > 10.77.0.2 ICMP echo request 9, 28 bytes"
    udp = frames.ethernet(MAC, MAC, frames.IPV4, frames.ipv4(OURS, THEIRS, 17, 7, bytes(8)))
    assert frames.in_words(udp) == "10.77.0.1 > 10.77.0.2 UDP, 28 bytes"
    other = frames.ethernet(frames.BROADCAST, MAC, 0x88B5, b"")
    assert frames.in_words(other) == "02:00:00:00:00:02 > ff:ff:ff:ff:ff:ff type 0x88b5, 60 bytes"


@pytest.mark.parametrize("length", [14, 20, 33, 34, 41])
def test_a_frame_that_is_cut_off_is_neither_read_nor_a_failure(length: int) -> None:
    whole = frames.ethernet(MAC, MAC, frames.IPV4, frames.ipv4(OURS, THEIRS, frames.ICMP, 7, bytes(8)))
    assert frames.read_icmp(whole[:length], THEIRS) is None
    assert frames.read_arp(frames.arp_request(MAC, OURS, THEIRS)[:length]) is None
    assert frames.in_words(whole[:length])


def test_a_wrong_header_checksum_is_no_packet() -> None:
    packet = bytearray(frames.ipv4(OURS, THEIRS, frames.ICMP, 7, bytes(8)))
    assert frames.read_icmp(frames.ethernet(MAC, MAC, frames.IPV4, bytes(packet)), THEIRS) is not None
    packet[10] ^= 1
    assert frames.read_icmp(frames.ethernet(MAC, MAC, frames.IPV4, bytes(packet)), THEIRS) is None


@pytest.mark.parametrize("alive", [True, False])
def test_a_station_pings_over_a_cable(alive: bool) -> None:
    near, far = Cable.create()
    near.set_carrier(True)
    seen: list[str] = []
    station = Station(far, OURS, THEIRS, lambda outwards, frame: seen.append(frames.in_words(frame)))
    patience = DEADLINE if alive else 0.05
    with Pinger(str(THEIRS), count=20, sizes=(56, 1400), timeout=patience, through=station) as pinger:
        poll = select.poll()
        poll.register(near.fileno(), select.POLLIN)
        poll.register(pinger.fileno(), select.POLLIN)
        for _ in range(10_000):
            pinger.step()
            if pinger.finished:
                break
            poll.poll(1)
            try:
                reply = answer(near_read(near))
            except BlockingIOError:
                continue
            is_arp = reply is not None and frames.read_arp(reply) is not None
            if reply is not None and (alive or is_arp):
                near_write(near, reply)
        result = pinger.result()
    assert (result.sent, result.received) == (20, 20 if alive else 0)
    assert result.clean is alive
    assert seen[:2] == ["ARP who has 10.77.0.2? tell 10.77.0.1", "ARP 10.77.0.2 is at 02:00:00:00:00:02"]
    near.close()
    far.close()


def test_a_station_whose_cable_has_no_carrier_is_refused() -> None:
    near, far = Cable.create()
    with Pinger(str(THEIRS), count=3, through=Station(far, OURS, THEIRS)) as pinger:
        pinger.step()
        assert pinger.result().refused == 3
    near.close()
    far.close()


def near_read(near: Cable) -> bytes:
    return os.read(near.fileno(), 65536)


def near_write(near: Cable, frame: bytes) -> None:
    os.write(near.fileno(), frame)
