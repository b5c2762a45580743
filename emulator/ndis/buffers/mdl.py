"""MDLs of their own: allocating, freeing, shortening and asking what they describe.

Law: an MDL describes nonpaged memory of the machine and nothing else; its record is a block of nonpaged pool, so that
one that was not freed shows among the live allocations of its driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory
from emulator.kernel.pool import OFFSET_MASK, POINTER_TAG
from emulator.kernel.stop import site_of, stop, stop_limit
from emulator.ndis.buffers.buffer_pools import MDL_RECORD
from emulator.ndis.buffers.homecoming import make_mdl
from emulator.ndis.buffers.net_buffers import (
    MDL,
    MDL_SOURCE_IS_NONPAGED_POOL,
    MDL_TAG,
    bury,
    mdl_pointer,
    memory_pointer,
)
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.handles import NDIS_HANDLE
from emulator.rules.irql import ANY, AT_MOST_DISPATCH
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context

MDL_POOL_TAG = int.from_bytes(b"NMdl", "little")
MDL_BYTES = 32
MDL_MADE_BY_NDIS = 0x8000
"""Bit of MdlFlags of ours: a retreat made the MDL, and an advance may free it, with its data."""
MDL_PARTIAL = 0x10
"""Describes a part of what another MDL describes."""
_WORD_MASK = (1 << 56) - 1


class QueriedMdl(NamedTuple):
    """What NdisQueryMdl gives."""

    VirtualAddress: memoryview | None
    Length: int


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_NetBuffer_Function", "NdisAllocateMdl"),
    acquires="MDL",
    page="nf-mdlapi-ndisallocatemdl",
)
def NdisAllocateMdl(NdisHandle: NDIS_HANDLE | None, VirtualAddress: Any, Length: int, /) -> MDL | None:
    """Make an MDL for nonpaged memory: Memory, shared memory or a structure; None (NULL) when there is no memory."""
    context = current.context
    owner = owner_of(context, NdisHandle, "NdisAllocateMdl")
    return make(context, owner, _address_of(context, VirtualAddress, Length), Length, 0)


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_NetBuffer_Function", "NdisAllocateMdl"),
    releases="MDL",
    page="nf-mdlapi-ndisfreemdl",
)
def NdisFreeMdl(Mdl: MDL, /) -> None:
    """Free an MDL of NdisAllocateMdl; what it describes stays."""
    release(current.context, Mdl)


@ddi(irql=ANY, page="nf-ndis-ndisadjustmdllength")
def NdisAdjustMdlLength(Mdl: MDL, Length: int, /) -> None:
    """Change the bytes that an MDL describes; not beyond those that it was made for."""
    if not 0 <= Length <= Mdl.Size:
        stop(
            0xC4,
            0xE5,
            Length,
            Mdl.Size,
            text=f"NdisAdjustMdlLength was given {Length} bytes for an MDL that was made for {Mdl.Size}.",
            ddi="NdisAdjustMdlLength",
        )
    Mdl.ByteCount = Length


@ddi(irql=ANY, page="ndis.h", note="a macro of ndis.h")
def NdisQueryMdl(Mdl: MDL, Priority: int, /) -> QueriedMdl:
    """The memory that an MDL describes, mapped, and its length."""
    del Priority
    return QueriedMdl(Mdl.MappedSystemVa[: Mdl.ByteCount], Mdl.ByteCount)


@ddi(irql=AT_MOST_DISPATCH, page="nf-wdm-mmgetsystemaddressformdlsafe", note="a macro of wdm.h")
def MmGetSystemAddressForMdlSafe(Mdl: MDL, Priority: int, /) -> memoryview:
    """The memory that an MDL describes, mapped."""
    del Priority
    return Mdl.MappedSystemVa[: Mdl.ByteCount]


def make(
    context: Context, owner: int, address: int, length: int, flags: int, *, driver: int | None = None
) -> MDL | None:
    """An MDL for ``length`` bytes at an address of the machine; the calling driver's, or NDIS's own (``driver`` 0)."""
    path = data_path(context)
    driver = context.driver if driver is None else driver
    pointer = context.machine.pool.allocate(
        MDL_BYTES, tag=MDL_POOL_TAG, type_number=0, site=context.site, driver=driver, owner=owner
    )
    if pointer is None:
        return None
    entry = pointer & OFFSET_MASK
    MDL_RECORD.pack_into(path.memory, entry, 0, address, length, flags | MDL_SOURCE_IS_NONPAGED_POOL, 0)
    mdl = make_mdl(path, MDL_TAG << 56 | pointer & _WORD_MASK, entry)
    mdl._packed = (None, length, mdl.MdlFlags, None)
    return mdl


def make_with_data(context: Context, length: int, *, driver: int | None = None) -> MDL | None:
    """An MDL with data of its own: for a retreat that needs room in front, or for NDIS itself (``driver`` 0)."""
    driver = context.driver if driver is None else driver
    pointer = context.machine.pool.allocate(
        length, tag=MDL_POOL_TAG, type_number=0, site=context.site, driver=driver, owner=0
    )
    if pointer is None:
        return None
    mdl = make(context, 0, pointer & OFFSET_MASK, length, MDL_MADE_BY_NDIS, driver=driver)
    if mdl is None:
        context.machine.pool.free(pointer, site=context.site)
    return mdl


def release(context: Context, mdl: MDL) -> None:
    """Free an MDL, and the data that a retreat made with it."""
    pointer = mdl_pointer(mdl._word)
    pool = context.machine.pool
    if mdl._word >> 56 != MDL_TAG:
        stop(0xC2, 0x46, mdl._word, text="NdisFreeMdl was given the MDL of a pool, which goes with its NET_BUFFER.")
    block = pool.find(pointer)
    if block is None:
        dead = pool.header(pointer)
        sites = [site_of(context, "freed the first time", dead.freed_site)] if dead is not None else []
        stop(0xC2, 0x07, 0, pointer & OFFSET_MASK, rule="NdisAllocateMdl", text="An MDL was freed twice.", sites=sites)
    # More is not to be forgotten: what an array of pointers remembers of the MDL is the buried one.
    context.pointers.pop(mdl._word, None)
    if mdl.MdlFlags & MDL_MADE_BY_NDIS and not mdl.MdlFlags & MDL_PARTIAL:
        pool.free(memory_pointer(context, mdl._address), site=context.site)
    pool.free(pointer, site=context.site)
    bury(mdl)


def _address_of(context: Context, memory: Any, length: int) -> int:
    if isinstance(memory, Memory):
        if length > memory.length:
            stop(
                0xCD,
                memory.offset + memory.length,
                text=f"NdisAllocateMdl was given {length} bytes of memory that has {memory.length}.",
                ddi="NdisAllocateMdl",
            )
        return memory.offset
    pointer = getattr(memory, "_pointer", None)
    if pointer is None or pointer >> 56 != POINTER_TAG:
        stop_limit(
            VnicLimit.VNIC_PRIVATE_DATA,
            f"NdisAllocateMdl was given a {type(memory).__name__}, which is no nonpaged memory of the machine.",
            ddi="NdisAllocateMdl",
        )
    block = context.machine.pool.find(pointer)
    if block is None or length > block.length:
        stop(
            0xCD if block is not None else 0xD5,
            pointer & OFFSET_MASK,
            text="NdisAllocateMdl was given memory that is freed or shorter.",
            ddi="NdisAllocateMdl",
        )
    return pointer & OFFSET_MASK  # type: ignore[no-any-return]


__all__ = ["NdisAdjustMdlLength", "NdisAllocateMdl", "NdisFreeMdl", "NdisQueryMdl", "MmGetSystemAddressForMdlSafe"]
