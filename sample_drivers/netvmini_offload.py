"""What netvmini does on an adapter with offloads: which of them are on, and the frames that are not finished.

Law: as in a header file, nothing here calls the DDI and nothing keeps state; on an adapter without offloads nothing of
it runs.  The data of a sent list is its sender's: a header that must be another is a copy in the adapter's memory, one
place for each descriptor of the transmit ring.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *
from vnic.device import *

if TYPE_CHECKING:
    from sample_drivers.netvmini import ADAPTER, QUEUE

OFFLOAD_SLOT_SHIFT: Final = 16
"""Buffers of 64 KiB: a super-frame fills one, all but the longest datagrams, which need a second one."""
OFFLOAD_BUFFERS: Final = 128
OFFLOAD_QUEUE_BUFFERS: Final = 64
"""Of each queue, where there are several."""
OFFLOAD_FEW_BUFFERS: Final = 8
OFFLOAD_BUDGETS: Final = 2
"""What part of its buffers a queue indicates at once: not all of them, since the last ones would only be lent."""
OFFLOAD_CAPACITY: Final = (1 << OFFLOAD_SLOT_SHIFT) - VNIC_RECEIVE_HEADROOM
OFFLOAD_HEADER_SHIFT: Final = 8
OFFLOAD_HEADER: Final = 1 << OFFLOAD_HEADER_SHIFT
"""The longest header of a frame that is cut, and the distance between two copies."""
OFFLOAD_LARGEST: Final = 0xFFFF - 120
"""Payload of the largest frame that is taken to be cut: with the longest headers it is still an IP datagram."""
OFFLOAD_FEWEST: Final = 2
OFFLOAD_DATAGRAMS: Final = 128
"""Of a frame that the wire cannot cut and that is cut here: with their headers they fit the transmit ring."""
NIC_SHORTEST: Final = 60

# What can be switched on and off by itself.
(
    TX_IP4, TX_TCP4, TX_UDP4, TX_TCP6, TX_UDP6, RX_IP4, RX_TCP4, RX_UDP4, RX_TCP6, RX_UDP6,
    LSO1, LSO2_IP4, LSO2_IP6, RSC_IP4, RSC_IP6, USO_IP4, USO_IP6,
) = (1 << place for place in range(17))  # fmt: skip
OFFLOAD_EVERY: Final = (1 << 17) - 1
OFFLOAD_RECEIVE_SUMS: Final = RX_TCP4 | RX_UDP4 | RX_TCP6 | RX_UDP6

# Receive: Microsoft's bits of TcpIpChecksumNetBufferListInfo.
SUM_TCP_GOOD: Final = 0x08
SUM_UDP_GOOD: Final = 0x10
SUM_IP_GOOD: Final = 0x20
SUM_TCP_VALUE_INVALID: Final = 0x80

_ETHERNET: Final = 14
_VLAN: Final = b"\x81\x00"
_IPV4: Final = b"\x08\x00"
_IPV6: Final = b"\x86\xdd"
_TCP: Final = 6
_UDP: Final = 17
_CWR: Final = 0x80
_HERE: Final = 1 << 25
"""Of a note: the frame is cut here."""
_NUMBER: Final = Struct(">H")
_HEADERS_TCP4: Final = Struct(">12xHB8xB22xBB")
"""Of a frame without tags and options: its type, IP's first byte, what IP carries, TCP's data offset and flags."""
_TRANSPORT_TCP4: Final = 34
_SHORTEST_TCP4: Final = _TRANSPORT_TCP4 + 20
_SHAPE_TCP4: Final = (0x0800, 0x45, _TCP, _TRANSPORT_TCP4)
_WORD_TCP4: Final = VnicOffload(
    VNIC_HEADER_NEEDS_CHECKSUM, VNIC_SEGMENTS_TCP4, 0, _TRANSPORT_TCP4, VNIC_CHECKSUM_OFFSET_TCP, 0
)
_SWITCHES: Final = (
    ("IPv4Checksum", TX_IP4, RX_IP4),
    ("TCPIPv4Checksum", TX_TCP4, RX_TCP4),
    ("UDPIPv4Checksum", TX_UDP4, RX_UDP4),
    ("TCPIPv6Checksum", TX_TCP6, RX_TCP6),
    ("UDPIPv6Checksum", TX_UDP6, RX_UDP6),
)
"""Members of NDIS_OFFLOAD_PARAMETERS with values for both directions."""
_SWITCHED: Final = (
    ("LsoV1", LSO1),
    ("LsoV2IPv4", LSO2_IP4),
    ("LsoV2IPv6", LSO2_IP6),
    ("RscIPv4", RSC_IP4),
    ("RscIPv6", RSC_IP6),
)
_NOT_HERE: Final = ("IPsecV1", "IPsecV2", "IPsecV2IPv4", "TcpConnectionIPv4", "TcpConnectionIPv6")


# -- which offloads are on --------------------------------------------------------------------------------------------


def NICOffloadTasks(Supported: int) -> int:
    """All that an adapter can do whose wire supports this; 0 without offloads."""
    if not Supported & VNIC_OFFLOAD_CHECKSUM:
        return 0
    tasks = OFFLOAD_EVERY
    for offload, needing in (
        (VNIC_OFFLOAD_TCP4, RSC_IP4),
        (VNIC_OFFLOAD_TCP6, RSC_IP6),
        (VNIC_OFFLOAD_UDP, USO_IP4 | USO_IP6),
    ):
        if not Supported & offload:
            tasks &= ~needing
    return tasks


def NICOffloads(Tasks: int) -> NDIS_OFFLOAD:
    """Tasks as NDIS describes them."""
    offload = NDIS_OFFLOAD(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_OFFLOAD, NDIS_OFFLOAD_REVISION_6, NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_6
        )
    )
    sums = offload.Checksum
    for part, ip, tcp, udp in (
        (sums.IPv4Transmit, TX_IP4, TX_TCP4, TX_UDP4),
        (sums.IPv4Receive, RX_IP4, RX_TCP4, RX_UDP4),
        (sums.IPv6Transmit, 0, TX_TCP6, TX_UDP6),
        (sums.IPv6Receive, 0, RX_TCP6, RX_UDP6),
    ):
        part.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3 if Tasks & (ip | tcp | udp) else 0
        part.TcpOptionsSupported = part.TcpChecksum = int(bool(Tasks & tcp))
        part.UdpChecksum = int(bool(Tasks & udp))
        if ip:
            part.IpOptionsSupported = part.IpChecksum = int(bool(Tasks & ip))
        else:
            part.IpExtensionHeadersSupported = part.TcpChecksum
    segments = offload.UdpSegmentation
    for task, limits in (
        (LSO1, offload.LsoV1.IPv4),
        (LSO2_IP4, offload.LsoV2.IPv4),
        (LSO2_IP6, offload.LsoV2.IPv6),
        (USO_IP4, segments.IPv4),
        (USO_IP6, segments.IPv6),
    ):
        if Tasks & task:
            limits.Encapsulation = NDIS_ENCAPSULATION_IEEE_802_3
            limits.MaxOffLoadSize, limits.MinSegmentCount = OFFLOAD_LARGEST, OFFLOAD_FEWEST
    offload.LsoV1.IPv4.TcpOptions = int(bool(Tasks & LSO1))
    offload.LsoV2.IPv6.TcpOptionsSupported = int(bool(Tasks & LSO2_IP6))
    segments.IPv4.SubMssFinalSegmentSupported = int(bool(Tasks & USO_IP4))
    segments.IPv6.SubMssFinalSegmentSupported = int(bool(Tasks & USO_IP6))
    offload.Rsc.IPv4.Enabled, offload.Rsc.IPv6.Enabled = int(bool(Tasks & RSC_IP4)), int(bool(Tasks & RSC_IP6))
    return offload


def NICOffloadAttributes(Adapter: ADAPTER) -> NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES:
    """What the adapter can do, and of that what is on as soon as a protocol says how it frames packets."""
    return NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES,
            NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES_REVISION_1,
        ),
        DefaultOffloadConfiguration=NICOffloads(Adapter.Tasks),
        HardwareOffloadCapabilities=NICOffloads(NICOffloadTasks(Adapter.Offloads)),
    )


def NICOffloadIndication(Adapter: ADAPTER) -> NDIS_STATUS_INDICATION:
    """The status that tells what is on now."""
    return NDIS_STATUS_INDICATION(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_STATUS_INDICATION,
            NDIS_STATUS_INDICATION_REVISION_1,
            NDIS_SIZEOF_STATUS_INDICATION_REVISION_1,
        ),
        SourceHandle=Adapter.Handle,
        StatusCode=NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG,
        StatusBuffer=NICOffloads(Adapter.Tasks),
        StatusBufferSize=NDIS_SIZEOF_NDIS_OFFLOAD_REVISION_6,
    )


def NICSetOffloads(Adapter: ADAPTER, Oid: int, Data: bytes) -> NDIS_STATUS:
    """OID_TCP_OFFLOAD_PARAMETERS and OID_OFFLOAD_ENCAPSULATION; what is on afterwards the hardware is told."""
    if not Adapter.Offloads:
        return NDIS_STATUS_NOT_SUPPORTED
    if Oid == OID_OFFLOAD_ENCAPSULATION:
        status = _set_encapsulation(Adapter, Data)
    else:
        status = _set_parameters(Adapter, Data)
    if status == NDIS_STATUS_SUCCESS:
        tasks = Adapter.Tasks if Adapter.Encapsulated else 0
        offloads = VNIC_OFFLOAD_HEADERS
        if tasks & (OFFLOAD_RECEIVE_SUMS | RSC_IP4 | RSC_IP6):
            offloads |= VNIC_OFFLOAD_CHECKSUM
        if tasks & RSC_IP4:
            offloads |= VNIC_OFFLOAD_TCP4
        if tasks & RSC_IP6:
            offloads |= VNIC_OFFLOAD_TCP6
        VnicWriteRegister(Adapter.Nic, VNIC_REGISTER_OFFLOADS, offloads)
    return status


def _set_encapsulation(Adapter: ADAPTER, Data: bytes) -> NDIS_STATUS:
    if len(Data) < NDIS_SIZEOF_OFFLOAD_ENCAPSULATION_REVISION_1:
        return NDIS_STATUS_INVALID_LENGTH
    if Data[0] != NDIS_OBJECT_TYPE_OFFLOAD_ENCAPSULATION:
        return NDIS_STATUS_INVALID_PARAMETER
    given = NDIS_OFFLOAD_ENCAPSULATION.from_bytes(Data)
    on = [part for part in (given.IPv4, given.IPv6) if part.Enabled == NDIS_OFFLOAD_SET_ON]
    if any(not part.EncapsulationType & NDIS_ENCAPSULATION_IEEE_802_3 for part in on):
        return NDIS_STATUS_INVALID_PARAMETER
    if on:
        Adapter.Encapsulated = 1
    elif given.IPv4.Enabled == given.IPv6.Enabled == NDIS_OFFLOAD_SET_OFF:
        Adapter.Encapsulated = 0
    return NDIS_STATUS_SUCCESS


def _set_parameters(Adapter: ADAPTER, Data: bytes) -> NDIS_STATUS:
    if len(Data) < NDIS_SIZEOF_OFFLOAD_PARAMETERS_REVISION_1:
        return NDIS_STATUS_INVALID_LENGTH
    if Data[0] != NDIS_OBJECT_TYPE_DEFAULT:
        return NDIS_STATUS_INVALID_DATA
    given = NDIS_OFFLOAD_PARAMETERS.from_bytes(Data)
    on = off = 0
    for name, sent, received in _SWITCHES:
        value = getattr(given, name)
        if value > NDIS_OFFLOAD_PARAMETERS_TX_RX_ENABLED:
            return NDIS_STATUS_INVALID_DATA
        if value:
            on |= (sent if value - 1 & 1 else 0) | (received if value - 1 & 2 else 0)
            off |= sent | received
    switched = [(getattr(given, name), task) for name, task in _SWITCHED]
    switched += [(given.UdpSegmentation.IPv4, USO_IP4), (given.UdpSegmentation.IPv6, USO_IP6)]
    for value, task in switched:
        if value > NDIS_OFFLOAD_PARAMETERS_LSOV2_ENABLED:
            return NDIS_STATUS_INVALID_DATA
        on |= task if value == NDIS_OFFLOAD_PARAMETERS_LSOV2_ENABLED else 0
        off |= task if value else 0
    if any(getattr(given, name) > NDIS_OFFLOAD_PARAMETERS_LSOV1_DISABLED for name in _NOT_HERE):
        return NDIS_STATUS_NOT_SUPPORTED
    if on & ~NICOffloadTasks(VnicReadRegister(Adapter.Nic, VNIC_REGISTER_OFFLOADS_SUPPORTED)):
        return NDIS_STATUS_NOT_SUPPORTED
    Adapter.Tasks = Adapter.Tasks & ~off | on
    return NDIS_STATUS_SUCCESS


# -- headers ---------------------------------------------------------------------------------------------------------


def NICHeaders(Frame: Any, At: int) -> tuple[int, int, int]:
    """The version of IP, what it carries, and where that begins; behind an IPv6 header without extensions, else 0."""
    network = At + _ETHERNET
    kind = Frame[network - 2 : network]
    if kind == _VLAN:
        network += 4
        kind = Frame[network - 2 : network]
    if kind == _IPV4:
        return 4, Frame[network + 9], network - At + (Frame[network] & 0xF) * 4
    if kind == _IPV6:
        return 6, Frame[network + 6], network - At + 40 if Frame[network + 6] in (_TCP, _UDP) else 0
    return 0, 0, 0


def NICChecksum(Data: Any) -> int:
    """The Internet checksum: the complement of the sum of the words, the last one filled with a zero."""
    number = int.from_bytes(Data, "big") << (len(Data) & 1) * 8
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


# -- frames to send ---------------------------------------------------------------------------------------------------


def NICSortOffloads(Adapter: ADAPTER, Chain: Any, Longest: int) -> tuple[Any, Any, Any, int]:
    """First and last list of those that can be sent, the others as a chain, and how many there are in all.

    What the hardware shall do to the frames of a list that says anything of itself is noted in MiniportReserved.
    """
    tasks = Adapter.Tasks if Adapter.Encapsulated else 0
    accepted: list[Any] = []
    rejected: list[Any] = []
    nbl = Chain
    while nbl is not None:
        buffer = nbl.FirstNetBuffer
        if (
            buffer is not None
            and buffer.Next is None
            and _ETHERNET <= buffer.DataLength <= Longest
            and not any(nbl.NetBufferListInfo)
        ) or _prepare(tasks, nbl, Longest):
            accepted.append(nbl)
        else:
            rejected.append(nbl)
        nbl = nbl.Next
    if not rejected:
        return Chain, accepted[-1], None, len(accepted)
    for chain in (accepted, rejected):
        for nbl, following in zip(chain, [*chain[1:], None], strict=False):
            nbl.Next = following
    first, last = (accepted[0], accepted[-1]) if accepted else (None, None)
    return first, last, rejected[0], len(accepted) + len(rejected)


def _prepare(Tasks: int, Nbl: Any, Longest: int) -> bool:
    """Note what shall be done to a list's frames; False where that is off, impossible or makes no sense."""
    information, reserved, buffer = Nbl.NetBufferListInfo, Nbl.MiniportReserved, Nbl.FirstNetBuffer
    large, datagrams = information[TcpLargeSendNetBufferListInfo], information[UdpSegmentationOffloadInfo]
    if buffer is None:
        return False
    if large or datagrams:
        word, note = _cut(Tasks, buffer, large, datagrams)
        if not word:
            return False
    else:
        word, note, sums = 0, 0, information[TcpIpChecksumNetBufferListInfo]
        while buffer is not None:
            if not _ETHERNET <= buffer.DataLength <= Longest:
                return False
            buffer = buffer.Next
        buffer = Nbl.FirstNetBuffer if sums & 3 else None
        while buffer is not None:
            found = _sum(Tasks, buffer, sums)
            if found[0] < 0 or (buffer is not Nbl.FirstNetBuffer and found != (word, note)):
                return False
            (word, note), buffer = found, buffer.Next
    reserved[0], reserved[1] = word, note
    return True


def _first_bytes(Buffer: Any, Count: int = OFFLOAD_HEADER) -> bytes:
    """The first bytes of a frame."""
    mdl, offset = Buffer.CurrentMdl, Buffer.CurrentMdlOffset
    count = min(Count, Buffer.DataLength)
    found = bytes(mdl.MappedSystemVa[offset : min(offset + count, mdl.ByteCount)])
    while len(found) < count:
        mdl = mdl.Next
        found += bytes(mdl.MappedSystemVa[: min(count - len(found), mdl.ByteCount)])
    return found


def _cut(Tasks: int, Buffer: Any, Large: int, Datagrams: int) -> tuple[int, int]:
    """The offload word, without its highest byte, and the note of a frame that the hardware cuts; 0, 0 if it is wrong.

    A note is: the header's length, how much of it is the transport's, whether it is one of the first version, and
    whether it is cut here and not by the wire.
    """
    mdl, offset, length = Buffer.CurrentMdl, Buffer.CurrentMdlOffset, Buffer.DataLength
    there = mdl.ByteCount - offset  # the headers lie in the first MDL
    if Large >> 30 == NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE and there >= _SHORTEST_TCP4:
        # What nearly all of them are: IPv4 without options and tags.
        kind, first, protocol, data, flags = _HEADERS_TCP4.unpack_from(mdl.MappedSystemVa, offset)
        size, end = Large & 0xF_FFFF, _TRANSPORT_TCP4 + (data >> 4) * 4
        if (
            (kind, first, protocol, Large >> 20 & 0x3FF) == _SHAPE_TCP4
            and _SHORTEST_TCP4 <= end <= there
            and 0 < size <= 0xFFFF
            and 0 < length - end <= OFFLOAD_LARGEST
            and not flags & _CWR
            and Tasks & LSO2_IP4
            and Buffer.Next is None
        ):
            return _WORD_TCP4 | size << 16, end | end - _TRANSPORT_TCP4 << 16
    asked = Large or Datagrams
    size, at, version6, first = asked & 0xF_FFFF, asked >> 20 & 0x3FF, asked >> 31 & 1, 0
    if Datagrams:
        task = USO_IP6 if version6 else USO_IP4
    elif asked >> 30 & 1:
        task = LSO2_IP6 if version6 else LSO2_IP4
    else:
        task, version6, first = LSO1, 0, 1 << 24
    header = mdl.MappedSystemVa[offset : offset + min(OFFLOAD_HEADER, length, there)]
    if not Tasks & task or Buffer.Next is not None or at < _ETHERNET + 20:
        return 0, 0
    if len(header) < at + (8 if Datagrams else 20):
        return 0, 0
    found, protocol, expected = NICHeaders(header, 0)
    if found != (6 if version6 else 4):
        return 0, 0
    if expected and (expected != at or protocol != (_UDP if Datagrams else _TCP)):
        return 0, 0
    if Datagrams:
        kind, sum_at, transport = VNIC_SEGMENTS_UDP, VNIC_CHECKSUM_OFFSET_UDP, 8
        if not any(header[at + 6 : at + 8]):  # without checksums: the wire knows no such datagrams
            if length - at - transport > size * OFFLOAD_DATAGRAMS:
                return 0, 0
            first = _HERE
    else:
        kind = VNIC_SEGMENTS_TCP6 if version6 else VNIC_SEGMENTS_TCP4
        sum_at, transport = VNIC_CHECKSUM_OFFSET_TCP, (header[at + 12] >> 4) * 4
        if header[at + 13] & _CWR:
            kind |= VNIC_SEGMENTS_ECN
        if transport < 20:
            return 0, 0
    end = at + transport
    if end > len(header) or not 0 < size <= 0xFFFF or not 0 < length - end <= OFFLOAD_LARGEST:
        return 0, 0
    return VnicOffload(VNIC_HEADER_NEEDS_CHECKSUM, kind, size, at, sum_at, 0), end | transport << 16 | first


def _sum(Tasks: int, Buffer: Any, Asked: int) -> tuple[int, int]:
    """The same for a frame whose checksums are asked for; a word of -1 if it is wrong.

    The note has a length where the IP header's checksum is to be computed.
    """
    version4 = bool(Asked & 1)
    at = Asked >> 16 & 0x3FF
    header = _first_bytes(Buffer)
    wanted = 0
    if Asked & 4:
        wanted |= TX_TCP4 if version4 else TX_TCP6
    if Asked & 8:
        wanted |= TX_UDP4 if version4 else TX_UDP6
    if Asked & 16:
        wanted |= TX_IP4
    offset = VNIC_CHECKSUM_OFFSET_TCP if Asked & 4 else VNIC_CHECKSUM_OFFSET_UDP
    if wanted & ~Tasks or Asked & 3 == 3 or Asked & 12 == 12 or (Asked & 16 and not version4):
        return -1, 0
    if Asked & 12 and (at < _ETHERNET + 20 or at + offset + 2 > Buffer.DataLength):
        return -1, 0
    found, _, network = NICHeaders(header, 0) if len(header) >= _ETHERNET + 20 else (0, 0, 0)
    if Asked & 16 and (found != 4 or network > len(header)):
        return -1, 0
    word = VnicOffload(VNIC_HEADER_NEEDS_CHECKSUM, VNIC_SEGMENTS_NONE, 0, at, offset, 0) if Asked & 12 else 0
    return word, network if Asked & 16 else 0


def NICOffloadPieces(
    Adapter: ADAPTER, Queue: QUEUE, Nbl: Any, Buffer: Any, Place: int
) -> tuple[list[int], int, int, int]:
    """The descriptors of a frame, its offload word, and the frames and bytes on the wire.

    ``Place`` is where its first descriptor will lie in the ring: the header's memory there is free.
    """
    information = Nbl.NetBufferListInfo
    word = note = 0
    if any(information):  # a list that says nothing of itself has no note, or an old one
        noted = Nbl.MiniportReserved
        word, note = noted[0] or 0, noted[1] or 0
    mdl, offset, length = Buffer.CurrentMdl, Buffer.CurrentMdlOffset, Buffer.DataLength
    pieces: list[tuple[int, int]] = []
    copied, segments, octets, pad = note & 0xFFFF, 1, length, NIC_SHORTEST - length
    if note & _HERE:
        return _datagrams(Adapter, Queue, Buffer, Place, copied, word)
    if copied:
        transport, payload = note >> 16 & 0xFF, length - copied
        if transport:
            header = bytearray(mdl.MappedSystemVa[offset : offset + copied])
            segments = -(-payload // (word >> 16 & 0xFFFF))
            octets += (segments - 1) * copied
            _lengthen(header, copied - transport, length, word)
            word |= transport << 56
            # The sender finds the payload in a list of the first version, and the type alone in one of the second.
            if note >> 24 & 1:
                information[TcpLargeSendNetBufferListInfo] = payload
            elif information[TcpLargeSendNetBufferListInfo]:
                information[TcpLargeSendNetBufferListInfo] = NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE << 30
        else:
            header = bytearray(_first_bytes(Buffer, copied))
            _sum_of_ip(header, copied)
        memory = Queue.HeaderMemory
        at = (Place << OFFLOAD_HEADER_SHIFT) % memory.length
        memory.view[at : at + copied] = header
        at += memory.offset
        offset += copied
        if transport and offset + payload <= mdl.ByteCount:
            first = at | copied << VNIC_DESCRIPTOR_LENGTH_SHIFT | VNIC_DESCRIPTOR_MORE | VNIC_DESCRIPTOR_OFFLOAD
            rest = mdl.StartVa + mdl.ByteOffset + offset | payload << VNIC_DESCRIPTOR_LENGTH_SHIFT
            return [first, rest], word, segments, octets
        length = payload
        pieces.append((at, copied))
    _data(pieces, mdl, offset, length)
    if pad > 0:
        pieces.append((Adapter.PadMemory.offset, pad))
    descriptors = _descriptors(pieces)
    if word:
        descriptors[0] |= VNIC_DESCRIPTOR_OFFLOAD
    return descriptors, word, segments, octets


def _datagrams(
    Adapter: ADAPTER, Queue: QUEUE, Buffer: Any, Place: int, End: int, Word: int
) -> tuple[list[int], int, int, int]:
    """The same for a frame that is cut here, into datagrams without checksums; its headers end there."""
    mdl, offset, left, size = Buffer.CurrentMdl, Buffer.CurrentMdlOffset, Buffer.DataLength - End, Word >> 16 & 0xFFFF
    header, memory = bytearray(mdl.MappedSystemVa[offset : offset + End]), Queue.HeaderMemory
    network = _ETHERNET if header[12] != _VLAN[0] else _ETHERNET + 4
    offset += End
    descriptors: list[int] = []
    segments = octets = 0
    while left:
        length = min(size, left)
        if segments and header[network] >> 4 == 4:
            (identification,) = _NUMBER.unpack_from(header, network + 4)
            _NUMBER.pack_into(header, network + 4, identification + 1 & 0xFFFF)
        _lengthen(header, End - 8, End + length, Word)
        _NUMBER.pack_into(header, End - 2, 0)
        at = (Place + len(descriptors) << OFFLOAD_HEADER_SHIFT) % memory.length
        memory.view[at : at + End] = header
        pieces = [(at + memory.offset, End)]
        mdl, offset = _data(pieces, mdl, offset, length)
        if End + length < NIC_SHORTEST:
            pieces.append((Adapter.PadMemory.offset, NIC_SHORTEST - End - length))
        descriptors += _descriptors(pieces)
        segments, octets, left = segments + 1, octets + End + length, left - length
    return descriptors, 0, segments, octets


def _data(Pieces: list[tuple[int, int]], Mdl: Any, Offset: int, Length: int) -> tuple[Any, int]:
    """Add where so much data lies that begins there; where what follows it begins."""
    while Length:
        piece = min(Length, Mdl.ByteCount - Offset)
        if piece > 0:
            Pieces.append((Mdl.StartVa + Mdl.ByteOffset + Offset, piece))
            Length -= piece
            Offset += piece
        if Offset >= Mdl.ByteCount:
            Offset -= Mdl.ByteCount
            Mdl = Mdl.Next
    return Mdl, Offset


def _descriptors(Pieces: list[tuple[int, int]]) -> list[int]:
    """The descriptors of one frame in these pieces."""
    return [VnicDescriptor(*piece, place < len(Pieces)) for place, piece in enumerate(Pieces, 1)]


def _lengthen(Header: bytearray, Transport: int, Length: int, Word: int) -> None:
    """Put lengths and the checksum of IPv4 into the headers of a frame that is cut: NDIS leaves them out."""
    put, place = _NUMBER.pack_into, Transport + (Word >> 48 & 0xFF)
    network = _ETHERNET if Header[12] != _VLAN[0] else _ETHERNET + 4
    if Word >> 8 & 0xFF == VNIC_SEGMENTS_UDP:
        put(Header, Transport + 4, Length - Transport)
    if Header[network] >> 4 == 4:
        put(Header, network + 2, Length - network)
        put(Header, network + 10, 0)
        # A header is never all zeros, and so its sum never 0.
        put(Header, network + 10, (0xFFFF - int.from_bytes(Header[network:Transport], "big") % 0xFFFF) % 0xFFFF)
    else:
        put(Header, network + 4, Length - network - 40)
    total = (Header[place] << 8 | Header[place + 1]) + Length - Transport
    put(Header, place, (total & 0xFFFF) + (total >> 16))


def _sum_of_ip(Header: bytearray, End: int) -> None:
    """Compute the checksum of an IPv4 header, which NDIS leaves zero; behind it, where ``End`` is, another begins."""
    network = _ETHERNET if Header[12] != _VLAN[0] else _ETHERNET + 4
    _NUMBER.pack_into(Header, network + 10, 0)
    _NUMBER.pack_into(Header, network + 10, NICChecksum(Header[network:End]))


__all__ = [
    "LSO1",
    "LSO2_IP4",
    "LSO2_IP6",
    "NICChecksum",
    "NICHeaders",
    "NICOffloadAttributes",
    "NICOffloadIndication",
    "NICOffloadPieces",
    "NICOffloadTasks",
    "NICOffloads",
    "NICSetOffloads",
    "NICSortOffloads",
    "OFFLOAD_BUDGETS",
    "OFFLOAD_BUFFERS",
    "OFFLOAD_CAPACITY",
    "OFFLOAD_FEW_BUFFERS",
    "OFFLOAD_HEADER_SHIFT",
    "OFFLOAD_QUEUE_BUFFERS",
    "OFFLOAD_SLOT_SHIFT",
    "RSC_IP4",
    "RSC_IP6",
    "RX_IP4",
    "RX_TCP4",
    "RX_TCP6",
    "RX_UDP4",
    "RX_UDP6",
    "SUM_IP_GOOD",
    "SUM_TCP_GOOD",
    "SUM_TCP_VALUE_INVALID",
    "SUM_UDP_GOOD",
    "TX_IP4",
    "TX_TCP4",
    "TX_TCP6",
    "TX_UDP4",
    "TX_UDP6",
    "USO_IP4",
    "USO_IP6",
]
