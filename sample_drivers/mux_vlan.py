"""What mux does with lists: tags put in and taken off, lists that carry others, and whom a frame is for.

Law: as in a header file, nothing here keeps state and nothing is called by NDIS; the handlers are in mux.py.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.ndis import *

if TYPE_CHECKING:
    from sample_drivers.mux import ADAPT, VELAN

MUX_TAG: Final = int.from_bytes(b"xuM ", "little")
MUX_MOST_VELANS: Final = 8
MUX_MAXIMUM_FRAME: Final = 1518
MUX_ADDRESSES: Final = 12
MUX_TAGGED_HEADER: Final = 16
MUX_VLAN_TAG: Final = 4
MUX_TPID: Final = 0x8100
MUX_NO_VLAN: Final = 0
"""The id of the adapter for frames without a tag."""
MUX_MOST_VLAN_ID: Final = 4094
MUX_BROADCAST: Final = b"\xff" * 6
MUX_SAVED: Final = Struct("<QQ")
"""What is kept in a list's context while it is below: its SourceHandle, and which VELAN it is of."""


class MUX_FRAME(NamedTuple):
    """What mux looks at in a received frame; Tagged: the tag is in its bytes rather than beside them."""

    Destination: bytes
    VlanId: int
    Priority: int
    Tagged: bool


def MuxRead(Frame: NET_BUFFER_LIST) -> MUX_FRAME | None:
    """Whom a received frame is for, and over which VLAN; None for one that is too short."""
    frame, storage = Frame.FirstNetBuffer, bytearray(MUX_TAGGED_HEADER)
    header = NdisGetDataBuffer(frame, MUX_TAGGED_HEADER, storage, 1, 0) if frame is not None else None
    if header is None:
        return None
    destination, tag = bytes(header[:6]), int.from_bytes(header[14:16])
    if int.from_bytes(header[12:14]) == MUX_TPID:
        return MUX_FRAME(destination, tag & 0xFFF, tag >> 13, True)
    beside = NET_BUFFER_LIST_INFO(Frame, Ieee8021QNetBufferListInfo) or 0
    return MUX_FRAME(destination, beside >> 4 & 0xFFF, beside & 7, False)


def MuxTag(Frame: NET_BUFFER_LIST, VlanId: int) -> bytes | None:
    """The tag of a frame that is sent over a VLAN, with the priority beside it; None when it says another VLAN."""
    beside = NET_BUFFER_LIST_INFO(Frame, Ieee8021QNetBufferListInfo) or 0
    if beside >> 4 & 0xFFF not in (0, VlanId):
        return None
    return (MUX_TPID << 16 | (beside & 7) << 13 | VlanId).to_bytes(MUX_VLAN_TAG)


def MuxCopyTagged(Adapt: ADAPT, Frame: NET_BUFFER_LIST, VlanId: int) -> NET_BUFFER_LIST | None:
    """A list with memory of its own: every NET_BUFFER of a list that is sent, with the tag behind the addresses."""
    tag, buffer = MuxTag(Frame, VlanId), Frame.FirstNetBuffer
    copy = NdisAllocateNetBufferList(Adapt.SendLists, 0, 0) if tag is not None else None
    last: NET_BUFFER | None = None
    while copy is not None and tag is not None and buffer is not None:
        out = copy.FirstNetBuffer if last is None else NdisAllocateNetBufferMdlAndData(Adapt.SendBuffers)
        length = buffer.DataLength + MUX_VLAN_TAG
        if out is not None and last is not None:
            last.Next = out
        if out is None or not MUX_ADDRESSES <= buffer.DataLength <= MUX_MAXIMUM_FRAME - MUX_VLAN_TAG:
            MuxFreeTagged(copy)
            return None
        out.DataLength, last = length, out
        header = NdisGetDataBuffer(out, MUX_TAGGED_HEADER, None, 1, 0)
        rest = buffer.DataLength - MUX_ADDRESSES
        NdisCopyFromNetBufferToNetBuffer(out, 0, MUX_ADDRESSES, buffer, 0)
        NdisCopyFromNetBufferToNetBuffer(out, MUX_TAGGED_HEADER, rest, buffer, MUX_ADDRESSES)
        if header is not None:
            header[MUX_ADDRESSES:MUX_TAGGED_HEADER] = tag
        buffer = buffer.Next
    return copy


def MuxFreeTagged(Copy: NET_BUFFER_LIST) -> None:
    """Free what MuxCopyTagged has made; the first NET_BUFFER goes with its list."""
    first = Copy.FirstNetBuffer
    more = first.Next if first is not None else None
    if first is not None:
        first.Next = None
    NdisFreeNetBufferList(Copy)
    while more is not None:
        following = more.Next
        more.Next = None
        NdisFreeNetBuffer(more)
        more = following


def MuxReceiveList(Adapt: ADAPT, Frame: NET_BUFFER_LIST, Read: MUX_FRAME, Lent: bool) -> NET_BUFFER_LIST | None:
    """A list that carries a received frame up without its tag: on the frame's own memory, or on a copy."""
    frame = Frame.FirstNetBuffer
    header = NdisGetDataBuffer(frame, MUX_TAGGED_HEADER, None, 1, 0) if frame is not None else None
    if frame is None or frame.DataLength > MUX_MAXIMUM_FRAME:
        return None
    cut = MUX_VLAN_TAG if Read.Tagged else 0
    if Lent or header is None:
        nbl = NdisAllocateNetBufferList(Adapt.ReceiveCopies, 0, 0)
        if nbl is None or nbl.FirstNetBuffer is None:
            return None
        nbl.NetBufferListInfo[Ieee8021QNetBufferListInfo] = Read.Priority | Read.VlanId << 4
        nbl.FirstNetBuffer.DataLength, rest = frame.DataLength - cut, frame.DataLength - MUX_ADDRESSES - cut
        NdisCopyFromNetBufferToNetBuffer(nbl.FirstNetBuffer, 0, MUX_ADDRESSES, frame, 0)
        NdisCopyFromNetBufferToNetBuffer(nbl.FirstNetBuffer, MUX_ADDRESSES, rest, frame, MUX_ADDRESSES + cut)
        return nbl
    nbl = NdisAllocateNetBufferAndNetBufferList(Adapt.ReceiveLists, 0, 0, None, 0, 0)
    if nbl is None or nbl.FirstNetBuffer is None:
        return None
    if cut:
        header[cut:MUX_TAGGED_HEADER] = bytes(header[:MUX_ADDRESSES])
    buffer = nbl.FirstNetBuffer
    buffer.MdlChain = buffer.CurrentMdl = frame.CurrentMdl
    buffer.DataOffset = buffer.CurrentMdlOffset = frame.CurrentMdlOffset + cut
    buffer.DataLength = frame.DataLength - cut
    nbl.NetBufferListInfo[Ieee8021QNetBufferListInfo] = Read.Priority | Read.VlanId << 4
    Frame.Next = None
    nbl.MiniportReserved[0] = Frame
    return nbl


def MuxWants(Velan: VELAN, Destination: bytes) -> bool:
    """Does the VELAN's packet filter let a frame through?"""
    wanted = Velan.PacketFilter
    if wanted & NDIS_PACKET_TYPE_PROMISCUOUS:
        return True
    if not Destination[0] & 1:
        return wanted & NDIS_PACKET_TYPE_DIRECTED != 0 and Destination == Velan.Address
    if Destination == MUX_BROADCAST:
        return wanted & NDIS_PACKET_TYPE_BROADCAST != 0
    if not wanted & NDIS_PACKET_TYPE_MULTICAST:
        return wanted & NDIS_PACKET_TYPE_ALL_MULTICAST != 0
    groups = Velan.MulticastList
    return any(groups[place * 6 : place * 6 + 6] == Destination for place in range(Velan.MulticastCount))


def MuxLists(Chain: NET_BUFFER_LIST | None) -> list[Any]:
    """The lists of a chain."""
    lists = []
    while Chain is not None:
        lists.append(Chain)
        Chain = Chain.Next
    return lists


def MuxLink(Lists: list[Any]) -> NET_BUFFER_LIST:
    """One chain of lists, in their order."""
    last: Any = None
    for nbl in reversed(Lists):
        nbl.Next, last = last, nbl
    first: NET_BUFFER_LIST = last
    return first


def MuxDown(Velan: VELAN, Adapt: ADAPT, Nbl: NET_BUFFER_LIST) -> NET_BUFFER_LIST | None:
    """What goes down in place of a list; None when it cannot."""
    if Velan.VlanId != MUX_NO_VLAN:
        copy = MuxCopyTagged(Adapt, Nbl, Velan.VlanId)
        if copy is not None:
            Nbl.Next = None
            copy.SourceHandle = Adapt.Handle
            copy.ProtocolReserved[0], copy.ProtocolReserved[1] = Nbl, Velan
        return copy
    if NdisAllocateNetBufferListContext(Nbl, MUX_SAVED.size, 0, MUX_TAG) != NDIS_STATUS_SUCCESS:
        return None
    saved = NET_BUFFER_LIST_CONTEXT_DATA_START(Nbl)
    saved[0 : MUX_SAVED.size] = MUX_SAVED.pack(Nbl.SourceHandle or 0, Velan.Place)
    Nbl.SourceHandle = Adapt.Handle
    return Nbl


def MuxUp(Adapt: ADAPT, Nbl: NET_BUFFER_LIST) -> tuple[NET_BUFFER_LIST, int]:
    """What comes back from below as it came from above, and the place of the VELAN that it is of."""
    original: NET_BUFFER_LIST
    if NdisGetPoolFromNetBufferList(Nbl) == Adapt.SendLists:
        original, place = Nbl.ProtocolReserved[0], Nbl.ProtocolReserved[1].Place
        original.Status = Nbl.Status
        MuxFreeTagged(Nbl)
        return original, place
    saved = NET_BUFFER_LIST_CONTEXT_DATA_START(Nbl)
    Nbl.SourceHandle, place = MUX_SAVED.unpack(bytes(saved[0 : MUX_SAVED.size]))
    NdisFreeNetBufferListContext(Nbl, MUX_SAVED.size)
    return Nbl, place


def MuxFramesOf(Lists: list[Any]) -> list[Any]:
    """Free lists of MuxReceiveList; the frames that they have carried."""
    frames = []
    for nbl in Lists:
        frame = nbl.MiniportReserved[0]
        if frame is not None:
            frames.append(frame)
            nbl.MiniportReserved[0] = None
        NdisFreeNetBufferList(nbl)
    return frames


def MuxGiveBack(Adapt: ADAPT, Frames: list[Any], Flags: int) -> None:
    """Return received frames to the adapter below."""
    if Frames:
        NdisReturnNetBufferLists(Adapt.Handle, MuxLink(Frames), Flags)
        MuxAdaptDereference(Adapt, len(Frames))


def MuxAdaptDereference(Adapt: ADAPT, Count: int) -> None:
    """Give references back; the last one says that a pause may go on."""
    if Count and InterlockedExchangeAdd(Adapt.Outstanding, -Count) == Count:
        NdisSetEvent(Adapt.Done)


def MuxVelanDereference(Velan: VELAN, Count: int) -> None:
    """Give references back; the last one completes a pause that waits for it."""
    if InterlockedExchangeAdd(Velan.Outstanding, -Count) == Count and InterlockedExchange(Velan.PausePending, 0):
        NdisMPauseComplete(Velan.Handle)


def MuxEnter(Adapt: ADAPT, Velan: VELAN, VlanId: int) -> None:
    """Give a VELAN its place among the others of its adapter."""
    NdisZeroMemory(Velan, sizeof(type(Velan)))
    NdisInitializeEvent(Velan.Idle)
    Velan.Adapt, Velan.VlanId, Velan.Place, Velan.Address = Adapt, VlanId, Adapt.VelanCount, Adapt.Address
    Adapt.Velans[Adapt.VelanCount] = Velan
    Adapt.VelanCount += 1


def MuxName(Adapt: ADAPT, VlanId: int) -> str:
    """The name of a virtual adapter."""
    name = bytes(Adapt.Name).rstrip(b"\0").decode()
    return f"{name}.{VlanId}"
