"""Nonpaged lookaside lists: entries of one size, taken from the pool and given back to it.

Law: the depth of a list is the system's to choose, and here it is none: an entry that is freed is freed memory at once,
so whoever touches it afterwards is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.calls import call
from emulator.kernel.lookaside import KLOOKASIDE, LOOKASIDE
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, load_block, sizeof, stale_pointer
from emulator.kernel.pool import POINTER_TAG
from emulator.kernel.stop import stop
from emulator.ndis.gates.callback_numbers import number_of
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.services.memory import NONPAGED_POOL, check_allocation, free_block, pool_tag
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

_RULES: Final = ("Irql_Miscellaneous_Function",)


class NPAGED_LOOKASIDE_LIST(KLOOKASIDE):
    """A lookaside list inside a context; initialise it with NdisInitializeNPagedLookasideList."""


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, acquires="lookaside list")
def NdisInitializeNPagedLookasideList(
    Lookaside: NPAGED_LOOKASIDE_LIST,
    Allocate: Callable[[int, int, int], Any] | None,
    Free: Callable[[Any], None] | None,
    Flags: int,
    Size: int,
    Tag: int | bytes,
    Depth: int,
    /,
) -> None:
    """Make a list of entries of ``Size`` bytes; with ``sizeof(STRUCTURE)`` they are such structures.

    ``Allocate`` and ``Free`` take the place of the pool's routines; Depth is reserved.
    """
    del Flags, Depth
    context = current.context
    tag = pool_tag(Tag)
    check_allocation(Size, tag, rule="")
    images, pool = context.machine.images, context.machine.pool
    pointer = pool.allocate(
        sizeof(LOOKASIDE),
        tag=tag,
        type_number=images.type_numbers[LOOKASIDE],
        site=context.site,
        driver=context.driver,
        owner=0,
    )
    if pointer is None:
        # The function has no way to fail: what fails is the first allocation.
        Lookaside.block = 0
        return
    block: LOOKASIDE = load_block(context, pointer)
    structure = getattr(Size, "structure", None)
    block.length, block.tag = Size, tag
    block.type = images.type_numbers.get(structure, 0) if structure is not None else 0
    block.allocate = number_of(Allocate, "NdisInitializeNPagedLookasideList", "ALLOCATE_FUNCTION")
    block.free = number_of(Free, "NdisInitializeNPagedLookasideList", "FREE_FUNCTION")
    Lookaside.block = pointer


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, acquires="lookaside entry")
def NdisAllocateFromNPagedLookasideList(L: NPAGED_LOOKASIDE_LIST, /) -> Any:
    """Take an entry; None (NULL) when the pool is exhausted."""
    context = current.context
    if not L.block:
        return None
    block = _block_of(context, L)
    if block.allocate:
        return call(context, block.allocate, NONPAGED_POOL, block.length, block.tag)
    pointer = context.machine.pool.allocate(
        block.length, tag=block.tag, type_number=block.type, site=context.site, driver=context.driver, owner=0
    )
    return load_block(context, pointer) if pointer is not None else None


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, releases="lookaside entry")
def NdisFreeToNPagedLookasideList(L: NPAGED_LOOKASIDE_LIST, E: Any, /) -> None:
    """Give an entry back.  Bug check 0xC2/0x0A for memory with another tag than the list's."""
    context = current.context
    block = _block_of(context, L)
    if block.free:
        call(context, block.free, E)
        return
    free_block(context, E, block.tag)


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES, releases="lookaside list")
def NdisDeleteNPagedLookasideList(L: NPAGED_LOOKASIDE_LIST, /) -> None:
    """Delete a list whose entries have all been given back."""
    context = current.context
    if not L.block:
        return
    free_block(context, _block_of(context, L))


def _block_of(context: Context, lookaside: Any) -> LOOKASIDE:
    word = lookaside.block
    pool = context.machine.pool
    if pool.lives(word):
        return decode(context, word)  # type: ignore[no-any-return]
    if word >> 56 == POINTER_TAG and pool.header(word) is not None:
        stale_pointer(context, word)
    stop(0xC4, 0x1002, 0, text="A lookaside list was used that NdisInitializeNPagedLookasideList has not initialised.")


__all__ = [
    "NPAGED_LOOKASIDE_LIST",
    "NdisAllocateFromNPagedLookasideList",
    "NdisDeleteNPagedLookasideList",
    "NdisFreeToNPagedLookasideList",
    "NdisInitializeNPagedLookasideList",
]
