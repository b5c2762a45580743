"""What bridge does with frames that adapters have put together: they leave as such, or are cut again.

Law: as in a header file, nothing here keeps state and nothing is called by NDIS.  A frame of many segments that came
in by a port with offloads goes out by such a port as one that its adapter cuts; by any other port it is cut here, and
so it is where there is no memory for a copy that is needed.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *

if TYPE_CHECKING:
    from sample_drivers.bridge import PORT

BRIDGE_MAXIMUM_FRAME: Final = 1518
_ETHERNET: Final = 14
_VLAN: Final = b"\x81\x00"
_TCP: Final = 6
_LONGEST_HEADERS: Final = 200
_FIN_PSH: Final = 0x09
_CWR: Final = 0x80
_NUMBER: Final = Struct(">H")


def BridgeEncapsulation() -> NDIS_OFFLOAD_ENCAPSULATION:
    """Ethernet, for both versions of IP: from here on adapters offload."""
    wanted = NDIS_OFFLOAD_ENCAPSULATION(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION,
            NDIS_OFFLOAD_ENCAPSULATION_REVISION_1,
            NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1,
        )
    )
    for part in (wanted.IPv4, wanted.IPv6):
        part.Enabled, part.EncapsulationType = NDIS_OFFLOAD_SET_ON, NDIS_ENCAPSULATION_IEEE_802_3
        part.HeaderSize = _ETHERNET
    return wanted


def BridgeCuts(Offload: NDIS_OFFLOAD | None) -> int:
    """Does an adapter with this configuration cut TCP frames of both versions of IP?"""
    if Offload is None:
        return 0
    return int(min(Offload.LsoV2.IPv4.MaxOffLoadSize, Offload.LsoV2.IPv6.MaxOffLoadSize) >= 0xFF00)


def BridgeToCopy(
    Target: PORT, Frames: list[Any], Places: list[int], Copied: set[int]
) -> tuple[set[int], dict[int, Any]]:
    """Which of these frames are to be copied: ``Copied``, and large ones that the port cannot take as they are.

    And of the large ones that go on as they are, by place, the headers and what lies where in them.
    """
    copied = set(Copied)
    layouts: dict[int, Any] = {}
    for place in Places:
        received = Frames[place]
        if received.FirstNetBuffer.DataLength > BRIDGE_MAXIMUM_FRAME:
            layout = BridgeLayout(received.FirstNetBuffer, BridgeSegments(received)) if Target.Cuts else None
            if layout is None:
                copied.add(place)
            elif place not in Copied:
                layouts[place] = layout
    return copied, layouts


def BridgeMark(Carrier: Any, Layout: tuple[memoryview, int, int, int]) -> None:
    """A large frame goes on as NDIS gives one to be cut: without lengths in the IP header and in the checksum."""
    header, network, transport, size = Layout
    put = _NUMBER.pack_into
    asked = size | transport << 20 | NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE << 30  # as LsoV2Transmit has them
    if header[network] >> 4 == 4:
        put(header, network + 2, 0)
        addresses = header[network + 12 : network + 20]
    else:
        put(header, network + 4, 0)
        addresses = header[network + 8 : network + 40]
        asked |= NDIS_TCP_LARGE_SEND_OFFLOAD_IPv6 << 31
    put(header, transport + 16, _fold(int.from_bytes(addresses, "big") + _TCP))
    Carrier.NetBufferListInfo[TcpLargeSendNetBufferListInfo] = asked


def BridgeCut(Data: bytes, Segments: int) -> list[bytes]:
    """The frames of a TCP frame of so many segments, each whole by itself; none if it is no TCP frame."""
    found = _layout(Data, Segments, len(Data))
    if found is None:
        return []
    network, transport, size = found
    end = transport + (Data[transport + 12] >> 4) * 4
    sequence, flags = int.from_bytes(Data[transport + 4 : transport + 8], "big"), Data[transport + 13]
    identification = int.from_bytes(Data[network + 4 : network + 6], "big")
    frames: list[bytes] = []
    for number, at in enumerate(range(end, len(Data), size)):
        payload = Data[at : at + size]
        header = bytearray(Data[:end])
        own = flags & ~(_CWR if number else 0)
        if at + size < len(Data):
            own &= ~_FIN_PSH
        header[transport + 13] = own
        header[transport + 4 : transport + 8] = (sequence + at - end & 0xFFFF_FFFF).to_bytes(4, "big")
        length = end - network + len(payload)
        if header[network] >> 4 == 6:
            header[network + 4 : network + 6] = (length - 40).to_bytes(2, "big")
        else:
            header[network + 2 : network + 4] = length.to_bytes(2, "big")
            header[network + 4 : network + 6] = (identification + number & 0xFFFF).to_bytes(2, "big")
            header[network + 10 : network + 12] = b"\0\0"
            total = 0xFFFF - _fold(int.from_bytes(header[network:transport], "big"))
            header[network + 10 : network + 12] = total.to_bytes(2, "big")
        summed = _pseudo(header, network, end - transport + len(payload))
        header[transport + 16 : transport + 18] = summed.to_bytes(2, "big")
        whole = bytes(header[transport:end]) + payload
        total = 0xFFFF - _fold(int.from_bytes(whole, "big") << (len(whole) & 1) * 8)
        header[transport + 16 : transport + 18] = total.to_bytes(2, "big")
        frames.append(bytes(header) + payload)
    return frames


def BridgeLayout(Buffer: Any, Segments: int) -> tuple[memoryview, int, int, int] | None:
    """The headers of a frame of several segments, in place, and what _layout finds; None if they are apart."""
    header = NdisGetDataBuffer(Buffer, _LONGEST_HEADERS, None, 1, 0)
    if header is None:
        return None
    found = _layout(header, Segments, Buffer.DataLength)
    return (header, *found) if found is not None else None


def BridgeSegments(Received: Any) -> int:
    """Of how many segments a received frame is; 0: of none that the adapter has put together."""
    count: int = (Received.NetBufferListInfo[TcpRecvSegCoalesceInfo] or 0) & 0xFFFF
    return count


def _layout(Header: Any, Segments: int, Length: int) -> tuple[int, int, int] | None:
    """Where the IP and the TCP header of a frame begin, and the payload of each segment."""
    network = _ETHERNET + (4 if Header[12:14] == _VLAN else 0)
    there = len(Header)
    if not Segments or there < network + 60:
        return None
    first = Header[network]
    if first >> 4 == 4:
        transport, protocol = network + (first & 0xF) * 4, Header[network + 9]
    else:
        transport, protocol = network + 40, Header[network + 6]
    if protocol != _TCP or there < transport + 20:
        return None
    end = transport + (Header[transport + 12] >> 4) * 4
    if transport + 20 <= end <= there and end < Length:
        return network, transport, -(-(Length - end) // Segments)
    return None


def _pseudo(Header: Any, Network: int, Length: int) -> int:
    """The sum of the pseudo-header of TCP."""
    version4 = Header[Network] >> 4 == 4
    addresses = Header[Network + 12 : Network + 20] if version4 else Header[Network + 8 : Network + 40]
    return _fold(int.from_bytes(addresses, "big") + _TCP + Length)


def _fold(Number: int) -> int:
    """The sum of the 16-bit words of a number, with the carries added."""
    return Number % 0xFFFF or (0xFFFF if Number else 0)


__all__ = [
    "BRIDGE_MAXIMUM_FRAME",
    "BridgeCut",
    "BridgeCuts",
    "BridgeEncapsulation",
    "BridgeLayout",
    "BridgeMark",
    "BridgeSegments",
    "BridgeToCopy",
]
