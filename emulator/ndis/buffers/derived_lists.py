"""NET_BUFFER_LISTs that are derived from others: clones, fragments, reassembled ones.

Law: a derived list describes its parent's data and copies none; its NET_BUFFERs and MDLs are NDIS's, and go when the
function frees it that belongs to the one that made it.  What it was made of is a block of nonpaged pool, so that any
context can free it, and one that was not freed shows among the live allocations of its driver.  The parent keeps its
owner and may not be handed on meanwhile (ownership.py).  Source: nbl.md of the dossier, section 4.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from emulator.kernel.platform import current
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis.absent import not_implemented
from emulator.ndis.buffers.buffer_pools import RECORDS_TAG, BufferPool, find_pool
from emulator.ndis.buffers.data_access import advance, buffers_of, extents, retreat
from emulator.ndis.buffers.mdl import MDL_MADE_BY_NDIS, MDL_PARTIAL, make, release
from emulator.ndis.buffers.net_buffers import MDL, NET_BUFFER, NET_BUFFER_LIST, NO_INITIAL_CONTEXT, mdl_pointer
from emulator.ndis.buffers.ownership import add_child, remove_child, wrong_free
from emulator.ndis.buffers.pools import (
    NdisFreeNetBuffer,
    NdisFreeNetBufferList,
    make_pool,
    take_buffer,
    take_list,
    wrong_kind,
)
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.constants import NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS
from emulator.ndis.headers.handles import NetBufferListPoolHandle, NetBufferPoolHandle
from emulator.ndis.headers.status import NDIS_STATUS_SUCCESS
from emulator.ndis.headers.structures_common import NET_BUFFER_LIST_POOL_PARAMETERS, NET_BUFFER_POOL_PARAMETERS
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emulator.kernel.context import Context

_RULES: Final = ("Irql_NetBuffer_Function",)
_TAG: Final = int.from_bytes(b"NDdl", "little")
_RECORD: Final = struct.Struct("<QIII")
_NDIS_OWN: Final = MDL_PARTIAL | MDL_MADE_BY_NDIS

Extents = list[tuple[int, int]]
"""Address and length of each piece of a NET_BUFFER's data."""


class Kind(IntEnum):
    """How a list was derived."""

    CLONE = 1
    FRAGMENT = 2
    REASSEMBLED = 3


MAKERS: Final = {
    Kind.CLONE: "NdisAllocateCloneNetBufferList",
    Kind.FRAGMENT: "NdisAllocateFragmentNetBufferList",
    Kind.REASSEMBLED: "NdisAllocateReassembledNetBufferList",
}
FREERS: Final = {
    Kind.CLONE: "NdisFreeCloneNetBufferList",
    Kind.FRAGMENT: "NdisFreeFragmentNetBufferList",
    Kind.REASSEMBLED: "NdisFreeReassembledNetBufferList",
}


class Derivation(NamedTuple):
    """What a list was made of: the parent's word, how, and the arguments that its freeing must repeat."""

    parent: int
    kind: int
    flags: int
    delta: int


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    acquires="clone NET_BUFFER_LIST",
    page="nf-nblapi-ndisallocateclonenetbufferlist",
)
def NdisAllocateCloneNetBufferList(
    OriginalNetBufferList: NET_BUFFER_LIST,
    NetBufferListPoolHandle: NetBufferListPoolHandle | None,
    NetBufferPoolHandle: NetBufferPoolHandle | None,
    AllocateCloneFlags: int,
    /,
) -> NET_BUFFER_LIST | None:
    """A list that describes the same used data, through new MDLs or, with USE_ORIGINAL_MDLS, through the same ones.

    Without a pool handle NDIS takes its own pool.  Parent pointer, child count and out-of-band information are the
    caller's to set.  None (NULL) when there is no memory.
    """
    if AllocateCloneFlags & ~NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS:
        not_implemented("NdisAllocateCloneNetBufferList", f"AllocateCloneFlags {AllocateCloneFlags:#x}")
    sources = list(buffers_of(OriginalNetBufferList))
    making = _Making(Kind.CLONE, OriginalNetBufferList, NetBufferListPoolHandle, NetBufferPoolHandle)
    making.flags = AllocateCloneFlags
    if not AllocateCloneFlags & NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS:
        return making.list_of(extents(buffer, 0, buffer.DataLength) for buffer in sources)
    nbl = making.list_of([] for _ in sources)
    if nbl is not None:
        for buffer, source in zip(buffers_of(nbl), sources, strict=True):
            buffer.MdlChain = buffer.CurrentMdl = source.CurrentMdl
            buffer.DataOffset = buffer.CurrentMdlOffset = source.CurrentMdlOffset
            buffer.DataLength = source.DataLength
    return nbl


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    releases="clone NET_BUFFER_LIST",
    page="nf-nblapi-ndisfreeclonenetbufferlist",
)
def NdisFreeCloneNetBufferList(CloneNetBufferList: NET_BUFFER_LIST, FreeCloneFlags: int, /) -> None:
    """Free a clone with the flags that it was made with."""
    _free(CloneNetBufferList, Kind.CLONE, FreeCloneFlags, 0)


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    acquires="fragment NET_BUFFER_LIST",
    page="nf-nblapi-ndisallocatefragmentnetbufferlist",
)
def NdisAllocateFragmentNetBufferList(
    OriginalNetBufferList: NET_BUFFER_LIST,
    NetBufferListPool: NetBufferListPoolHandle | None,
    NetBufferPool: NetBufferPoolHandle | None,
    StartOffset: int,
    MaximumLength: int,
    DataOffsetDelta: int,
    DataBackFill: int,
    AllocateFragmentFlags: int,
    /,
) -> NET_BUFFER_LIST | None:
    """A list whose NET_BUFFERs have at most ``MaximumLength`` bytes of one NET_BUFFER of the original each.

    Each begins after ``StartOffset`` bytes and is retreated by ``DataOffsetDelta``.  None (NULL) when there is no
    memory, and when there is nothing to fragment.
    """
    if AllocateFragmentFlags:
        not_implemented("NdisAllocateFragmentNetBufferList", f"AllocateFragmentFlags {AllocateFragmentFlags:#x}")
    making = _Making(Kind.FRAGMENT, OriginalNetBufferList, NetBufferListPool, NetBufferPool)
    making.delta, making.back_fill = DataOffsetDelta, DataBackFill
    pieces = [
        extents(buffer, start, min(MaximumLength, buffer.DataLength - start))
        for buffer in buffers_of(OriginalNetBufferList)
        if MaximumLength > 0
        for start in range(StartOffset, buffer.DataLength, MaximumLength)
    ]
    if not pieces:
        tell_refusal(current.context, "NdisAllocateFragmentNetBufferList", "there is nothing to fragment")
        return None
    return making.list_of(pieces)


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    releases="fragment NET_BUFFER_LIST",
    page="nf-nblapi-ndisfreefragmentnetbufferlist",
)
def NdisFreeFragmentNetBufferList(
    FragmentNetBufferList: NET_BUFFER_LIST, DataOffsetDelta: int, FreeFragmentFlags: int, /
) -> None:
    """Advance the NET_BUFFERs by ``DataOffsetDelta``, as they were retreated when they were made, and free the list."""
    _free(FragmentNetBufferList, Kind.FRAGMENT, FreeFragmentFlags, DataOffsetDelta)


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    acquires="reassembled NET_BUFFER_LIST",
    page="nf-nblapi-ndisallocatereassemblednetbufferlist",
)
def NdisAllocateReassembledNetBufferList(
    FragmentNetBufferList: NET_BUFFER_LIST,
    NetBufferAndNetBufferListPoolHandle: NetBufferListPoolHandle | None,
    StartOffset: int,
    DataOffsetDelta: int,
    DataBackFill: int,
    AllocateReassembleFlags: int,
    /,
) -> NET_BUFFER_LIST | None:
    """A list of one NET_BUFFER with the data of all NET_BUFFERs of another, without the first ``StartOffset`` of each.

    It is retreated by ``DataOffsetDelta``.  A pool has fAllocateNetBuffer TRUE and DataSize 0.
    """
    if AllocateReassembleFlags:
        not_implemented("NdisAllocateReassembledNetBufferList", f"AllocateReassembleFlags {AllocateReassembleFlags:#x}")
    making = _Making(Kind.REASSEMBLED, FragmentNetBufferList, NetBufferAndNetBufferListPoolHandle, None)
    making.delta, making.back_fill = DataOffsetDelta, DataBackFill
    if not making.lists.combined:
        wrong_kind(making.lists.handle, making.name, "fAllocateNetBuffer TRUE and DataSize 0")
    joined: Extents = []
    for buffer in buffers_of(FragmentNetBufferList):
        joined.extend(extents(buffer, StartOffset, buffer.DataLength - StartOffset))
    return making.list_of([joined])


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    releases="reassembled NET_BUFFER_LIST",
    page="nf-nblapi-ndisfreereassemblednetbufferlist",
)
def NdisFreeReassembledNetBufferList(
    ReassembledNetBufferList: NET_BUFFER_LIST, DataOffsetDelta: int, FreeReassembleFlags: int, /
) -> None:
    """Advance the NET_BUFFER by ``DataOffsetDelta``, as it was retreated when it was made, and free the list."""
    _free(ReassembledNetBufferList, Kind.REASSEMBLED, FreeReassembleFlags, DataOffsetDelta)


class _Making:
    """One derivation: where its parts come from, and what it leaves of them when there is no memory: nothing."""

    def __init__(self, kind: Kind, original: NET_BUFFER_LIST, lists: int | None, buffers: int | None) -> None:
        context = current.context
        self.context: Context = context
        self.kind = kind
        self.original = original
        self.name = MAKERS[kind]
        self.lists = own_pool(context, HandleKind.NET_BUFFER_LIST_POOL, self.name, lists)
        self.buffers = buffers
        if buffers:  # a list brings its first NET_BUFFER along, and the handle may never be needed
            own_pool(context, HandleKind.NET_BUFFER_POOL, self.name, buffers)
        self.flags = self.delta = self.back_fill = 0
        self.done: list[NET_BUFFER] = []

    def list_of(self, pieces: Iterable[Extents]) -> NET_BUFFER_LIST | None:
        """The list whose NET_BUFFERs have this data each."""
        context = self.context
        machine = context.machine
        pointer = machine.pool.allocate(
            _RECORD.size, tag=_TAG, type_number=0, site=context.site, driver=context.driver, owner=0
        )
        nbl = take_list(context, self.lists) if pointer is not None else None
        if nbl is None or pointer is None:
            if pointer is not None:
                machine.pool.free(pointer, site=context.site)
            return None
        nbl._derived = pointer
        nbl.Context, nbl._context = None, NO_INITIAL_CONTEXT
        made = Derivation(self.original._word, self.kind, self.flags, self.delta)
        _RECORD.pack_into(machine.arena.memory, pointer & OFFSET_MASK, *made)
        if machine.checked:
            add_child(context, self.original, self.name)
        last: NET_BUFFER | None = None
        for piece in pieces:
            buffer = self._buffer(nbl if last is None else None)
            if buffer is None:
                self._failed(nbl, made)
                return None
            if last is None:
                nbl.FirstNetBuffer = buffer
            else:
                last.Next = buffer
            last = buffer
            if not self._describe(buffer, piece):
                self._failed(nbl, made)
                return None
            self.done.append(buffer)
        return nbl

    def _buffer(self, nbl: NET_BUFFER_LIST | None) -> NET_BUFFER | None:
        """A NET_BUFFER without data; that of the list itself where it has one, unless it was taken already."""
        own = nbl._buffer if nbl is not None else None
        if own is None:
            pool = own_pool(self.context, HandleKind.NET_BUFFER_POOL, self.name, self.buffers)
            return take_buffer(self.context, pool, None, 0, 0)
        own.Next = own.MdlChain = own.CurrentMdl = None
        own.DataOffset = own.CurrentMdlOffset = own.DataLength = 0
        return own

    def _describe(self, buffer: NET_BUFFER, piece: Extents) -> bool:
        last: MDL | None = None
        for address, length in piece:
            mdl = make(self.context, 0, address, length, _NDIS_OWN)
            if mdl is None:
                return False
            if last is None:
                buffer.MdlChain = buffer.CurrentMdl = mdl
            else:
                last.Next = mdl
            buffer.DataLength += length
            last = mdl
        return not self.delta or retreat(buffer, self.delta, self.back_fill, None) == NDIS_STATUS_SUCCESS

    def _failed(self, nbl: NET_BUFFER_LIST, made: Derivation) -> None:
        if made.delta:
            for buffer in self.done:
                advance(buffer, made.delta, True, None)
        _take_apart(self.context, nbl, made)
        NdisFreeNetBufferList(nbl)


def own_pool(context: Context, kind: HandleKind, name: str, handle: int | None = None) -> BufferPool:
    """NDIS's own pool of a kind, or the pool of a handle where there is one."""
    path = data_path(context)
    if handle:
        return find_pool(path, handle, kind, name)
    own = path.own_pools.get(kind)
    if own is None:
        table = context.machine.objects[kind]
        found = (
            handle
            for handle, record in table.live()
            if record.head.kind == kind and not record.head.driver and record.tag == RECORDS_TAG
        )
        made = next(found, None) or make_pool(context, kind, None, _PARAMETERS[kind], driver=0)
        own = path.own_pools[kind] = find_pool(path, made, kind, name)
    return own


_PARAMETERS: Final[dict[HandleKind, Any]] = {
    HandleKind.NET_BUFFER_LIST_POOL: NET_BUFFER_LIST_POOL_PARAMETERS(fAllocateNetBuffer=True, PoolTag=RECORDS_TAG),
    HandleKind.NET_BUFFER_POOL: NET_BUFFER_POOL_PARAMETERS(PoolTag=RECORDS_TAG),
}


def _free(nbl: NET_BUFFER_LIST, kind: Kind, flags: int, delta: int) -> None:
    context = current.context
    if nbl._derived is None:
        if context.machine.checked:
            wrong_free(context, nbl, f"{FREERS[kind]} was given a NET_BUFFER_LIST that {MAKERS[kind]} did not make.")
        NdisFreeNetBufferList(nbl)
        return
    made = derivation(context, nbl)
    if context.machine.checked:
        _check(context, nbl, made, Derivation(made.parent, kind, flags, delta))
    if made.delta:
        for buffer in buffers_of(nbl):
            advance(buffer, made.delta, True, None)
    _take_apart(context, nbl, made)
    NdisFreeNetBufferList(nbl)


def _check(context: Context, nbl: NET_BUFFER_LIST, made: Derivation, given: Derivation) -> None:
    if made.kind != given.kind:
        wrong_free(
            context,
            nbl,
            f"{FREERS[Kind(given.kind)]} was given a NET_BUFFER_LIST that {MAKERS[Kind(made.kind)]} made; "
            f"{FREERS[Kind(made.kind)]} frees it.",
        )
    if made != given:
        what, was, now = (
            ("flags", made.flags, given.flags) if made.flags != given.flags else ("delta", made.delta, given.delta)
        )
        wrong_free(
            context,
            nbl,
            f"{FREERS[Kind(made.kind)]} was given the {what} {now:#x}; {MAKERS[Kind(made.kind)]} had {was:#x}.",
        )
    for buffer in buffers_of(nbl):
        if made.delta > buffer.DataLength:
            wrong_free(context, nbl, f"{FREERS[Kind(made.kind)]}: a NET_BUFFER has been advanced by its driver.")


def derivation(context: Context, nbl: NET_BUFFER_LIST) -> Derivation:
    """What a derived list was made of."""
    return Derivation(*_RECORD.unpack_from(context.machine.arena.memory, (nbl._derived or 0) & OFFSET_MASK))


def freed_as_plain(context: Context, nbl: NET_BUFFER_LIST) -> None:
    """NdisFreeNetBufferList was given a derived list: a stop, and in the free build all of it goes."""
    made = derivation(context, nbl)
    if context.machine.checked:
        kind = Kind(made.kind)
        wrong_free(
            context,
            nbl,
            f"NdisFreeNetBufferList was given a NET_BUFFER_LIST that {MAKERS[kind]} made; {FREERS[kind]} frees it.",
        )
    _take_apart(context, nbl, made)


def _take_apart(context: Context, nbl: NET_BUFFER_LIST, made: Derivation) -> None:
    """Free the MDLs and NET_BUFFERs that NDIS made; what is left is a list as its pool has it."""
    if nbl.Context is not None and context.machine.checked:
        wrong_free(context, nbl, "A derived NET_BUFFER_LIST was freed with context areas that its driver added to it.")
    buffer = nbl.FirstNetBuffer
    while buffer is not None:
        following = buffer.Next
        if not made.flags & NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS:
            _free_mdls(context, buffer)
        if buffer is not nbl._buffer:
            buffer.Next = buffer.MdlChain = buffer.CurrentMdl = None
            NdisFreeNetBuffer(buffer)
        buffer = following
    nbl.FirstNetBuffer = nbl._buffer
    context.machine.pool.free(nbl._derived or 0, site=context.site)
    nbl._pool.make_plain(nbl)
    if context.machine.checked:
        remove_child(context, made.parent)


def _free_mdls(context: Context, buffer: NET_BUFFER) -> None:
    for mdl in list(_chain(buffer.MdlChain)):
        if mdl.MdlFlags & _NDIS_OWN == _NDIS_OWN:
            release(context, mdl)
        elif context.machine.checked:
            _foreign_mdl(context, mdl)


def _chain(first: MDL | None) -> Iterator[MDL]:
    while first is not None:
        following = first.Next
        yield first
        first = following


def _foreign_mdl(context: Context, mdl: MDL) -> NoReturn:
    block = context.machine.pool.header(mdl_pointer(mdl._word))
    stop(
        0x7C,
        0x1E,
        0,
        mdl._word,
        text="A derived NET_BUFFER_LIST was freed with an MDL in its chain that NDIS did not put there; whoever adds "
        "one takes it out again.",
        sites=[site_of(context, "allocated", block.allocated_site)] if block is not None else [],
    )


__all__ = [
    "NdisAllocateCloneNetBufferList",
    "NdisAllocateFragmentNetBufferList",
    "NdisAllocateReassembledNetBufferList",
    "NdisFreeCloneNetBufferList",
    "NdisFreeFragmentNetBufferList",
    "NdisFreeReassembledNetBufferList",
]
