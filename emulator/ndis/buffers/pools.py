"""Pools of NET_BUFFER_LISTs and NET_BUFFERs: making and freeing pools, allocating and freeing what is in them.

Law: an allocation sets the members that Microsoft documents and clears the out-of-band slots; all others are as they
were left.  Source: nbl.md of the dossier, section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import CallSite, site_of, stop
from emulator.kernel.waits import sleep_in_call, wake
from emulator.layout.handles import HandleKind
from emulator.layout.machine import DRIVER_SHIFT, ROUTINE_CELL, ContextKind, SlotState, SystemLock
from emulator.ndis.buffers.buffer_pools import (
    CLOSING,
    DIRECTORY_BYTES,
    FIRST_SEGMENT,
    RECORDS_TAG,
    SEGMENT_COUNT,
    STOCK_LIMIT,
    BufferPool,
    find_pool,
    forget_dead_pools,
)
from emulator.ndis.buffers.net_buffer_contexts import push_context
from emulator.ndis.buffers.net_buffers import (
    FREED_LIST,
    MDL,
    NET_BUFFER,
    NET_BUFFER_LIST,
    NOBODY,
    list_owner,
    list_site,
    memory_pointer,
    set_class,
)
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.buffers.ownership import bad_free, free_contexts
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.gates.ddi import GateKind, ddi
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.constants import MEMORY_ALLOCATION_ALIGNMENT
from emulator.ndis.headers.handles import NDIS_HANDLE, NetBufferListPoolHandle, NetBufferPoolHandle
from emulator.ndis.headers.structures_common import (
    NET_BUFFER_LIST_POOL_PARAMETERS,
    NET_BUFFER_POOL_PARAMETERS,
    structure_fault,
)
from emulator.ndis.services.memory import pool_tag
from emulator.rules.irql import AT_MOST_DISPATCH
from emulator.rules.nbl import LEAKED

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.data_path.datapath_state import DataPath

_RULES = ("Irql_NetBuffer_Function",)
_LIST_POOL = HandleKind.NET_BUFFER_LIST_POOL
_BUFFER_POOL = HandleKind.NET_BUFFER_POOL


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    acquires="NET_BUFFER_LIST pool",
    page="nf-nblapi-ndisallocatenetbufferlistpool",
)
def NdisAllocateNetBufferListPool(
    NdisHandle: NDIS_HANDLE | None, Parameters: NET_BUFFER_LIST_POOL_PARAMETERS, /
) -> NetBufferListPoolHandle | None:
    """Make a pool of NET_BUFFER_LISTs; None (NULL) for bad parameters (the log says which) or without memory."""
    context = current.context
    fault = structure_fault(Parameters)
    if fault is None and Parameters.ContextSize % MEMORY_ALLOCATION_ALIGNMENT:
        fault = f"ContextSize is {Parameters.ContextSize}, no multiple of MEMORY_ALLOCATION_ALIGNMENT"
    if fault is None and Parameters.DataSize and not Parameters.fAllocateNetBuffer:
        fault = "DataSize is not 0, and fAllocateNetBuffer is FALSE"
    owner = owner_of(context, NdisHandle, "NdisAllocateNetBufferListPool")
    handle = make_pool(context, _LIST_POOL, owner, Parameters, fault, driver=context.driver)
    return NetBufferListPoolHandle(handle) if handle is not None else None


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, acquires="NET_BUFFER pool", page="nf-nblapi-ndisallocatenetbufferpool")
def NdisAllocateNetBufferPool(
    NdisHandle: NDIS_HANDLE | None, Parameters: NET_BUFFER_POOL_PARAMETERS, /
) -> NetBufferPoolHandle | None:
    """Make a pool of NET_BUFFERs; None (NULL) for bad parameters or when there is no memory."""
    context = current.context
    fault = structure_fault(Parameters)
    owner = owner_of(context, NdisHandle, "NdisAllocateNetBufferPool")
    handle = make_pool(context, _BUFFER_POOL, owner, Parameters, fault, driver=context.driver)
    return NetBufferPoolHandle(handle) if handle is not None else None


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    releases="NET_BUFFER_LIST pool",
    page="nf-nblapi-ndisfreenetbufferlistpool",
)
def NdisFreeNetBufferListPool(PoolHandle: NetBufferListPoolHandle, /) -> None:
    """Free a pool whose lists are all back.  Bug check 0x7C/0x27 when one is not (checked build)."""
    _free_pool(current.context, PoolHandle, _LIST_POOL, "NdisFreeNetBufferListPool")


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, releases="NET_BUFFER pool", page="nf-nblapi-ndisfreenetbufferpool")
def NdisFreeNetBufferPool(PoolHandle: NetBufferPoolHandle, /) -> None:
    """Free a pool whose NET_BUFFERs are all back.  Bug check 0x7C/0x27 when one is not (checked build)."""
    _free_pool(current.context, PoolHandle, _BUFFER_POOL, "NdisFreeNetBufferPool")


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    acquires="NET_BUFFER_LIST",
    page="nf-nblapi-ndisallocatenetbufferlist",
    gate=GateKind.BRIEF,
)
def NdisAllocateNetBufferList(
    PoolHandle: NetBufferListPoolHandle, ContextSize: int, ContextBackFill: int, /
) -> NET_BUFFER_LIST | None:
    """Take a list from a pool, with its NET_BUFFER and data where the pool has them; None (NULL) without memory."""
    context = current.context
    try:
        pool = context.datapath.pools[PoolHandle]
    except (AttributeError, KeyError):
        pool = find_pool(data_path(context), PoolHandle, _LIST_POOL, "NdisAllocateNetBufferList")
    nbl = take_list(context, pool)
    if nbl is None:
        return None
    buffer = nbl.FirstNetBuffer = nbl._buffer
    if buffer is not None:
        data = buffer._data
        buffer.Next = None
        buffer.MdlChain = buffer.CurrentMdl = data
        buffer.DataOffset = buffer.CurrentMdlOffset = buffer.DataLength = 0
        if data is not None:
            data.Next = None
            data.ByteCount = pool.data_size
    if (ContextSize or ContextBackFill) and not _with_context(context, nbl, ContextSize, ContextBackFill):
        return None
    return nbl


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    acquires="NET_BUFFER_LIST",
    page="nf-nblapi-ndisallocatenetbufferandnetbufferlist",
    gate=GateKind.BRIEF,
)
def NdisAllocateNetBufferAndNetBufferList(
    PoolHandle: NetBufferListPoolHandle,
    ContextSize: int,
    ContextBackFill: int,
    MdlChain: MDL | None,
    DataOffset: int,
    DataLength: int,
    /,
) -> NET_BUFFER_LIST | None:
    """Take a list with its NET_BUFFER, which describes ``DataLength`` bytes of ``MdlChain`` from ``DataOffset`` on.

    The pool has fAllocateNetBuffer TRUE and DataSize 0.  None (NULL) when it is exhausted.
    """
    context = current.context
    try:
        pool = context.datapath.pools[PoolHandle]
    except (AttributeError, KeyError):
        pool = find_pool(data_path(context), PoolHandle, _LIST_POOL, "NdisAllocateNetBufferAndNetBufferList")
    if not pool.combined:
        wrong_kind(PoolHandle, "NdisAllocateNetBufferAndNetBufferList", "fAllocateNetBuffer TRUE and DataSize 0")
    try:
        nbl: NET_BUFFER_LIST = pool.stock.pop()
    except IndexError:
        taken = pool.refill()
        if taken is None:
            return None
        nbl = taken
    if type(nbl) is FREED_LIST:
        set_class(nbl, NET_BUFFER_LIST)
    nbl._owner = context.cells[ROUTINE_CELL] >> DRIVER_SHIFT
    nbl._site = context.site
    nbl.Next = nbl.ParentNetBufferList = None
    nbl.NblFlags = nbl.Flags = nbl.Status = nbl.ChildRefCount = 0
    if nbl._info:
        _clear_info(nbl)
    buffer = nbl.FirstNetBuffer = nbl._buffer
    buffer.Next = None  # type: ignore[union-attr]
    buffer.MdlChain = buffer.CurrentMdl = MdlChain  # type: ignore[union-attr]
    buffer.DataOffset = buffer.CurrentMdlOffset = DataOffset  # type: ignore[union-attr]
    buffer.DataLength = DataLength  # type: ignore[union-attr]
    if MdlChain is not None and DataOffset >= MdlChain.ByteCount:
        settle(buffer)  # type: ignore[arg-type]
    if (ContextSize or ContextBackFill) and not _with_context(context, nbl, ContextSize, ContextBackFill):
        return None
    return nbl


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=_RULES,
    releases="NET_BUFFER_LIST",
    page="nf-nblapi-ndisfreenetbufferlist",
    gate=GateKind.BRIEF,
)
def NdisFreeNetBufferList(NetBufferList: NET_BUFFER_LIST, /) -> None:
    """Give a list back to its pool, with the NET_BUFFER and data that came with it; others are not freed."""
    context = current.context
    nbl = NetBufferList
    pool = nbl._pool
    if pool.path.checked:
        if not nbl._owner == context.cells[ROUTINE_CELL] >> DRIVER_SHIFT == pool.driver or nbl.ChildRefCount:
            bad_free(context, nbl)
        if nbl.Context is not nbl._context:
            free_contexts(context, nbl)
        nbl._site = context.site
        del nbl.Next, nbl.FirstNetBuffer, nbl.Status
        set_class(nbl, FREED_LIST)
    elif nbl.Context is not nbl._context:
        free_contexts(context, nbl)
    nbl._owner = NOBODY
    if nbl._escaped is not None:
        nbl._escaped = None
        context.forgotten += 1
    stock = pool.stock
    stock.append(nbl)
    if len(stock) > STOCK_LIMIT:
        pool.trim(STOCK_LIMIT // 2)


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=(*_RULES, "NdisAllocateNetBuffer"),
    acquires="NET_BUFFER",
    page="nf-nblapi-ndisallocatenetbuffer",
)
def NdisAllocateNetBuffer(
    PoolHandle: NetBufferPoolHandle, MdlChain: MDL | None, DataOffset: int, DataLength: int, /
) -> NET_BUFFER | None:
    """Take a NET_BUFFER from a pool whose DataSize is 0; None (NULL) when it is exhausted."""
    context = current.context
    pool = find_pool(data_path(context), PoolHandle, _BUFFER_POOL, "NdisAllocateNetBuffer")
    if pool.data_size:
        wrong_kind(PoolHandle, "NdisAllocateNetBuffer", "DataSize 0")
    return take_buffer(context, pool, MdlChain, DataOffset, DataLength)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, acquires="NET_BUFFER", page="nf-nblapi-ndisallocatenetbuffermdlanddata")
def NdisAllocateNetBufferMdlAndData(PoolHandle: NetBufferPoolHandle, /) -> NET_BUFFER | None:
    """Take a NET_BUFFER with its MDL and data from a pool whose DataSize is not 0; None (NULL) when it is exhausted."""
    context = current.context
    pool = find_pool(data_path(context), PoolHandle, _BUFFER_POOL, "NdisAllocateNetBufferMdlAndData")
    if not pool.data_size:
        wrong_kind(PoolHandle, "NdisAllocateNetBufferMdlAndData", "a DataSize other than 0")
    taken = take_buffer(context, pool, None, 0, 0)
    if taken is not None and taken._data is not None:
        taken.MdlChain = taken.CurrentMdl = taken._data
        taken._data.Next = None
        taken._data.ByteCount = pool.data_size
    return taken


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=(*_RULES, "NdisAllocateNetBuffer"),
    releases="NET_BUFFER",
    page="nf-nblapi-ndisfreenetbuffer",
)
def NdisFreeNetBuffer(NetBuffer: NET_BUFFER, /) -> None:
    """Give a NET_BUFFER back to its pool.  Bug check 0x7C/0x1E for one that came with a list, or is free already."""
    context = current.context
    pool = NetBuffer._pool
    if pool.is_list_pool or NetBuffer._site == NOBODY:
        stop(
            0x7C,
            0x1E,
            0,
            NetBuffer._word,
            pool.record.tag,
            rule="NdisAllocateNetBuffer",
            text="A NET_BUFFER was freed that "
            + ("belongs to its NET_BUFFER_LIST." if pool.is_list_pool else "is free already."),
        )
    NetBuffer._site = NOBODY
    NetBuffer._escaped = None
    stock = pool.stock
    stock.append(NetBuffer)
    if len(stock) > STOCK_LIMIT:
        pool.trim(STOCK_LIMIT // 2)
    del context


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisgetpoolfromnetbuffer")
def NdisGetPoolFromNetBuffer(NetBuffer: NET_BUFFER, /) -> NDIS_HANDLE:
    """The pool that a NET_BUFFER comes from."""
    return NDIS_HANDLE(NetBuffer.NdisPoolHandle)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, page="nf-nblapi-ndisgetpoolfromnetbufferlist")
def NdisGetPoolFromNetBufferList(NetBufferList: NET_BUFFER_LIST, /) -> NDIS_HANDLE:
    """The pool that a list comes from."""
    return NDIS_HANDLE(NetBufferList.NdisPoolHandle)


def settle(buffer: NET_BUFFER) -> None:
    """Point CurrentMdl at the MDL that holds the first used byte."""
    mdl, rest = buffer.MdlChain, buffer.DataOffset
    while mdl is not None and rest >= mdl.ByteCount and mdl.Next is not None:
        rest -= mdl.ByteCount
        mdl = mdl.Next
    buffer.CurrentMdl, buffer.CurrentMdlOffset = mdl, rest


def _with_context(context: Context, nbl: NET_BUFFER_LIST, size: int, back_fill: int) -> bool:
    pool = nbl._pool
    if push_context(context, nbl, size, back_fill, pool.record.tag):
        return True
    nbl._owner = NOBODY
    pool.stock.append(nbl)
    return False


def take_list(context: Context, pool: BufferPool) -> NET_BUFFER_LIST | None:
    """A list of the pool without NET_BUFFERs; None when there is no memory."""
    try:
        nbl: NET_BUFFER_LIST = pool.stock.pop()
    except IndexError:
        taken = pool.refill()
        if taken is None:
            return None
        nbl = taken
    if type(nbl) is FREED_LIST:
        set_class(nbl, NET_BUFFER_LIST)
    nbl._owner = context.cells[ROUTINE_CELL] >> DRIVER_SHIFT
    nbl._site = context.site
    nbl.Next = nbl.ParentNetBufferList = nbl.FirstNetBuffer = None
    nbl.NblFlags = nbl.Flags = nbl.Status = nbl.ChildRefCount = 0
    nbl.Context = nbl._context
    if nbl._info:
        _clear_info(nbl)
    return nbl


def take_buffer(context: Context, pool: BufferPool, chain: MDL | None, offset: int, length: int) -> NET_BUFFER | None:
    """A NET_BUFFER of a pool of its own; None when there is no memory."""
    try:
        buffer: NET_BUFFER = pool.stock.pop()
    except IndexError:
        taken = pool.refill()
        if taken is None:
            return None
        buffer = taken
    buffer._site = context.site
    buffer.Next = None
    buffer.MdlChain = chain
    buffer.DataOffset, buffer.DataLength = offset, length
    settle(buffer)
    return buffer


_NO_INFO = [0] * 27


def _clear_info(nbl: NET_BUFFER_LIST) -> None:
    nbl.NetBufferListInfo[:] = _NO_INFO


def make_pool(
    context: Context, kind: HandleKind, owner: int | None, given: Any, fault: str | None = None, *, driver: int
) -> int | None:
    """A pool of a driver's, or of NDIS's own (``driver`` 0); None for a fault and without memory."""
    machine = context.machine
    tag = pool_tag(given.PoolTag)
    if fault is None and not tag:
        fault = "PoolTag is 0"
    if fault is not None:
        tell_refusal(context, type(given).__name__, fault)
        return None
    made = machine.objects[kind].allocate(kind, driver=driver, parent=owner or 0, site=context.site)
    directory = machine.pool.allocate(
        DIRECTORY_BYTES, tag=RECORDS_TAG, type_number=0, site=context.site, driver=0, owner=owner or 0
    )
    if made is None or directory is None:
        if made is not None:
            machine.objects[kind].free(made[0], site=context.site)
        if directory is not None:
            machine.pool.free(directory, site=context.site)
        return None
    handle, record = made
    offset = directory & OFFSET_MASK
    machine.arena.view[offset : offset + DIRECTORY_BYTES] = bytes(DIRECTORY_BYTES)
    record.tag = tag
    record.flags = int(bool(getattr(given, "fAllocateNetBuffer", True)))
    record.data_size = given.DataSize
    record.context_size = getattr(given, "ContextSize", 0)
    record.entries = record.outstanding = 0
    record.protocol = getattr(given, "ProtocolId", 0)
    record.records = directory
    return handle


def _free_pool(context: Context, handle: int, kind: HandleKind, name: str) -> None:
    machine = context.machine
    path = data_path(context)
    pool = find_pool(path, handle, kind, name)
    pool.trim(0)
    capacity, free = pool.counts()
    if free != capacity and context.irql == 0:
        _call_stocks_in(context, pool)
        capacity, free = pool.counts()
        if free != capacity and machine.checked:
            _leaked(context, pool, capacity - free, name)
    for place in range(path.words[pool.directory + SEGMENT_COUNT]):
        _free_segment(context, pool, path.words[pool.directory + FIRST_SEGMENT + place])
    machine.pool.free(pool.record.records, site=context.site)
    machine.objects[kind].free(handle, site=context.site)
    context.platform.acquire(SystemLock.STACKS)
    machine.new_epoch()
    context.platform.release(SystemLock.STACKS)
    forget_dead_pools(path)


def _free_segment(context: Context, pool: BufferPool, start: int) -> None:
    memory = context.machine.pool
    words, layout = pool.path.words, pool.layout
    if pool.context_size:
        for number in range(64):
            memory.free(words[(start + number * layout.stride + layout.list_extra + 72) // 8], site=context.site)
    if pool.data_size:
        first = words[(start + layout.mdl) // 8 + 1]
        memory.free(memory_pointer(context, first), site=context.site)
    memory.free(memory_pointer(context, start), site=context.site)


def _call_stocks_in(context: Context, pool: BufferPool) -> None:
    """Ask every processor for what it keeps of the pool in stock, and wait until all have answered."""
    arena = context.machine.arena
    pool.record.flags |= CLOSING
    asked = [
        number
        for number, slot in enumerate(arena.slots)
        if slot.kind == ContextKind.PROCESSOR and slot.state == SlotState.RUNNING and number != context.slot
    ]
    recalls = [arena.recall_counts(number) for number in asked]

    def answered() -> bool:
        return all(recall[0] == recall[2] for recall in recalls)

    for number, recall in zip(asked, recalls, strict=True):
        recall[0] = recall[0] + 1 & 0xFFFF_FFFF
        arena.summoned[number] = 1
    context.platform.fence()
    for number in asked:
        wake(context, number)
    sleep_in_call(context, answered)


def give_in_closing_stocks(path: DataPath) -> None:
    """Answer a call for stocks: give back what this context keeps of pools that are being freed."""
    for pool in path.pools.values():
        if pool.record.flags & CLOSING:
            pool.trim(0)


def _leaked(context: Context, pool: BufferPool, count: int, name: str) -> None:
    sites: list[CallSite] = []
    for thing in pool.things:
        if isinstance(thing, NET_BUFFER_LIST) and len(sites) < 4 and list_owner(thing) != NOBODY and list_site(thing):
            sites.append(site_of(context, "last handed on", list_site(thing)))
    what = "NET_BUFFER_LISTs" if pool.is_list_pool else "NET_BUFFERs"
    stop(
        LEAKED.code,
        LEAKED.subcode,
        2,
        count,
        pool.record.tag,
        text=f"{name} was called while {count} of the pool's {what} have not been freed.",
        sites=sites,
        ddi=name,
    )


def wrong_kind(handle: int, name: str, wanted: str) -> None:
    """Stop for a pool that was made for something else."""
    stop(0x7C, 0x21, handle, text=f"{name} needs a pool with {wanted}.", ddi=name)


__all__ = [
    "NdisAllocateNetBuffer",
    "NdisAllocateNetBufferAndNetBufferList",
    "NdisAllocateNetBufferList",
    "NdisAllocateNetBufferListPool",
    "NdisAllocateNetBufferMdlAndData",
    "NdisAllocateNetBufferPool",
    "NdisFreeNetBuffer",
    "NdisFreeNetBufferList",
    "NdisFreeNetBufferListPool",
    "NdisFreeNetBufferPool",
    "NdisGetPoolFromNetBuffer",
    "NdisGetPoolFromNetBufferList",
]
