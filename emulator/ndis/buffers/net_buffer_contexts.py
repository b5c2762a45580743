"""The private space of a NET_BUFFER_LIST: a stack of context areas, one driver's above the other's.

Law: last in, first out; what a driver adds it takes away before it gives the list back or frees it.  The areas are
nonpaged memory, so they go with a list to another context as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory, forget
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import stop
from emulator.ndis.buffers.buffer_pools import CONTEXT_RECORD
from emulator.ndis.buffers.net_buffers import CONTEXT_HEADER, NET_BUFFER_LIST, NET_BUFFER_LIST_CONTEXT
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.constants import MEMORY_ALLOCATION_ALIGNMENT
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.services.memory import pool_tag
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_NetBuffer_Function",),
    acquires="NET_BUFFER_LIST context",
    page="nf-nblapi-ndisallocatenetbufferlistcontext",
)
def NdisAllocateNetBufferListContext(
    NetBufferList: NET_BUFFER_LIST, ContextSize: int, ContextBackFill: int, PoolTag: int | bytes, /
) -> NDIS_STATUS:
    """Add private space on top of the list's; it is taken from unused space in front where there is enough."""
    done = push_context(current.context, NetBufferList, ContextSize, ContextBackFill, pool_tag(PoolTag), own=False)
    return NDIS_STATUS_SUCCESS if done else NDIS_STATUS_RESOURCES


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_NetBuffer_Function",),
    releases="NET_BUFFER_LIST context",
    page="nf-nblapi-ndisfreenetbufferlistcontext",
)
def NdisFreeNetBufferListContext(NetBufferList: NET_BUFFER_LIST, ContextSize: int, /) -> None:
    """Take the uppermost private space away again; the size is the one that it was added with."""
    context = current.context
    top = NetBufferList.Context
    if top is None or top.Size - top.Offset < ContextSize:
        stop(
            0x7C,
            0x1E,
            0,
            NetBufferList._word,
            ContextSize,
            text=f"{ContextSize} bytes of context were freed; the uppermost area of the list has "
            f"{top.Size - top.Offset if top is not None else 0} in use.",
        )
    top.Offset += ContextSize
    if top.Offset == top.Size and top is not NetBufferList._context:
        NetBufferList.Context = top.Next
        _free(context, top)
    else:
        _write(context, top)


def push_context(
    context: Context, nbl: NET_BUFFER_LIST, size: int, back_fill: int, tag: int, *, own: bool = True
) -> bool:
    """Add an area of ``size`` bytes; ``own`` when it comes with the list and goes with it."""
    if size % MEMORY_ALLOCATION_ALIGNMENT or back_fill % MEMORY_ALLOCATION_ALIGNMENT:
        stop(
            0xC4,
            0xE5,
            size,
            back_fill,
            text=f"ContextSize {size} and ContextBackFill {back_fill} are to be multiples of "
            "MEMORY_ALLOCATION_ALIGNMENT (16).",
        )
    top = nbl.Context
    if own and top is not None:
        top.Offset = top.Size
    if top is not None and top.Offset >= size:
        top.Offset -= size
        _write(context, top)
        return True
    total = size + back_fill
    pointer = context.machine.pool.allocate(
        CONTEXT_HEADER + total, tag=tag, type_number=0, site=context.site, driver=context.driver, owner=0
    )
    if pointer is None:
        return False
    memory = Memory(context.machine.arena.view, pointer & OFFSET_MASK, CONTEXT_HEADER + total, pointer)
    made = NET_BUFFER_LIST_CONTEXT(memory, total, back_fill, pre=own)
    made.Next = top
    nbl.Context = made
    _write(context, made)
    return True


def pop_own_contexts(context: Context, nbl: NET_BUFFER_LIST) -> bool:
    """Free the areas that came with the list beside its pool's; False when others lie on top of them."""
    while nbl.Context is not nbl._context:
        top = nbl.Context
        if top is None or not top._pre:
            return False
        nbl.Context = top.Next
        _free(context, top)
    return True


def _write(context: Context, area: NET_BUFFER_LIST_CONTEXT) -> None:
    pointer = area._memory._pointer
    following = area.Next._memory._pointer if area.Next is not None else 0
    CONTEXT_RECORD.pack_into(
        context.machine.arena.memory, pointer & OFFSET_MASK, following, area.Size, area.Offset, int(area._pre)
    )


def _free(context: Context, area: NET_BUFFER_LIST_CONTEXT) -> None:
    pointer = area._memory._pointer
    forget(context, pointer)
    context.machine.pool.free(pointer, site=context.site)


__all__ = ["NdisAllocateNetBufferListContext", "NdisFreeNetBufferListContext"]
