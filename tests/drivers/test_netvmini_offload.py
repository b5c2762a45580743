"""netvmini with offloads: what it says, what it makes of lists to be cut, what it tells of received ones."""

from __future__ import annotations

import importlib.util
import itertools
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.headers import oids, status
from sample_drivers.netvmini_offload import OFFLOAD_BUFFERS, NICChecksum
from tests.drivers.rig import MAC, PEER, ROOT, Rig, frame
from vnic.device.offloads import VNIC_OFFLOAD_HEADERS, VNIC_OFFLOAD_WIRE

if TYPE_CHECKING:
    import types

QUERY, SET = 0, 1
HEADERS = VNIC_OFFLOAD_HEADERS
NEEDS, TCP4, TCP6, UDP_SEGMENTS, ECN = 1, 1, 4, 5, 0x80
HARDWARE = "".join(f"{byte:02x}:" for byte in MAC)[:-1]
STATION = "".join(f"{byte:02x}:" for byte in PEER)[:-1]


def tells_offloads() -> types.ModuleType:
    """The protocol that says what it is told."""
    path = ROOT / "tests/drivers/tells_offloads.py"
    specification = importlib.util.spec_from_file_location("tells_offloads", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["tells_offloads"] = module
    try:
        specification.loader.exec_module(module)
    finally:
        del sys.modules["tells_offloads"]
    return module


class Offloads:
    """A rig with offloads, and frames with out-of-band information."""

    def __init__(
        self,
        supported: int = VNIC_OFFLOAD_WIRE,
        *,
        on: bool = True,
        checked: bool = True,
        split: str = "off",
        throttle: int = 0,
        registry: dict[str, int] | None = None,
    ) -> None:
        self.rig = Rig(
            "netvmini",
            tells_offloads,
            offloads=supported,
            checked=checked,
            split_frames=split,
            receive_throttle=throttle,
            registry=registry,
        )
        self.rig.start()
        self._pools: tuple[Any, Any] | None = None
        if on:
            assert self.encapsulate() == 0

    def pools(self) -> tuple[Any, Any]:
        """Where the lists and NET_BUFFERs of all sends are from."""
        if self._pools is None:
            header, tag = surface.NDIS_OBJECT_HEADER, 0x74736554
            lists = surface.NET_BUFFER_LIST_POOL_PARAMETERS(Header=header(0x80, 1, 16), PoolTag=tag)
            buffers = surface.NET_BUFFER_POOL_PARAMETERS(Header=header(0x80, 1, 12), PoolTag=tag)
            self._pools = (
                surface.NdisAllocateNetBufferListPool(None, lists),
                surface.NdisAllocateNetBufferPool(None, buffers),
            )
        return self._pools

    def encapsulate(self, kind: int = 2, enabled: int = 1) -> int:
        header = surface.NDIS_OBJECT_HEADER(surface.NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION, 1, 28)
        given = surface.NDIS_OFFLOAD_ENCAPSULATION(Header=header)
        for part in (given.IPv4, given.IPv6):
            part.Enabled, part.EncapsulationType, part.HeaderSize = enabled, kind, 14
        return self.rig.oid(SET, oids.OID_OFFLOAD_ENCAPSULATION, given.to_bytes())[0]

    def switch(self, **members: int) -> int:
        segments = {name: members.pop(name) for name in ("UsoIPv4", "UsoIPv6") if name in members}
        header = surface.NDIS_OBJECT_HEADER(surface.NDIS_OBJECT_TYPE_DEFAULT, 5, 34)
        given = surface.NDIS_OFFLOAD_PARAMETERS(Header=header, **members)
        for name, value in segments.items():
            setattr(given.UdpSegmentation, name.removeprefix("Uso"), value)
        return self.rig.oid(SET, oids.OID_TCP_OFFLOAD_PARAMETERS, given.to_bytes())[0]

    def config(self, oid: int = oids.OID_TCP_OFFLOAD_CURRENT_CONFIG) -> Any:
        answer = self.rig.oid(QUERY, oid, bytes(216))
        assert answer[0] == 0
        return surface.NDIS_OFFLOAD.from_bytes(answer[1])

    def told(self, word: str) -> list[str]:
        """What the protocol said that begins with a word."""
        return [text for text in self.rig.logs("tells_offloads") if text.startswith(word)]

    def send(self, *frames: bytes, info: dict[int, int], cuts: tuple[int, ...] = ()) -> list[str]:
        """Send one list of these frames, each in MDLs that are cut there; what was said of its completion."""
        rig = self.rig
        binding = rig.fake.machine.objects[HandleKind.BINDING].find(rig.binding(), HandleKind.BINDING)
        before = len(self.told("sent"))
        with rig.fake.running(rig.pnp, driver=binding.head.driver):
            pool, buffers = self.pools()
            nbl: Any = surface.NdisAllocateNetBufferList(pool, 0, 0)
            made: list[Any] = []
            last: Any = None
            for data in frames:
                memory: Any = surface.NdisAllocateMemoryWithTagPriority(None, len(data) + 1, b"Test", 0)
                memory[0 : len(data)] = data
                chain: Any = None
                places = [0, *cuts, len(data)]
                for start, end in reversed(list(itertools.pairwise(places))):
                    mdl: Any = surface.NdisAllocateMdl(None, memory + start, end - start)
                    mdl.Next, chain = chain, mdl
                    made.append(mdl)
                buffer: Any = surface.NdisAllocateNetBuffer(buffers, chain, 0, len(data))
                if last is None:
                    nbl.FirstNetBuffer = buffer
                else:
                    last.Next = buffer
                last = buffer
                made += [memory, buffer]
            nbl.SourceHandle = rig.binding()
            for slot, value in info.items():
                nbl.NetBufferListInfo[slot] = value
            surface.NdisSendNetBufferLists(surface.BindingHandle(rig.binding()), nbl, 0, 0)
        rig.settle()
        return self.told("sent")[before:]


def lso(size: int, at: int, second: int = 1, version6: int = 0) -> dict[int, int]:
    info = surface.NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO()
    info.LsoV2Transmit.MSS, info.LsoV2Transmit.TcpHeaderOffset = size, at
    info.LsoV2Transmit.Type, info.LsoV2Transmit.IPVersion = second, version6
    return {surface.TcpLargeSendNetBufferListInfo: info.Value}


def sums(at: int, **members: int) -> dict[int, int]:
    info = surface.NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO()
    info.Transmit.TcpHeaderOffset = at
    for name, value in members.items():
        setattr(info.Transmit, name, value)
    return {surface.TcpIpChecksumNetBufferListInfo: info.Value}


def uso(size: int, at: int, version6: int = 0) -> dict[int, int]:
    info = surface.NDIS_UDP_SEGMENTATION_OFFLOAD_NET_BUFFER_LIST_INFO()
    info.Transmit.MSS, info.Transmit.UdpHeaderOffset, info.Transmit.IPVersion = size, at, version6
    return {surface.UdpSegmentationOffloadInfo: info.Value}


def fold(data: bytes) -> int:
    return int.from_bytes(data, "big") % 0xFFFF


def as_ndis_sends(packet: Any, *, lengths: bool = False) -> bytes:
    """A frame whose checksums are what NDIS puts there: the pseudo-header's sum, and nothing in the IP header."""
    data = bytearray(bytes(packet))
    version6 = IPv6 in packet
    network = 18 if Dot1Q in packet else 14
    at = network + (40 if version6 else 20)
    protocol = 17 if UDP in packet else 6
    addresses = data[network + 8 : network + 40] if version6 else data[network + 12 : network + 20]
    total = int.from_bytes(addresses, "big") + protocol + (len(data) - at if lengths else 0)
    field = at + (6 if protocol == 17 else 16)
    data[field : field + 2] = (total % 0xFFFF).to_bytes(2, "big")
    if version6:
        data[network + 4 : network + 6] = data[network + 4 : network + 6] if lengths else b"\0\0"
    else:
        data[network + 10 : network + 12] = b"\0\0"
        if not lengths:
            data[network + 2 : network + 4] = b"\0\0"
    return bytes(data)


def tcp4(payload: int, flags: str = "PA", **options: Any) -> Any:
    data = (bytes(range(250)) * (payload // 250 + 1))[:payload]
    segment = TCP(sport=1, dport=2, seq=1000, flags=flags, **options) / data
    return Ether(src=HARDWARE, dst=STATION) / IP(src="10.0.0.1", dst="10.0.0.2", id=7) / segment


def tcp6(payload: int) -> Any:
    return Ether(src=HARDWARE, dst=STATION) / IPv6(src="fd00::1", dst="fd00::2") / TCP(
        sport=1, dport=2, seq=1000, flags="A") / bytes(payload)  # fmt: skip


def as_the_kernel_wants(packet: Any) -> bytes:
    """A frame that is to be cut, or whose checksum is to be completed: all is right but that sum, which is partial."""
    data = bytearray(bytes(packet))
    partial = as_ndis_sends(packet, lengths=True)
    network = 18 if Dot1Q in packet else 14
    at = network + (40 if IPv6 in packet else 20)
    field = at + (6 if UDP in packet else 16)
    data[field : field + 2] = partial[field : field + 2]
    return bytes(data)


@given(data=st.binary(max_size=300))
@example(data=bytes.fromhex("0001f203f4f5f6f7"))
@example(data=b"\xff\xff" * 4)
@example(data=bytes(20))
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data.ljust((len(data) + 1) // 2 * 2, b"\0")))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert NICChecksum(data) == 0xFFFF - total
    if data == bytes.fromhex("0001f203f4f5f6f7"):
        assert NICChecksum(data) == 0x220D


# -- what is on -------------------------------------------------------------------------------------------------------


def test_an_adapter_without_offloads_says_nothing_of_them() -> None:
    offloads = Offloads(0, on=False)
    answer = offloads.rig.oid(QUERY, oids.OID_TCP_OFFLOAD_CURRENT_CONFIG, bytes(216))
    assert answer[0] == status.NDIS_STATUS_NOT_SUPPORTED
    assert offloads.encapsulate() == status.NDIS_STATUS_NOT_SUPPORTED
    assert offloads.switch(LsoV1=1) == status.NDIS_STATUS_NOT_SUPPORTED
    assert offloads.rig.nic.offloads == 0
    offloads.rig.stop()


def test_offloads_begin_with_the_encapsulation_and_are_told() -> None:
    offloads = Offloads(on=False)
    assert offloads.rig.nic.offloads == HEADERS
    for oid in (oids.OID_TCP_OFFLOAD_CURRENT_CONFIG, oids.OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES):
        found = offloads.config(oid)
        assert (found.Header.Type, found.Header.Revision, found.Header.Size) == (0xA7, 6, 216)
        assert found.Checksum.IPv4Transmit.IpChecksum == found.Checksum.IPv6Receive.UdpChecksum == 1
        assert found.LsoV1.IPv4.MinSegmentCount == 2
        assert found.LsoV2.IPv6.MaxOffLoadSize > 0xFF00
        assert found.UdpSegmentation.IPv4.SubMssFinalSegmentSupported == 1
    assert offloads.encapsulate(kind=1) == status.NDIS_STATUS_INVALID_PARAMETER
    assert offloads.encapsulate() == 0
    assert offloads.rig.nic.offloads == HEADERS | 0x07
    assert offloads.told("offloads") == [f"offloads 1 {0xFFFF - 120} 1"]
    assert offloads.rig.oid(QUERY, oids.OID_OFFLOAD_ENCAPSULATION, bytes(28))[:2][0] == 0
    assert offloads.encapsulate(enabled=2) == 0
    assert offloads.rig.nic.offloads == HEADERS
    offloads.rig.stop()


def test_each_is_switched_by_itself() -> None:
    offloads = Offloads()
    assert offloads.switch(RscIPv4=1, LsoV2IPv4=1) == 0
    assert offloads.rig.nic.offloads == HEADERS | 0x05
    assert offloads.told("offloads")[-1] == "offloads 1 0 0"
    found = offloads.config()
    assert (found.LsoV2.IPv4.Encapsulation, found.LsoV2.IPv6.Encapsulation) == (0, 2)
    assert offloads.switch(RscIPv6=1, TCPIPv4Checksum=2, UDPIPv4Checksum=1, TCPIPv6Checksum=2, UDPIPv6Checksum=2) == 0
    assert offloads.rig.nic.offloads == HEADERS
    found = offloads.config().Checksum
    assert (found.IPv4Transmit.TcpChecksum, found.IPv4Receive.TcpChecksum) == (1, 0)
    assert (found.IPv4Transmit.UdpChecksum, found.IPv4Receive.UdpChecksum) == (0, 0)
    assert offloads.switch(UDPIPv4Checksum=3, UsoIPv4=1) == 0
    assert offloads.config().Checksum.IPv4Receive.UdpChecksum == 1
    assert offloads.config().UdpSegmentation.IPv4.Encapsulation == 0
    told = len(offloads.told("offloads"))
    assert offloads.switch(LsoV1=3) == status.NDIS_STATUS_INVALID_DATA
    assert offloads.switch(TCPIPv4Checksum=5) == status.NDIS_STATUS_INVALID_DATA
    assert offloads.switch(IPsecV2=2) == status.NDIS_STATUS_NOT_SUPPORTED
    for oid, size, wrong in (
        (oids.OID_TCP_OFFLOAD_PARAMETERS, 20, status.NDIS_STATUS_INVALID_DATA),
        (oids.OID_OFFLOAD_ENCAPSULATION, 28, status.NDIS_STATUS_INVALID_PARAMETER),
    ):
        assert offloads.rig.oid(SET, oid, bytes(size))[0] == wrong
        assert offloads.rig.oid(SET, oid, bytes(size - 1))[0] == status.NDIS_STATUS_INVALID_LENGTH
    assert len(offloads.told("offloads")) == told
    offloads.rig.stop()


def test_a_kernel_without_segments_of_udp_offers_none() -> None:
    offloads = Offloads(0x0F)
    assert offloads.config().UdpSegmentation.IPv4.Encapsulation == 0
    assert offloads.switch(UsoIPv4=2) == status.NDIS_STATUS_NOT_SUPPORTED
    offloads.rig.stop()


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "info", "header"),
    [
        (tcp4(9000), lso(1460, 34), (NEEDS, TCP4, 54, 1460, 34, 16)),
        (tcp4(9000, "PAC", options=[("Timestamp", (1, 2))]), lso(1448, 34), (NEEDS, TCP4 | ECN, 66, 1448, 34, 16)),
        (tcp6(9001), lso(1440, 54, version6=1), (NEEDS, TCP6, 74, 1440, 54, 16)),
        (tcp4(3000), lso(1460, 34, second=0), (NEEDS, TCP4, 54, 1460, 34, 16)),
        (
            Ether(src=HARDWARE, dst=STATION) / Dot1Q(vlan=5) / tcp4(5000)[IP],
            lso(1400, 38),
            (NEEDS, TCP4, 58, 1400, 38, 16),
        ),
        (
            Ether(src=HARDWARE, dst=STATION) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / bytes(3500),
            uso(1000, 34),
            (NEEDS, UDP_SEGMENTS, 42, 1000, 34, 6),
        ),
        (
            Ether(src=HARDWARE, dst=STATION) / IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=1, dport=2) / bytes(3500),
            uso(1000, 54, 1),
            (NEEDS, UDP_SEGMENTS, 62, 1000, 54, 6),
        ),
    ],
)
def test_a_frame_to_be_cut_leaves_with_its_lengths_and_sums_in_place(
    packet: Any, info: dict[int, int], header: tuple[int, ...]
) -> None:
    offloads = Offloads()
    first = surface.TcpLargeSendNetBufferListInfo in info and not info[surface.TcpLargeSendNetBufferListInfo] >> 30 & 1
    given = as_ndis_sends(packet)
    if first:  # the first version has the length in the IP header
        given = given[:16] + bytes(packet)[16:18] + given[18:]
    expected = len(bytes(packet)) - header[2] if first else (1 << 30 if 2 in info else 0)
    for cuts in ((), (200,), (header[2], 1000, 1001)):
        (completed,) = offloads.send(given, info=info, cuts=cuts)
        nic = offloads.rig.nic
        assert struct.unpack("<BBHHHH", nic.words[-1]) == header
        assert nic.sent[-1] == as_the_kernel_wants(packet)
        assert completed == f"sent 0x0 {expected:#x}"
    counters = offloads.rig.queue_of().Out
    payload = len(bytes(packet)) - header[2]
    segments = -(-payload // header[3])
    assert (counters.Frames, counters.Octets) == (3 * segments, 3 * (payload + segments * header[2]))
    offloads.rig.stop()


@pytest.mark.parametrize(
    ("packet", "info", "header", "cuts"),
    [
        (tcp4(100), sums(34, IsIPv4=1, TcpChecksum=1, IpHeaderChecksum=1), (NEEDS, 0, 0, 0, 34, 16), (60,)),
        (tcp6(3), sums(54, IsIPv6=1, TcpChecksum=1), (NEEDS, 0, 0, 0, 54, 16), ()),
    ],
)
def test_checksums_are_computed_where_they_are_asked_for(
    packet: Any, info: dict[int, int], header: tuple[int, ...], cuts: tuple[int, ...]
) -> None:
    offloads = Offloads()
    assert len(offloads.send(as_ndis_sends(packet, lengths=True), info=info, cuts=cuts)) == 1
    assert offloads.rig.nic.sent == [as_the_kernel_wants(packet)]
    assert struct.unpack("<BBHHHH", offloads.rig.nic.words[-1]) == header
    offloads.rig.stop()


def test_an_ip_checksum_alone_needs_nothing_of_the_wire_and_short_frames_are_padded() -> None:
    offloads = Offloads()
    packet = Ether(src=HARDWARE, dst=STATION) / IP(src="10.0.0.1", dst="10.0.0.2", proto=99) / b"x"
    data = bytearray(bytes(packet))
    data[24:26] = b"\0\0"
    offloads.send(bytes(data), info=sums(0, IsIPv4=1, IpHeaderChecksum=1))
    assert offloads.rig.nic.sent == [bytes(packet).ljust(60, b"\0")]
    assert offloads.rig.nic.words == [b""]
    offloads.rig.stop()


LARGE = as_ndis_sends(tcp4(9000))
UNSUMMED = bytes(Ether() / IP() / UDP(chksum=0) / bytes(129))


IMPOSSIBLE: tuple[tuple[tuple[bytes, ...], dict[int, int], tuple[int, ...]], ...] = (
    ((LARGE, LARGE), lso(1460, 34), ()),  # two NET_BUFFERs
    ((LARGE,), lso(1460, 34), (50,)),  # headers in two MDLs
    ((LARGE,), lso(0, 34), ()),
    ((LARGE,), lso(1460, 38), ()),
    ((LARGE,), lso(1460, 34, version6=1), ()),
    ((LARGE[:54],), lso(1460, 34), ()),  # no payload
    ((LARGE + bytes(57_000),), lso(1460, 34), ()),
    ((LARGE,), {}, ()),  # too long for a frame, and not to be cut
    ((LARGE,), uso(0, 34), ()),
    ((LARGE,), uso(1000, 34), ()),  # TCP
    ((UNSUMMED,), uso(1, 34), ()),  # more datagrams than are cut here
    ((frame(size=3000),), lso(1460, 54, version6=1), ()),  # no IP
    ((LARGE[:1000],), sums(34, IsIPv4=1, TcpChecksum=1, UdpChecksum=1), ()),
    ((LARGE[:1000],), sums(34, IsIPv4=1, IsIPv6=1, TcpChecksum=1), ()),
    ((LARGE[:1000],), sums(990, IsIPv4=1, TcpChecksum=1), ()),
)


def test_what_cannot_be_done_fails() -> None:
    offloads = Offloads(checked=False)  # the checked build stops some of it before
    for frames, info, cuts in IMPOSSIBLE:
        (completed,) = offloads.send(*frames, info=info, cuts=cuts)
        assert completed.startswith("sent 0xc0000001 "), (info, cuts)
    assert offloads.rig.nic.sent == []
    offloads.rig.stop()


def datagrams(packet: Any, size: int) -> list[bytes]:
    """What becomes of a UDP frame without a checksum that is cut every so many bytes, as on the wire."""
    payload, found = bytes(packet[UDP].payload), []
    for number, start in enumerate(range(0, len(payload), size)):
        one = packet.copy()
        one[UDP].remove_payload()
        one = one / payload[start : start + size]
        if IP in one:
            one[IP].id = packet[IP].id + number & 0xFFFF
            one[UDP].chksum = 0
            found.append(bytes(one).ljust(60, b"\0"))
        else:
            data = bytearray(bytes(one).ljust(60, b"\0"))
            data[60:62] = b"\0\0"
            found.append(bytes(data))
    return found


@pytest.mark.parametrize("version6", [0, 1])
@pytest.mark.parametrize(("payload", "size"), [(3500, 1000), (3001, 1000), (128, 1)])
def test_datagrams_without_checksums_are_cut_in_software(version6: int, payload: int, size: int) -> None:
    """The wire cuts only what has checksums; the sender who wants none says so by a zero in the UDP header."""
    offloads = Offloads()
    ip = IPv6(src="fd00::1", dst="fd00::2") if version6 else IP(src="10.0.0.1", dst="10.0.0.2", id=0xFFFE)
    data = (bytes(range(251)) * 14)[:payload]
    packet = Ether(src=HARDWARE, dst=STATION) / ip / UDP(sport=1, dport=2) / data
    at = 54 if version6 else 34
    given = bytearray(as_ndis_sends(packet))
    given[at + 4 : at + 8] = bytes(4)
    expected, nic = datagrams(packet, size), offloads.rig.nic
    for cuts in ((), (at + 8,), (200,) if payload > 200 else (at + 8 + 64,)):
        assert offloads.send(bytes(given), info=uso(size, at, version6), cuts=cuts) == ["sent 0x0 0x0"]
        assert nic.sent[-len(expected) :] == expected
        assert set(nic.words) == {b""}
    counters = offloads.rig.queue_of().Out
    assert counters.Frames == 3 * len(expected) == len(nic.sent)
    assert counters.Octets == 3 * (payload + len(expected) * (at + 8))
    offloads.rig.stop()


@pytest.mark.parametrize("split", ["allowed", "anywhere"])
def test_frames_that_are_cut_on_their_way_are_offloaded_all_the_same(split: str) -> None:
    offloads = Offloads(split=split)
    for _ in range(8):
        assert offloads.send(LARGE, info=lso(1460, 34))[0].startswith("sent 0x0 ")
        asked = sums(34, IsIPv4=1, TcpChecksum=1, IpHeaderChecksum=1)
        assert offloads.send(as_ndis_sends(tcp4(100), lengths=True), info=asked)[0].startswith("sent 0x0 ")
        assert offloads.rig.nic.sent[-2:] == [as_the_kernel_wants(tcp4(9000)), as_the_kernel_wants(tcp4(100))]
    large = incoming(tcp4(60000))
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1460, 34, 16)
    for _ in range(30):
        told = arrive(offloads, (header, as_the_kernel_wants(large)), *[(PLAIN, frame())] * 9)
        assert told[0].startswith("received 60054 in ")
        assert len(told) == 10
    assert offloads.rig.nic.vnic.queues[0].free() == OFFLOAD_BUFFERS
    offloads.rig.stop()


def test_what_is_off_fails_and_says_so() -> None:
    offloads = Offloads(on=False)
    asked = lso(1460, 34)
    assert offloads.send(LARGE, info=asked)[0].startswith("sent 0xc0000001 ")
    offloads.encapsulate()
    assert not offloads.send(LARGE, info=asked)[0].startswith("sent 0xc0000001 ")
    offloads.switch(LsoV2IPv4=1)
    assert offloads.send(LARGE, info=asked)[0].startswith("sent 0xc0000001 ")
    assert offloads.send(LARGE[:1000], info=sums(34, IsIPv4=1, TcpChecksum=1))[0].startswith("sent 0x0 ")
    offloads.switch(TCPIPv4Checksum=3)
    assert offloads.send(LARGE[:1000], info=sums(34, IsIPv4=1, TcpChecksum=1))[0].startswith("sent 0xc0000001 ")
    offloads.rig.stop()


# -- what is received -------------------------------------------------------------------------------------------------


def arrive(offloads: Offloads, *frames: tuple[bytes, bytes]) -> list[str]:
    before = len(offloads.told("received"))
    offloads.rig.nic.headers += [header for header, _ in frames]
    offloads.rig.nic.waiting += [data for _, data in frames]
    offloads.rig.settle()
    return offloads.told("received")[before:]


def incoming(packet: Any) -> Any:
    packet = packet.copy()
    packet[Ether].dst, packet[Ether].src = HARDWARE, STATION
    return packet


PLAIN = bytes(10)


@pytest.mark.parametrize(("payload", "pieces"), [(60000, 1), (65440, 2)])
def test_a_super_frame_is_one_list_and_says_of_how_many_segments_it_is(payload: int, pieces: int) -> None:
    offloads = Offloads()
    large = incoming(tcp4(payload))
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1460, 34, 16)
    told = arrive(offloads, (header, as_the_kernel_wants(large)), (PLAIN, frame()))
    assert told[0].startswith(f"received {payload + 54} in {pieces}: 0xa8 {-(-payload // 1460)} ")
    assert told[1].startswith("received 60 in 1: 0x0 0 ")
    for _ in range(20):  # all buffers, several times over, and nothing of the last frame sticks to its list
        told = arrive(offloads, (header, as_the_kernel_wants(large)), *[(PLAIN, frame())] * 9)
        assert len(told) == 10
        assert all(" in 1: 0x0 0 " in text for text in told[1:])
    assert offloads.rig.outstanding() == 0
    assert offloads.rig.nic.vnic.queues[0].free() == OFFLOAD_BUFFERS
    offloads.rig.stop()


@pytest.mark.parametrize("packet", [tcp4(700), tcp4(1), tcp6(33)])
def test_a_sum_that_is_not_complete_is_completed(packet: Any) -> None:
    offloads = Offloads()
    packet = incoming(packet)
    at = 54 if IPv6 in packet else 34
    header = struct.pack("<BBHHHH", NEEDS, 0, 0, 0, at, 16)
    (told,) = arrive(offloads, (header, as_the_kernel_wants(packet)))
    assert told.endswith(bytes(packet)[:100].hex())
    assert f": {0x08 if IPv6 in packet else 0x28:#x} 0 " in told
    offloads.switch(TCPIPv4Checksum=2, TCPIPv6Checksum=2, IPv4Checksum=2)
    (told,) = arrive(offloads, (header, as_the_kernel_wants(packet)))
    assert told.endswith(bytes(packet)[:100].hex())
    assert ": 0x0 0 " in told
    offloads.rig.stop()


@pytest.mark.parametrize(
    ("packet", "good"),
    [
        (tcp4(700), 0x08),
        (tcp6(33), 0x08),
        (Ether() / IP() / UDP() / bytes(33), 0x10),
        (Ether() / Dot1Q(vlan=5) / IP() / UDP() / bytes(33), 0x10),
        (Ether() / IPv6() / UDP() / bytes(33), 0x10),
        (Ether() / IP(proto=99) / bytes(33), 0),
        (Ether() / IP(frag=8, proto=17) / bytes(33), 0),
        (Ether() / bytes(46), 0),
    ],
)
def test_a_sum_that_other_hardware_has_checked_has_succeeded(packet: Any, good: int) -> None:
    offloads = Offloads()
    packet = incoming(packet)
    header = struct.pack("<BBHHHH", 2, 0, 0, 0, 0, 0)
    (told,) = arrive(offloads, (header, bytes(packet)))
    assert f": {good:#x} 0 " in told
    assert told.endswith(bytes(packet)[:100].hex())
    offloads.switch(TCPIPv4Checksum=2, TCPIPv6Checksum=2, UDPIPv4Checksum=2, UDPIPv6Checksum=2)
    (told,) = arrive(offloads, (header, bytes(packet)))
    assert ": 0x0 0 " in told
    offloads.rig.stop()


def test_a_super_frame_of_ipv6_has_all_sums_checked() -> None:
    offloads = Offloads()
    header = struct.pack("<BBHHHH", NEEDS, TCP6, 74, 1440, 54, 16)
    (told,) = arrive(offloads, (header, as_the_kernel_wants(incoming(tcp6(9001)))))
    assert told.startswith("received 9075 in 1: 0xa8 7 ")
    offloads.rig.stop()


def test_segments_that_fit_one_frame_have_a_whole_checksum() -> None:
    offloads = Offloads()
    packet = incoming(tcp4(1000))
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 400, 34, 16)
    (told,) = arrive(offloads, (header, as_the_kernel_wants(packet)))
    assert told.endswith(bytes(packet)[:100].hex())
    assert told.startswith("received 1054 in 1: 0x28 3 ")
    offloads.rig.stop()


def test_a_frame_beyond_the_budget_is_taken_whole() -> None:
    offloads = Offloads(throttle=4)
    large = as_the_kernel_wants(incoming(tcp4(65440)))
    header = struct.pack("<BBHHHH", NEEDS, TCP4, 54, 1460, 34, 16)
    told = arrive(offloads, *[(PLAIN, frame())] * 3, (header, large), (PLAIN, frame()))
    assert [text.split()[1] for text in told] == ["60"] * 3 + ["65494", "60"]
    offloads.rig.stop()


def test_as_many_frames_as_there_are_buffers_are_not_lent() -> None:
    offloads = Offloads()
    told = arrive(offloads, *[(PLAIN, frame())] * (2 * OFFLOAD_BUFFERS))
    assert len(told) == 2 * OFFLOAD_BUFFERS
    assert offloads.told("lent") == []
    assert offloads.rig.nic.vnic.queues[0].free() == OFFLOAD_BUFFERS
    offloads.rig.stop()


def test_what_says_nothing_of_itself_goes_as_it_is_between_frames_that_do() -> None:
    offloads = Offloads()
    plain = bytes(tcp4(100))
    for _ in range(3):
        assert offloads.send(LARGE, info=lso(1460, 34))[0].startswith("sent 0x0 ")
        assert offloads.send(plain, info={})[0].startswith("sent 0x0 ")
        assert offloads.rig.nic.sent[-2:] == [as_the_kernel_wants(tcp4(9000)), plain]
        assert offloads.rig.nic.words[-1] == b""
    offloads.rig.stop()
