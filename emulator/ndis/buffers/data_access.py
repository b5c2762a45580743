"""Reaching the bytes of a NET_BUFFER: data buffers, retreat and advance, copies, out-of-band information.

Law: DataOffset is always the bytes of the MDLs in front of CurrentMdl plus CurrentMdlOffset.  Source: nbl.md of the
dossier, section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory
from emulator.kernel.stop import stop
from emulator.ndis.buffers.mdl import MDL_MADE_BY_NDIS, MDL_PARTIAL, make, make_with_data, release
from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER, NET_BUFFER_LIST
from emulator.ndis.buffers.pools import settle
from emulator.ndis.gates.ddi import GateKind, ddi
from emulator.ndis.headers.constants import NetBufferListProtocolId
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.rules.irql import ANY, AT_MOST_DISPATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RULES = ("Irql_NetBuffer_Function",)
_PAGE_SHIFT = 12
_PAGE_MASK = 0xFFF

SEND_INFO = (0, 1, 2, 4, 5, 6, 7, 11, 12, 14, 20)
"""Out-of-band slots that NdisCopySendNetBufferListInfo copies (nbl.md, section 6)."""
RECEIVE_INFO = (0, 1, 2, 4, 6, 7, 8, 9, 11, 12, 14, 20)
"""Out-of-band slots that NdisCopyReceiveNetBufferListInfo copies."""


class CopiedNetBuffer(NamedTuple):
    """What NdisCopyFromNetBufferToNetBuffer gives."""

    Status: NDIS_STATUS
    BytesCopied: int


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisgetdatabuffer", gate=GateKind.LEAF)
def NdisGetDataBuffer(
    NetBuffer: NET_BUFFER, BytesNeeded: int, Storage: Any, AlignMultiple: int, AlignOffset: int, /
) -> memoryview | None:
    """``BytesNeeded`` contiguous bytes from the start of the used data: the data themselves where they are contiguous
    and aligned, else a copy in ``Storage``.

    None (NULL) when there are fewer or none is needed, or when a copy is needed and ``Storage`` is None.
    """
    if not BytesNeeded or BytesNeeded > NetBuffer.DataLength:
        return None
    mdl: MDL = NetBuffer.CurrentMdl  # type: ignore[assignment]
    start = NetBuffer.CurrentMdlOffset
    end = start + BytesNeeded
    if end <= mdl.ByteCount and (AlignMultiple == 1 or _aligned(mdl._address + start, AlignMultiple, AlignOffset)):
        return mdl.MappedSystemVa[start:end]
    if Storage is None:
        return None
    copy = writable(Storage)[:BytesNeeded]
    gather(NetBuffer, 0, copy)
    return copy


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisretreatnetbufferdatastart")
def NdisRetreatNetBufferDataStart(
    NetBuffer: NET_BUFFER,
    DataOffsetDelta: int,
    DataBackFill: int,
    AllocateMdlHandler: Callable[[int], MDL | None] | None,
    /,
) -> NDIS_STATUS:
    """Move the start of the used data ``DataOffsetDelta`` bytes towards the front.

    Unused space in front is taken; where it is too small a new MDL holds the bytes, contiguous, with ``DataBackFill``
    unused bytes before them.  SUCCESS or RESOURCES.
    """
    return retreat(NetBuffer, DataOffsetDelta, DataBackFill, AllocateMdlHandler)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisretreatnetbufferlistdatastart")
def NdisRetreatNetBufferListDataStart(
    NetBufferList: NET_BUFFER_LIST,
    DataOffsetDelta: int,
    DataBackFill: int,
    AllocateMdlHandler: Callable[[int], MDL | None] | None,
    FreeMdlHandler: Callable[[MDL], None] | None,
    /,
) -> NDIS_STATUS:
    """Retreat every NET_BUFFER of a list; where one fails those done before are advanced again."""
    done: list[NET_BUFFER] = []
    for buffer in buffers_of(NetBufferList):
        status = retreat(buffer, DataOffsetDelta, DataBackFill, AllocateMdlHandler)
        if status != NDIS_STATUS_SUCCESS:
            for other in done:
                advance(other, DataOffsetDelta, True, FreeMdlHandler)
            return status
        done.append(buffer)
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisadvancenetbufferdatastart")
def NdisAdvanceNetBufferDataStart(
    NetBuffer: NET_BUFFER, DataOffsetDelta: int, FreeMdl: bool, FreeMdlHandler: Callable[[MDL], None] | None, /
) -> None:
    """Move the start of the used data towards the end; ``FreeMdl`` frees MDLs of a retreat that are unused then."""
    advance(NetBuffer, DataOffsetDelta, FreeMdl, FreeMdlHandler)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisadvancenetbufferlistdatastart")
def NdisAdvanceNetBufferListDataStart(
    NetBufferList: NET_BUFFER_LIST,
    DataOffsetDelta: int,
    FreeMdl: bool,
    FreeMdlMdlHandler: Callable[[MDL], None] | None,
    /,
) -> None:
    """Advance every NET_BUFFER of a list."""
    for buffer in buffers_of(NetBufferList):
        advance(buffer, DataOffsetDelta, FreeMdl, FreeMdlMdlHandler)


@ddi(
    irql=ANY,
    page="nf-nblapi-ndisadjustnetbuffercurrentmdl",
    note="page: any level; header: <= DISPATCH_LEVEL",
    gate=GateKind.LEAF,
)
def NdisAdjustNetBufferCurrentMdl(NetBuffer: NET_BUFFER, /) -> None:
    """Work out CurrentMdl and CurrentMdlOffset again from DataOffset and the MDL chain."""
    settle(NetBuffer)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndiscopyfromnetbuffertonetbuffer")
def NdisCopyFromNetBufferToNetBuffer(
    Destination: NET_BUFFER,
    DestinationOffset: int,
    BytesToCopy: int,
    Source: NET_BUFFER,
    SourceOffset: int,
    /,
) -> CopiedNetBuffer:
    """Copy used data to used data; as many bytes as both have from their offsets on."""
    count = min(BytesToCopy, Source.DataLength - SourceOffset, Destination.DataLength - DestinationOffset)
    if count <= 0:
        return CopiedNetBuffer(NDIS_STATUS_SUCCESS, 0)
    copied = bytearray(count)
    gather(Source, SourceOffset, memoryview(copied))
    done = 0
    for part in _pieces(Destination, DestinationOffset, count):
        part[:] = copied[done : done + len(part)]
        done += len(part)
    return CopiedNetBuffer(NDIS_STATUS_SUCCESS, done)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndiscopysendnetbufferlistinfo")
def NdisCopySendNetBufferListInfo(DestNetBufferList: NET_BUFFER_LIST, SrcNetBufferList: NET_BUFFER_LIST, /) -> None:
    """Copy the out-of-band information that goes with a send."""
    _copy_info(DestNetBufferList, SrcNetBufferList, SEND_INFO)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndiscopyreceivenetbufferlistinfo")
def NdisCopyReceiveNetBufferListInfo(DestNetBufferList: NET_BUFFER_LIST, SrcNetBufferList: NET_BUFFER_LIST, /) -> None:
    """Copy the out-of-band information that goes with a receive."""
    _copy_info(DestNetBufferList, SrcNetBufferList, RECEIVE_INFO)


@ddi(
    irql=ANY,
    page="nf-nblapi-ndisgetnetbufferlistprotocolid",
    note="page: any level; header: <= DISPATCH_LEVEL",
)
def NdisGetNetBufferListProtocolId(NetBufferList: NET_BUFFER_LIST, /) -> int:
    """The kind of protocol that made a list: what NdisSetNetBufferListProtocolId said, else what its pool says."""
    told: int = NetBufferList.NetBufferListInfo[NetBufferListProtocolId] & 0xFF
    return told or NetBufferList._pool.record.protocol & 0xFF


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisquerynetbufferphysicalcount")
def NdisQueryNetBufferPhysicalCount(NetBuffer: NET_BUFFER, /) -> int:
    """The largest number of pieces of physical memory that the used data may lie in: the pages that they touch."""
    pages = 0
    mdl, offset, rest = NetBuffer.CurrentMdl, NetBuffer.CurrentMdlOffset, NetBuffer.DataLength
    while mdl is not None and rest > 0:
        length = min(mdl.ByteCount - offset, rest)
        if length > 0:
            pages += ((mdl._address + offset & _PAGE_MASK) + length + _PAGE_MASK) >> _PAGE_SHIFT
        rest -= length
        mdl, offset = mdl.Next, 0
    return pages


def _aligned(address: int, multiple: int, offset: int) -> bool:
    return multiple <= 1 or address % multiple == offset


def writable(storage: Any) -> memoryview:
    """The bytes of what a driver gave as storage."""
    if isinstance(storage, Memory):
        return storage.view
    return memoryview(storage).cast("B")


def buffers_of(nbl: NET_BUFFER_LIST) -> Iterator[NET_BUFFER]:
    """The NET_BUFFERs of a list."""
    buffer = nbl.FirstNetBuffer
    while buffer is not None:
        yield buffer
        buffer = buffer.Next


def extents(buffer: NET_BUFFER, skip: int, count: int) -> list[tuple[int, int]]:
    """Address and length of each piece of the used data, without the first ``skip`` bytes, ``count`` bytes at most."""
    start = buffer.CurrentMdlOffset + skip
    return [(mdl._address + offset, length) for mdl, offset, length in parts(buffer.CurrentMdl, start, count)]


def _pieces(buffer: NET_BUFFER, skip: int, count: int) -> Iterator[memoryview]:
    for mdl, offset, length in parts(buffer.CurrentMdl, buffer.CurrentMdlOffset + skip, count):
        yield mdl.MappedSystemVa[offset : offset + length]


def parts(mdl: MDL | None, offset: int, count: int) -> Iterator[tuple[MDL, int, int]]:
    """Each MDL that ``count`` bytes of a chain lie in, from an offset on: where in it they begin, and how many."""
    while mdl is not None and count > 0:
        length = min(mdl.ByteCount - offset, count)
        if length > 0:
            yield mdl, offset, length
            count -= length
            offset = 0
        else:
            offset -= mdl.ByteCount
        mdl = mdl.Next


def gather(buffer: NET_BUFFER, skip: int, target: memoryview) -> None:
    """Copy used data, without the first ``skip`` bytes, as many as the target has room for."""
    place = 0
    for part in _pieces(buffer, skip, len(target)):
        target[place : place + len(part)] = part
        place += len(part)


def retreat(
    buffer: NET_BUFFER, delta: int, back_fill: int, allocate: Callable[[int], MDL | None] | None
) -> NDIS_STATUS:
    """Move the start of the used data towards the front: see NdisRetreatNetBufferDataStart."""
    if delta <= buffer.CurrentMdlOffset:
        buffer.CurrentMdlOffset -= delta
        buffer.DataOffset -= delta
        buffer.DataLength += delta
        return NDIS_STATUS_SUCCESS
    if delta <= buffer.DataOffset:
        buffer.DataOffset -= delta
        buffer.DataLength += delta
        settle(buffer)
        return NDIS_STATUS_SUCCESS
    context = current.context
    mdl = make_with_data(context, delta + back_fill) if allocate is None else allocate(delta + back_fill)
    if mdl is None:
        return NDIS_STATUS_RESOURCES
    mdl.MdlFlags |= MDL_MADE_BY_NDIS
    room = mdl.ByteCount - delta
    behind = buffer.CurrentMdl if buffer.DataOffset else buffer.MdlChain
    if buffer.DataOffset and behind is not None:
        # Unused bytes would lie between the new ones and the old: a partial MDL leaves them out until the advance.
        part = make(
            context,
            0,
            behind._address + buffer.CurrentMdlOffset,
            behind.ByteCount - buffer.CurrentMdlOffset,
            MDL_MADE_BY_NDIS | MDL_PARTIAL,
        )
        if part is None:
            _free_retreat(mdl, None)
            return NDIS_STATUS_RESOURCES
        part.Next = behind.Next
        mdl._hides = buffer.MdlChain
        behind = part
    mdl.Next = behind
    buffer.MdlChain = buffer.CurrentMdl = mdl
    buffer.DataOffset = buffer.CurrentMdlOffset = room
    buffer.DataLength += delta
    return NDIS_STATUS_SUCCESS


def advance(buffer: NET_BUFFER, delta: int, free: bool, handler: Callable[[MDL], None] | None) -> None:
    """Move the start of the used data towards the end: see NdisAdvanceNetBufferDataStart."""
    if not 0 <= delta <= buffer.DataLength:
        stop(
            0xC4,
            0xE5,
            delta,
            buffer.DataLength,
            text=f"A NET_BUFFER with {buffer.DataLength} bytes of used data was advanced by {delta}.",
        )
    buffer.DataOffset += delta
    buffer.DataLength -= delta
    mdl = buffer.MdlChain
    while free and mdl is not None and mdl.MdlFlags & MDL_MADE_BY_NDIS and mdl.ByteCount <= buffer.DataOffset:
        if mdl.MdlFlags & MDL_PARTIAL:
            break
        buffer.DataOffset -= mdl.ByteCount
        following = mdl.Next
        hidden = mdl._hides
        if hidden is not None and following is not None:
            buffer.DataOffset += _distance(hidden, following)
            release(current.context, following)
            following = hidden
        mdl._hides = None
        buffer.MdlChain = following
        _free_retreat(mdl, handler)
        mdl = following
    settle(buffer)


def _distance(chain: MDL, part: MDL) -> int:
    """Bytes of the chain in front of where a partial MDL begins."""
    before = 0
    mdl: MDL | None = chain
    while mdl is not None and not mdl._address <= part._address < mdl._address + mdl.ByteCount:
        before += mdl.ByteCount
        mdl = mdl.Next
    return before + (part._address - mdl._address if mdl is not None else 0)


def _free_retreat(mdl: MDL, handler: Callable[[MDL], None] | None) -> None:
    if handler is None:
        release(current.context, mdl)
    else:
        mdl.MdlFlags &= ~MDL_MADE_BY_NDIS
        handler(mdl)


def _copy_info(target: NET_BUFFER_LIST, source: NET_BUFFER_LIST, slots: tuple[int, ...]) -> None:
    if source._lists or target._lists:
        given, taken = source.NetBufferListInfo, target.NetBufferListInfo
        for slot in slots:
            taken[slot] = given[slot]


__all__ = [
    "NdisAdjustNetBufferCurrentMdl",
    "NdisAdvanceNetBufferDataStart",
    "NdisAdvanceNetBufferListDataStart",
    "NdisCopyFromNetBufferToNetBuffer",
    "NdisCopyReceiveNetBufferListInfo",
    "NdisCopySendNetBufferListInfo",
    "NdisGetDataBuffer",
    "NdisGetNetBufferListProtocolId",
    "NdisQueryNetBufferPhysicalCount",
    "NdisRetreatNetBufferDataStart",
    "NdisRetreatNetBufferListDataStart",
]
