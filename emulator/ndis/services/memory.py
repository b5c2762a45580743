"""Nonpaged memory: allocation with a tag, freeing, and the memory macros.

Law: memory is uninitialised until the driver zeroes it (0xCD in the checked build), and stale once it is freed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from emulator.kernel.platform import current
from emulator.kernel.pointers import READ, WRITTEN, Memory, SizeOf, forget_freed, load_block, touch
from emulator.kernel.pool import OFFSET_MASK, describe_block, tag_text
from emulator.kernel.stop import site_of, stop
from emulator.ndis.absent import not_implemented
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.handles import NDIS_HANDLE
from emulator.rules.irql import ANY, AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.kernel.context import Context

T = TypeVar("T")
BAD_POOL_CALLER = 0xC2
NONPAGED_POOL = 0


def pool_tag(tag: int | bytes) -> int:
    """A tag as a number; four bytes are taken in memory order, as C's 'dcba' shows them."""
    return int.from_bytes(tag, "little") if isinstance(tag, bytes) else tag


@overload
def NdisAllocateMemoryWithTagPriority(  # type: ignore[overload-overlap]
    NdisHandle: NDIS_HANDLE | None, Length: SizeOf[T], Tag: int | bytes, Priority: int, /
) -> T | None: ...
@overload
def NdisAllocateMemoryWithTagPriority(
    NdisHandle: NDIS_HANDLE | None, Length: int, Tag: int | bytes, Priority: int, /
) -> Memory | None: ...
@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_Miscellaneous_Function", "NdisAllocateMemoryWithTagPriority"),
    acquires="memory",
)
def NdisAllocateMemoryWithTagPriority(
    NdisHandle: NDIS_HANDLE | None, Length: int, Tag: int | bytes, Priority: int, /
) -> Any:
    """Allocate ``Length`` bytes of nonpaged memory; None (NULL) when the pool is exhausted.

    With ``sizeof(STRUCTURE)`` as the length the memory is such a structure; with a plain number it is Memory.
    """
    del Priority
    context = current.context
    tag = pool_tag(Tag)
    check_allocation(Length, tag)
    owner = owner_of(context, NdisHandle, "NdisAllocateMemoryWithTagPriority")
    structure = getattr(Length, "structure", None)
    machine = context.machine
    number = machine.images.type_numbers.get(structure, 0) if structure is not None else 0
    pointer = machine.pool.allocate(
        Length, tag=tag, type_number=number, site=context.site, driver=context.driver, owner=owner
    )
    return load_block(context, pointer) if pointer is not None else None


@ddi(
    irql=AT_MOST_DISPATCH,
    rules=("Irql_Miscellaneous_Function", "NdisQueryBindInstanceName"),
    releases="memory",
    note="the levels depend on the memory: <= DISPATCH_LEVEL for nonpaged pool, and there is no other here",
)
def NdisFreeMemory(VirtualAddress: Any, Length: int, MemoryFlags: int, /) -> None:
    """Free memory; ``Length`` is not checked, ``MemoryFlags`` is 0 for pool, and there is no other memory here."""
    del Length
    if MemoryFlags:
        not_implemented("NdisFreeMemory", f"MemoryFlags {MemoryFlags:#x}")
    free_block(current.context, VirtualAddress)


@ddi(
    irql=AT_MOST_DISPATCH,
    releases="memory",
    note="the levels depend on the memory: <= DISPATCH_LEVEL for nonpaged pool, and there is no other here",
)
def NdisFreeMemoryWithTagPriority(NdisHandle: NDIS_HANDLE | None, VirtualAddress: Any, Tag: int | bytes, /) -> None:
    """Free memory that was allocated with this tag.  Bug check 0xC2/0x0A for another tag."""
    owner_of(current.context, NdisHandle, "NdisFreeMemoryWithTagPriority")
    free_block(current.context, VirtualAddress, pool_tag(Tag))


@ddi(irql=ANY, note="the levels depend on the memory: any for what is resident, and nothing is paged here")
def NdisZeroMemory(Destination: Any, Length: int, /) -> None:
    """Fill memory with zeros."""
    view = bytes_of(Destination, Length)
    view[:] = bytes(len(view))


@ddi(irql=ANY, note="the levels depend on the memory: any for what is resident, and nothing is paged here")
def NdisMoveMemory(Destination: Any, Source: Any, Length: int, /) -> None:
    """Copy bytes; ``Source`` may be memory, a structure or bytes."""
    target = bytes_of(Destination, Length)
    source = readable(Source, Length)
    target[:] = source


@ddi(
    irql=ANY,
    rules=("Irql_Miscellaneous_Function",),
    note="the levels depend on the memory: any for what is resident, and nothing is paged here",
)
def NdisEqualMemory(Source1: Any, Source2: Any, Length: int, /) -> bool:
    """Are the first ``Length`` bytes of both the same?"""
    return bytes(readable(Source1, Length)) == bytes(readable(Source2, Length))


def readable(source: Any, length: int) -> Any:
    """The first bytes of memory, of a structure or of bytes."""
    return source[:length] if isinstance(source, bytes | bytearray | memoryview) else bytes_of(source, length, READ)


def bytes_of(target: Any, length: int, access: int = WRITTEN) -> memoryview:
    """The first bytes of memory, to be written or read."""
    touch(target, access)
    if isinstance(target, Memory):
        return target.view[:length]
    if isinstance(target, memoryview):
        return target[:length]
    return memoryview(target).cast("B")[:length]


def check_allocation(length: int, tag: int, rule: str = "NdisAllocateMemoryWithTagPriority") -> None:
    """Stop for memory of no bytes, and for a tag that nobody can read."""
    if length <= 0:
        stop(BAD_POOL_CALLER, 0x00, 0, NONPAGED_POOL, tag, text="Memory of zero bytes was asked for.")
    if tag == 0 or not any(chr(byte).isalnum() for byte in tag.to_bytes(4, "little")):
        # 0x9B: the pool type and the size; 0x9D: the tag and the pool type.
        parameters = (0x9B, NONPAGED_POOL, length) if tag == 0 else (0x9D, tag, NONPAGED_POOL)
        stop(
            BAD_POOL_CALLER,
            *parameters,
            rule=rule,
            text="Memory was allocated without a usable tag: give four characters that name its use.",
        )


def keep(context: Context, content: bytes, tag: int) -> int | None:
    """A block of NDIS's own, no driver's to leave behind, with this content; None when the pool is exhausted."""
    machine = context.machine
    pointer = machine.pool.allocate(max(len(content), 1), tag=tag, type_number=0, site=context.site, driver=0, owner=0)
    if pointer is not None:
        start = pointer & OFFSET_MASK
        machine.arena.view[start : start + len(content)] = content
    return pointer


def free_block(context: Context, address: Any, tag: int | None = None) -> None:
    """Free a pool block, whoever allocated it; with a tag only one that has it."""
    pointer = getattr(address, "_pointer", None)
    machine = context.machine
    block = machine.pool.header(pointer) if pointer is not None else None
    if pointer is None or block is None:
        stop(BAD_POOL_CALLER, 0x41, 0, text=f"What was freed as memory is {address!r}: it is no pool block.")
    live = machine.pool.find(pointer)
    sites = [site_of(context, "allocated", block.allocated_site)]
    if live is None:
        sites.append(site_of(context, "freed the first time", block.freed_site))
        stop(
            BAD_POOL_CALLER,
            0x07,
            0,
            pointer & OFFSET_MASK,
            text=f"Memory was freed twice ({describe_block(block, machine)}).",
            sites=sites,
        )
    if tag is not None and tag != block.tag:
        stop(
            BAD_POOL_CALLER,
            0x0A,
            pointer & OFFSET_MASK,
            block.tag,
            tag,
            text=f"Memory with the tag '{tag_text(block.tag)}' was freed with the tag '{tag_text(tag)}'.",
            sites=sites,
        )
    if block.items:
        from emulator.ndis.deferred_work.kernel_items import stop_for_storage

        stop_for_storage(context, pointer & OFFSET_MASK, block)
    forget_freed(context, pointer)
    machine.pool.free(pointer, site=context.site)


__all__ = [
    "NdisAllocateMemoryWithTagPriority",
    "NdisEqualMemory",
    "NdisFreeMemory",
    "NdisFreeMemoryWithTagPriority",
    "NdisMoveMemory",
    "NdisZeroMemory",
]
