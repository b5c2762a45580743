"""bridge between adapters with offloads: a large TCP frame goes on as one, or is cut where it cannot."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from sample_drivers.bridge_offload import BridgeCut
from tests.drivers.rig import Rig, frame
from tests.drivers.test_bridge import EVERYBODY, LEFT, RIGHT, THIRD
from tests.drivers.test_netvmini_offload import as_the_kernel_wants
from vnic.device.offloads import VNIC_OFFLOAD_WIRE

NEEDS, TCP4, TCP6 = 1, 1, 4


def mac(address: bytes) -> str:
    return address.hex(":")


def packet(payload: int, *, version: int = 4, vlan: bool = False, flags: str = "PA", options: Any = ()) -> Any:
    network = IP(src="10.0.0.1", dst="10.0.0.2", id=0xFFFE) if version == 4 else IPv6(src="fd00::1", dst="fd00::2")
    data = (bytes(range(251)) * (payload // 251 + 1))[:payload]
    link = Ether(src=mac(LEFT), dst=mac(RIGHT)) / (Dot1Q(vlan=7) / network if vlan else network)
    return link / TCP(sport=1, dport=2, seq=0xFFFF_FF00, flags=flags, options=list(options)) / data


def expected(whole: Any, size: int) -> list[bytes]:
    """The segments as scapy builds them."""
    payload = bytes(whole[TCP].payload)
    found = []
    for number, start in enumerate(range(0, len(payload), size)):
        segment = whole.copy()
        last = start + size >= len(payload)
        segment[TCP].remove_payload()
        segment[TCP].seq = (whole[TCP].seq + start) % (1 << 32)
        flags = str(whole[TCP].flags)
        flags = flags if last else flags.replace("P", "").replace("F", "")
        segment[TCP].flags = flags.replace("C", "") if number else flags
        if IP in segment:
            segment[IP].id = (whole[IP].id + number) & 0xFFFF
        found.append(bytes(segment / payload[start : start + size]))
    return found


@settings(max_examples=15, deadline=None)
@given(
    payload=st.integers(100, 2000),
    segments=st.integers(1, 8),
    version=st.sampled_from((4, 6)),
    vlan=st.booleans(),
    flags=st.sampled_from(("A", "PA", "FPA", "PAC", "PAE")),
    options=st.sampled_from(((), (("Timestamp", (1, 2)),))),
)
def test_segments_are_those_that_scapy_builds(
    payload: int, segments: int, version: int, vlan: bool, flags: str, options: Any
) -> None:
    whole = packet(payload, version=version, vlan=vlan, flags=flags, options=options)
    assert BridgeCut(as_the_kernel_wants(whole), segments) == expected(whole, -(-payload // segments))


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=200), segments=st.integers(0, 3))
def test_what_is_no_tcp_frame_has_no_segments_and_does_no_harm(data: bytes, segments: int) -> None:
    assert isinstance(BridgeCut(data, segments), list)
    assert BridgeCut(data[:60], segments) == []
    assert BridgeCut(as_the_kernel_wants(packet(100)), 0) == []


def joined(offloads: list[int], **geometry: Any) -> Rig:
    made = Rig("netvmini", "bridge", adapters=len(offloads), offloads=offloads, **geometry)
    for number in range(len(offloads)):
        made.start(number)
    return made


def cross(rig: Rig, source: int, data: bytes, header: bytes) -> list[list[bytes]]:
    before = [len(nic.sent) for nic in rig.nics]
    rig.nics[source].headers.append(header)
    rig.receive(data, number=source)
    return [nic.sent[start:] for nic, start in zip(rig.nics, before, strict=True)]


@pytest.mark.parametrize(("version", "kind", "at"), [(4, TCP4, 34), (6, TCP6, 54)])
def test_a_large_frame_goes_on_as_one(version: int, kind: int, at: int) -> None:
    rig = joined([VNIC_OFFLOAD_WIRE] * 2)
    whole = packet(60000, version=version)
    header = struct.pack("<BBHHHH", NEEDS, kind, at + 20, 1400, at, 16)
    for _ in range(3):
        assert cross(rig, 0, as_the_kernel_wants(whole), header) == [[], [as_the_kernel_wants(whole)]]
        # Of as many segments as it came in, each as long as the others.
        assert struct.unpack("<BBHHHH", rig.nics[1].words[-1]) == (NEEDS, kind, at + 20, -(-60000 // 43), at, 16)
        plain = frame(RIGHT, LEFT)
        assert cross(rig, 0, plain, bytes(10)) == [[], [plain]]
        assert rig.nics[1].words[-1] == b""
    assert rig.outstanding(0) == rig.outstanding(1) == 0
    for number in range(2):
        rig.stop(number)


def test_a_port_without_offloads_gets_the_segments() -> None:
    rig = joined([VNIC_OFFLOAD_WIRE, 0])
    whole = packet(20000)
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1400, 34, 16)
    found = cross(rig, 0, as_the_kernel_wants(whole), header)
    assert found == [[], expected(whole, -(-20000 // 15))]
    for number in range(2):
        rig.stop(number)


def test_frames_that_are_cut_keep_their_place_among_those_that_go_on_whole() -> None:
    rig = joined([VNIC_OFFLOAD_WIRE, 0])
    whole = packet(5000)
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1400, 34, 16)
    first, second, last = (frame(RIGHT, LEFT, payload=bytes((number,))) for number in range(3))
    rig.nics[0].headers += [bytes(10), header, bytes(10), header, bytes(10)]
    large = as_the_kernel_wants(whole)
    rig.receive(first, large, second, large, last, number=0)
    cut = expected(whole, 1250)
    assert rig.nics[1].sent == [first, *cut, second, *cut, last]


def test_what_goes_to_several_ports_goes_whole_to_those_that_cut_and_in_segments_to_others() -> None:
    rig = joined([VNIC_OFFLOAD_WIRE, VNIC_OFFLOAD_WIRE, 0])
    whole = packet(5000)
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1400, 34, 16)
    found = cross(rig, 0, as_the_kernel_wants(whole), header)
    assert found == [[], [as_the_kernel_wants(whole)], expected(whole, 1250)]
    assert rig.nics[1].words[-1] == struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1250, 34, 16)
    cross(rig, 1, frame(EVERYBODY, RIGHT), bytes(10))
    assert cross(rig, 0, as_the_kernel_wants(whole), header) == [[], [as_the_kernel_wants(whole)], []]
    cross(rig, 2, frame(EVERYBODY, THIRD), bytes(10))
    bindings = rig.fake.machine.objects[HandleKind.BINDING]
    assert len(list(bindings.live())) == 3
    for number in range(3):
        rig.stop(number)


def test_without_memory_for_a_copy_a_large_frame_is_cut() -> None:
    rig = joined([VNIC_OFFLOAD_WIRE] * 3, pool_bytes=2 << 20)
    whole = packet(60000)
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1400, 34, 16)
    assert cross(rig, 0, frame(RIGHT, LEFT), bytes(10))[1:] == [[frame(RIGHT, LEFT)]] * 2  # small copies there are
    with rig.fake.running(rig.pnp):
        while surface.NdisAllocateMemoryWithTagPriority(None, 50000, b"Test", 0) is not None:
            pass
    found = cross(rig, 0, as_the_kernel_wants(whole), header)
    assert found == [[], *[expected(whole, -(-60000 // 43))] * 2]


@pytest.mark.parametrize("split", ["allowed", "anywhere"])
def test_a_large_frame_whose_headers_lie_apart_goes_on_as_one(split: str) -> None:
    rig = joined([VNIC_OFFLOAD_WIRE] * 2, split_frames=split)
    whole = packet(60000)
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1400, 34, 16)
    for _ in range(20):
        assert cross(rig, 0, as_the_kernel_wants(whole), header) == [[], [as_the_kernel_wants(whole)]]
    assert rig.outstanding(0) == rig.outstanding(1) == 0
    for number in range(2):
        rig.stop(number)
