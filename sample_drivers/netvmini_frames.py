"""The frames of netvmini: how they lie in lists and MDLs, and how the hardware is told of them.

Law: as in a header file, nothing here calls the DDI and nothing keeps state; the locks are the callers'.

A received super-frame lies in several buffers: the list of the first is indicated, with the MDLs of the others behind
its own, and keeps their lists in MiniportReserved until it is back.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *
from sample_drivers.netvmini_nic import *
from sample_drivers.netvmini_offload import *
from vnic.device import *

if TYPE_CHECKING:
    from sample_drivers.netvmini import ADAPTER, QUEUE

NIC_TOLD: Final = 0x1000
"""Flags of a received list whose out-of-band information is not zero; one of the miniport's bits."""
NIC_MANY: Final = 16
"""From so many frames on their destinations are compared faster all at once."""
_TAGGED: Final = 0x81
"""The first byte of the type of a frame with a VLAN tag, and of no version of IP."""
_FRAGMENT: Final = 0x3F
"""In the byte of IPv4 that says so: more fragments, and the offset's first bits."""
_CHECKED: Final = {
    (4, 6): (RX_TCP4, SUM_TCP_GOOD),
    (4, 17): (RX_UDP4, SUM_UDP_GOOD),
    (6, 6): (RX_TCP6, SUM_TCP_GOOD),
    (6, 17): (RX_UDP6, SUM_UDP_GOOD),
}
"""By version of IP and protocol: which offload it is, and what it tells."""
_TCP_SEGMENTS: Final = frozenset(
    (
        VNIC_SEGMENTS_TCP4,
        VNIC_SEGMENTS_TCP6,
        VNIC_SEGMENTS_TCP4 | VNIC_SEGMENTS_ECN,
        VNIC_SEGMENTS_TCP6 | VNIC_SEGMENTS_ECN,
    )
)


# -- received frames --------------------------------------------------------------------------------------------------


def NICAllFor(Own: int, Memory: memoryview, Base: int, Addresses: list[int]) -> bool:
    """Lie these buffers side by side, and are their frames all for this address?

    They may be a ring's last ones and then its first ones.  ``Memory`` begins at ``Base``.
    """
    if Own == NIC_NOBODY:
        return False
    if Addresses[0] <= Addresses[-1]:
        return _side_by_side_for(Own, Memory, Base, Addresses)
    turn = Addresses.index(min(Addresses))
    return all([_side_by_side_for(Own, Memory, Base, run) for run in (Addresses[:turn], Addresses[turn:])])


def _side_by_side_for(Own: int, Memory: memoryview, Base: int, Addresses: list[int]) -> bool:
    """``NICAllFor`` of buffers that lie side by side."""
    first, count = Addresses[0], len(Addresses)
    end = first + count * VNIC_RECEIVE_SLOT
    if Addresses != [*range(first, end, VNIC_RECEIVE_SLOT)]:
        return False
    # A destination is a word and the half behind it.
    memory = Memory[first - Base : end - Base]
    words, halves = memory.cast("I")[:: VNIC_RECEIVE_SLOT // 4], memory.cast("H")[2 :: VNIC_RECEIVE_SLOT // 2]
    wanted, behind = array("I", (Own & 0xFFFF_FFFF,)) * count, array("H", (Own >> 32,)) * count
    return words == memoryview(wanted) and halves == memoryview(behind)


def NICJoin(
    Adapter: ADAPTER, Queue: QUEUE, Nic: Vnic, Addresses: list[int], Lists: list[Any], Lengths: list[int]
) -> int:
    """From what the hardware has filled to frames: one list, address and length for each; how many frames it is.

    What a frame has beyond the budget is taken too.
    """
    if max(Lengths) & VNIC_LENGTH_MORE:
        _join_buffers(Queue, Nic, Addresses, Lists, Lengths)
    memory = Adapter.ReceiveMemory.view
    words, base, tasks = memory.cast("Q"), Adapter.ReceiveAddress, Adapter.Tasks
    for nbl, address, length in zip(Lists, Addresses, Lengths, strict=True):
        place = address - base >> 3
        # The header's flags and type, in the last bytes of a word; the rest of it is the next word.
        kind = words[place - 2] >> 48
        if kind:
            _tell(nbl, memory, address - base, length, kind, words[place - 1], tasks)
        elif nbl.Flags & NIC_TOLD:
            information = nbl.NetBufferListInfo
            information[TcpIpChecksumNetBufferListInfo] = information[TcpRecvSegCoalesceInfo] = nbl.Flags = 0
    return len(Lists)


def _join_buffers(Queue: QUEUE, Nic: Vnic, Addresses: list[int], Lists: list[Any], Lengths: list[int]) -> None:
    """Put frames together that lie in several buffers: the list of the first keeps those of the others."""
    while Lengths[-1] & VNIC_LENGTH_MORE:
        addresses, lengths = VnicReceive(Nic, Queue.Number, 1)
        Addresses += addresses
        Lengths += lengths
        Lists += NICTakeReceived(Queue, 1)
    place = len(Lists) - 1
    while place:
        place -= 1
        if Lengths[place] & VNIC_LENGTH_MORE:
            first, following = Lists[place], Lists.pop(place + 1)
            first.FirstNetBuffer.MdlChain.Next = following.FirstNetBuffer.MdlChain
            first.MiniportReserved[1] = following
            Lengths[place] += Lengths.pop(place + 1) - VNIC_LENGTH_MORE
            del Addresses[place + 1]


def NICSeparate(Lists: list[Any]) -> list[Any]:
    """The lists of all the buffers of frames that are back, each with its own MDL alone."""
    if not any([nbl.FirstNetBuffer.MdlChain.Next for nbl in Lists]):
        return Lists
    found: list[Any] = []
    for first in Lists:
        nbl: Any = first
        found.append(nbl)
        mdl = nbl.FirstNetBuffer.MdlChain
        while mdl.Next is not None:
            following = nbl.MiniportReserved[1]
            mdl.Next = nbl.MiniportReserved[1] = None
            nbl = following
            found.append(nbl)
            mdl = nbl.FirstNetBuffer.MdlChain
    return found


def _tell(First: Any, Memory: memoryview, At: int, Length: int, Kind: int, Rest: int, Tasks: int) -> None:
    """Complete the checksum of a frame, or say of how many segments it is; and what of it has been checked.

    ``Kind`` is its header's flags, and above them the type; ``Rest`` is what follows those: lengths and places.
    """
    sums = segments = 0
    if Kind & VNIC_HEADER_NEEDS_CHECKSUM:
        transport, place = Rest >> 32 & 0xFFFF, Rest >> 48
        # An untagged frame tells its version of IP in byte 13.
        version4 = Memory[At + 13] == 0 if Memory[At + 12] != _TAGGED else NICHeaders(Memory, At)[0] == 4
        if Kind >> 8 in _TCP_SEGMENTS:
            payload = Length - transport - (Memory[At + transport + 12] >> 4) * 4
            segments = max(-(-payload // (Rest >> 16 & 0xFFFF)), 1)
            sums = SUM_TCP_GOOD
        elif place == VNIC_CHECKSUM_OFFSET_TCP:
            sums = SUM_TCP_GOOD if Tasks & (RX_TCP4 if version4 else RX_TCP6) else 0
        else:
            sums = SUM_UDP_GOOD if Tasks & (RX_UDP4 if version4 else RX_UDP6) else 0
        if segments and Length > NIC_MAXIMUM_FRAME:
            sums |= SUM_TCP_VALUE_INVALID
        elif transport + place + 2 <= Length <= OFFLOAD_CAPACITY:
            start, end = At + transport, At + Length
            # The complement of the sum of the words; 0 stands for none at all, and is never sent.
            total = 0xFFFF - (int.from_bytes(Memory[start:end], "big") << (end - start & 1) * 8) % 0xFFFF
            Memory[start + place], Memory[start + place + 1] = total >> 8, total & 0xFF
        if segments or (version4 and Tasks & RX_IP4):
            sums |= SUM_IP_GOOD  # of a super-frame always, as NDIS wants it
    elif Kind & VNIC_HEADER_CHECKSUM_VALID:
        sums = _checked(Memory, At, Tasks)
    information = First.NetBufferListInfo
    information[TcpIpChecksumNetBufferListInfo], information[TcpRecvSegCoalesceInfo] = sums, segments
    First.Flags = NIC_TOLD if sums or segments else 0


def _checked(Memory: memoryview, At: int, Tasks: int) -> int:
    """What of a frame other hardware has checked, as far as that is on; of a fragment nothing."""
    version, protocol, _ = NICHeaders(Memory, At)
    network = At + (18 if Memory[At + 12] == _TAGGED else 14)
    if version == 4 and (Memory[network + 6] & _FRAGMENT or Memory[network + 7]):
        return 0
    task, good = _CHECKED.get((version, protocol), (0, 0))
    return good if Tasks & task else 0


# -- frames to send ---------------------------------------------------------------------------------------------------


def NICAsks(Chain: Any) -> bool:
    """Does a list of a chain say anything of itself, out of band?"""
    nbl = Chain
    while nbl is not None:
        if any(nbl.NetBufferListInfo):
            return True
        nbl = nbl.Next
    return False


def NICDescribe(Chain: Any) -> tuple[list[Any], list[int], list[int]]:
    """Lists, addresses and lengths of a chain of plain frames: unicast, one NET_BUFFER in one MDL; else nothing."""
    lists: list[Any] = []
    addresses: list[int] = []
    lengths: list[int] = []
    nbl = Chain
    while nbl is not None:
        buffer = nbl.FirstNetBuffer
        if buffer is None or buffer.Next is not None:
            return [], [], []
        mdl, offset, length = buffer.CurrentMdl, buffer.CurrentMdlOffset, buffer.DataLength
        if length > mdl.ByteCount - offset or mdl.MappedSystemVa[offset] & NIC_GROUP_BIT:
            return [], [], []
        lists.append(nbl)
        addresses.append(mdl.StartVa + mdl.ByteOffset + offset)
        lengths.append(length)
        nbl = nbl.Next
    # Mostly all are of one length, which is seen faster than the shortest and the longest.
    ends = lengths[:1] if lengths.count(lengths[0]) == len(lengths) else (min(lengths), max(lengths))
    if ends[0] < NIC_MINIMUM_FRAME or ends[-1] > NIC_MAXIMUM_FRAME:
        return [], [], []
    return lists, addresses, lengths


def NICSortSends(Chain: Any) -> tuple[Any, Any, Any, int]:
    """First and last list of those that can be sent, the others as a chain, and how many there are in all."""
    count, last, good = 0, None, True
    nbl = Chain
    while nbl is not None:
        count += 1
        buffer = nbl.FirstNetBuffer
        good = good and buffer is not None
        while buffer is not None:
            if not NIC_HEADER <= buffer.DataLength <= NIC_MAXIMUM_FRAME:
                good = False
                break
            buffer = buffer.Next
        last = nbl
        nbl = nbl.Next
    if good:
        return Chain, last, None, count
    accepted: list[Any] = []
    rejected: list[Any] = []
    nbl = Chain
    while nbl is not None:
        buffer = nbl.FirstNetBuffer
        while buffer is not None and NIC_HEADER <= buffer.DataLength <= NIC_MAXIMUM_FRAME:
            buffer = buffer.Next
        (accepted if buffer is None and nbl.FirstNetBuffer is not None else rejected).append(nbl)
        nbl = nbl.Next
    for chain in (accepted, rejected):
        for nbl, following in zip(chain, [*chain[1:], None], strict=False):
            nbl.Next = following
    first, last = (accepted[0], accepted[-1]) if accepted else (None, None)
    return first, last, rejected[0] if rejected else None, count


def NICFragments(Adapter: ADAPTER, Mdl: Any, Offset: int, Length: int) -> list[int]:
    """The descriptors of a frame that lies in several MDLs, or is too short for Ethernet and is padded with zeros."""
    pad = NIC_MINIMUM_FRAME - Length
    pieces = []
    while Length:
        piece = min(Length, Mdl.ByteCount - Offset)
        if piece:
            pieces.append((Mdl.StartVa + Mdl.ByteOffset + Offset, piece))
        Length -= piece
        Mdl, Offset = Mdl.Next, 0
    if pad > 0:
        pieces.append((Adapter.PadMemory.offset, pad))
    return [VnicDescriptor(*piece, place < len(pieces)) for place, piece in enumerate(pieces, 1)]


def NICStoreTransmitted(Queue: QUEUE, Lists: list[Any], Frames: int, Octets: int) -> None:
    """Store for each descriptor that is about to be posted the list that is done with it, or None; SendLock is held."""
    counters, put = Queue.Out, Queue.TransmitPut
    counters.Frames += Frames
    counters.Octets += Octets
    NICStore(Queue.TransmitNbls, put, Lists)
    Queue.TransmitPut = put + len(Lists)


def NICTransmit(Adapter: ADAPTER, Queue: QUEUE, First: Any, Last: Any, Buffer: Any) -> None:
    """Describe as many frames to the hardware as the ring has room for, with SendLock held; the rest waits in order."""
    counters, nic, offloads = Queue.Out, Adapter.Nic, Adapter.Offloads
    room, put = VnicTransmitRoom(nic, Queue.Number), Queue.TransmitPut
    lists: list[Any] = []
    words: list[int] = []
    descriptors: list[int] = []
    frames = octets = 0
    nbl, buffer = First, Buffer
    while nbl is not None:
        asks = offloads and any(nbl.NetBufferListInfo)
        while buffer is not None:
            mdl, offset, length = buffer.CurrentMdl, buffer.CurrentMdlOffset, buffer.DataLength
            place = len(descriptors)
            if place == room:
                break
            if NIC_MINIMUM_FRAME <= length <= mdl.ByteCount - offset and not asks:
                descriptors.append(mdl.StartVa + mdl.ByteOffset + offset | length << VNIC_DESCRIPTOR_LENGTH_SHIFT)
                words.append(0)
                frames += 1
                octets += length
            else:
                if offloads:
                    pieces, word, segments, size = NICOffloadPieces(Adapter, Queue, nbl, buffer, put + place)
                else:
                    pieces, word, segments, size = NICFragments(Adapter, mdl, offset, length), 0, 1, length
                if len(pieces) > room - place:
                    break
                descriptors += pieces
                words += [word, *[0] * (len(pieces) - 1)]
                frames += segments
                octets += size
            # The header of a frame lies in one MDL.
            if mdl.MappedSystemVa[offset] & NIC_GROUP_BIT:
                destination = bytes(mdl.MappedSystemVa[offset : offset + ETH_LENGTH_OF_ADDRESS])
                NICCountGroup(counters, int.from_bytes(destination, "little") == NIC_BROADCAST, length)
            buffer = buffer.Next
        unfinished = len(descriptors) - len(lists) - (buffer is None)
        if unfinished:
            lists += [None] * unfinished
        if buffer is not None:
            break
        lists.append(nbl)
        nbl.Next, nbl = None, nbl.Next
        if nbl is not None:
            buffer = nbl.FirstNetBuffer
    if descriptors:
        NICStoreTransmitted(Queue, lists, frames, octets)
        VnicTransmitOffloads(nic, Queue.Number, descriptors, words)
    if nbl is not None or Queue.SendsWait:
        NICLetWait(Queue, nbl, Last if nbl is not None else None, buffer)


__all__ = [
    "NIC_MANY",
    "NICAllFor",
    "NICAsks",
    "NICDescribe",
    "NICJoin",
    "NICSeparate",
    "NICSortSends",
    "NICStoreTransmitted",
    "NICTransmit",
]
