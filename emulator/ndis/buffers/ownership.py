"""Who owns a NET_BUFFER_LIST, in the checked build: the stops of a hand-over that is not the caller's to make.

Law: the owner of a list is one number, private to its context and published with it.  A call walks its chain once,
demands the owner that rules/nbl.py names and sets the next one; only a mismatch comes here.

Owners: -1 the pool, 0 to 255 the driver of that image number, and while a list is on its way SENDING + adapter (the
miniport has it to send), RECEIVED + binding (indicated to that binding), LENT + binding (indicated with RESOURCES),
FILTER_SENDS + module (somebody else's send that the filter module has, on its way down or up), FILTER_RECEIVES + module
and FILTER_LENT + module (the same of receives).  PARENT is added while lists derive from it: whoever hands it on stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.kernel.sites import SITE_MASK
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.layout.machine import JOURNAL_ENTRIES, JOURNAL_INDEX, SystemLock
from emulator.ndis.buffers.buffer_pools import CHILDREN_AT, pool_by_number
from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST, NOBODY, list_site
from emulator.rules.nbl import (
    DISPATCH_FLAG,
    FREE,
    IN_JOURNAL,
    INDICATE,
    INDICATED_WHILE_IN_USE,
    LEAKED,
    NOT_OWNER,
    PARENT_HANDED_ON,
    RESOURCES_RETURNED,
    RETURN,
    WRONG_FREE,
    OwnershipOffence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.kernel.context import Context
    from emulator.kernel.stop import CallSite

SENDING: Final = 0x1000
RECEIVED: Final = 0x2000
LENT: Final = 0x3000
FILTER_SENDS: Final = 0x4000
FILTER_RECEIVES: Final = 0x5000
FILTER_LENT: Final = 0x6000
PARENT: Final = 0x1_0000
_INDEX: Final = 0xFFF


def is_send(owner: int) -> bool:
    """Is a list with this owner on its way down, in the hands of a miniport?"""
    return owner & ~_INDEX == SENDING


def describe_owner(context: Context, owner: int) -> str:
    """An owner in words."""
    machine = context.machine
    if owner == NOBODY:
        return "is free in its pool"
    if owner & PARENT:
        return f"{describe_owner(context, owner & ~PARENT)}, the parent of lists that derive from it"
    kind, index = owner & ~_INDEX, owner & _INDEX
    if kind == SENDING:
        return f"is with the miniport of adapter {index}, to be sent"
    if kind in (RECEIVED, LENT):
        how = "lent to" if kind == LENT else "indicated to"
        return f"is {how} {_protocol_of(context, index)}"
    if kind in _FILTER_WORDS:
        return f"is {_FILTER_WORDS[kind]} {_filter_of(context, index)}"
    name = machine.images.driver_name(owner)
    return f"belongs to {name}" if name else "belongs to nobody's driver"


_FILTER_WORDS: Final = {FILTER_SENDS: "a send with", FILTER_RECEIVES: "a receive with", FILTER_LENT: "lent to"}


def _filter_of(context: Context, index: int) -> str:
    module = context.machine.objects[HandleKind.FILTER_MODULE].records[index]
    return f"{context.machine.images.driver_name(module.head.driver) or 'the filter'} (filter module {index})"


def _protocol_of(context: Context, index: int) -> str:
    binding = context.machine.objects[HandleKind.BINDING].records[index]
    return f"{context.machine.images.driver_name(binding.head.driver) or 'the protocol'} (binding {index})"


def wrong_owner(context: Context, nbl: NET_BUFFER_LIST, what: str, operation: int, wanted: str) -> NoReturn:
    """Stop for a hand-over by a driver that does not own the list: what was done, and what is true of the list."""
    owner = nbl._owner
    offence = NOT_OWNER
    kind = owner & ~_INDEX
    if kind == FILTER_LENT or (operation == RETURN and kind == LENT):
        offence = RESOURCES_RETURNED
    elif operation == INDICATE and kind in (RECEIVED, LENT):
        offence = INDICATED_WHILE_IN_USE
    before = _before(context, nbl, operation)
    again = " a second time" if before else ""
    _stop(context, nbl, offence, f"{what}{again}, and it {describe_owner(context, owner)}. {wanted}", sites=before)


def _before(context: Context, nbl: NET_BUFFER_LIST, operation: int) -> list[CallSite]:
    """Where the driver in charge did the same with the list on this way of it, if this context's journal tells."""
    journal, images = context.datapath.journal, context.machine.images
    for back in range(JOURNAL_ENTRIES):
        word = journal[(journal[JOURNAL_INDEX] - back) % JOURNAL_ENTRIES]
        if word >> 32 != nbl._mark >> 32:
            continue
        if word & 0xFF != operation:
            break
        site = word >> 8 & SITE_MASK
        code = images.codes[context.sites[site] >> 16] if site else None
        if code is not None and images.owner_of_code(code) == context.driver:
            return [site_of(context, f"{IN_JOURNAL[operation]} before", context.slot << 16 | site)]
    return []


def wrong_link(context: Context, nbl: NET_BUFFER_LIST, text: str) -> NoReturn:
    """Stop for a list whose members say something else than the call demands (0x7C/0x1E, our choice)."""
    _stop(context, nbl, NOT_OWNER, text)


def wrong_number(context: Context, first: NET_BUFFER_LIST, found: int, said: int) -> NoReturn:
    """NumberOfNetBufferLists is not the number of lists in the chain."""
    wrong_link(context, first, f"NumberOfNetBufferLists says {said}, and the chain has {found} lists.")


def not_as_indicated(context: Context, nbl: NET_BUFFER_LIST, text: str) -> NoReturn:
    """Stop for a receiver that gave lent lists back in another shape than it got them."""
    _stop(context, nbl, RESOURCES_RETURNED, text)


def add_child(context: Context, parent: NET_BUFFER_LIST, name: str) -> None:
    """A list derives from this one now, which must be the caller's to derive from, and stays with its owner."""
    owner = parent._owner
    holder = owner & ~PARENT
    if owner == NOBODY or context.datapath.owners.get(holder, holder) != context.driver:
        wrong_owner(
            context,
            parent,
            f"{name} was given a NET_BUFFER_LIST",
            0,
            "Only the owner of a list derives others from it.",
        )
    context.platform.acquire(SystemLock.OBJECTS)
    parent._pool.path.halves[parent._entry + CHILDREN_AT >> 2] += 1
    context.platform.release(SystemLock.OBJECTS)
    parent._site, parent._owner = list_site(parent), owner | PARENT


def remove_child(context: Context, word: int) -> None:
    """A list that derived from the one of this word has been freed."""
    path = context.datapath
    pool = pool_by_number(path, word >> 32 & 0xFF_FFFF)
    if pool is None:
        return
    index = word & 0xFFFF_FFFF
    entry = pool.entry(index)
    context.platform.acquire(SystemLock.OBJECTS)
    left = path.halves[entry + CHILDREN_AT >> 2] = path.halves[entry + CHILDREN_AT >> 2] - 1
    context.platform.release(SystemLock.OBJECTS)
    if not left and path.halves[entry >> 2] == path.home:
        parent = pool.thing(index)
        if parent._owner & PARENT and parent._owner != NOBODY:
            parent._owner &= ~PARENT


def was_parent(context: Context, nbl: NET_BUFFER_LIST, wanted: int) -> bool:
    """Is the owner the wanted one, but for lists that derived from this one and are gone?  Stops while one is not."""
    owner = nbl._owner
    if owner == NOBODY or not owner & PARENT:
        return False
    children = nbl._pool.path.halves[nbl._entry + CHILDREN_AT >> 2]
    if children:
        _stop(
            context,
            nbl,
            PARENT_HANDED_ON,
            f"A NET_BUFFER_LIST was handed on or freed while {children} that derive from it have not been freed; they "
            "describe its data.",
        )
    nbl._owner = owner & ~PARENT
    return nbl._owner == wanted


def wrong_free(context: Context, nbl: NET_BUFFER_LIST, text: str) -> NoReturn:
    """Stop for a list that is freed in another way than it was made (0x7C/0x1E, our choice)."""
    _stop(context, nbl, WRONG_FREE, text, "allocated or last handed on")


def came_home(context: Context, nbl: NET_BUFFER_LIST) -> bool:
    """Is it a filter's own list that was returned to it?  The one who returned it could not see that it is."""
    owner = nbl._owner
    if owner & ~_INDEX != FILTER_RECEIVES:
        return False
    module = context.datapath.modules.get(nbl.SourceHandle or 0)
    return module is not None and module.received == owner and module.image == context.driver


def bad_free(context: Context, nbl: NET_BUFFER_LIST) -> None:
    """Stop for NdisFreeNetBufferList of what may not be freed."""
    if was_parent(context, nbl, context.driver) and not nbl.ChildRefCount:
        return
    if came_home(context, nbl):
        nbl._site, nbl._owner = list_site(nbl), context.driver
        if not nbl.ChildRefCount:
            return
    owner, maker = nbl._owner, nbl._pool.driver
    if owner == context.driver and not (maker and owner) and not nbl.ChildRefCount:
        return  # of a pool of NDIS's own, or no driver's doing
    if owner == context.driver and maker != owner and not nbl.ChildRefCount:
        images = context.machine.images
        _stop(
            context,
            nbl,
            NOT_OWNER,
            f"{images.driver_name(owner)} freed a NET_BUFFER_LIST that {images.driver_name(maker)} has allocated. Only "
            "the driver that allocated a list frees it.",
        )
    if owner == NOBODY:
        _stop(context, nbl, NOT_OWNER, "A NET_BUFFER_LIST was freed twice.", "freed the first time")
    if owner != context.driver:
        wrong_owner(
            context, nbl, "A NET_BUFFER_LIST was freed", FREE, "Only the driver that allocated a list frees it."
        )
    _stop(context, nbl, NOT_OWNER, f"A NET_BUFFER_LIST was freed while {nbl.ChildRefCount} lists derive from it.")


def free_contexts(context: Context, nbl: NET_BUFFER_LIST) -> None:
    """Free the context areas that came with a list; those that a driver added must be gone (checked build)."""
    from emulator.ndis.buffers.net_buffer_contexts import pop_own_contexts

    if nbl._derived is not None:
        from emulator.ndis.buffers.derived_lists import freed_as_plain

        freed_as_plain(context, nbl)
    if not pop_own_contexts(context, nbl) and nbl._pool.path.checked:
        _stop(
            context,
            nbl,
            LEAKED,
            "A NET_BUFFER_LIST was freed with context areas that NdisAllocateNetBufferListContext added to it.",
        )


def false_dispatch_flag(context: Context, parameter: str, flags: int) -> NoReturn:
    """0xC4/0xE5, rule Flags_Irql: the flags claim DISPATCH_LEVEL, and the IRQL is lower."""
    stop(
        DISPATCH_FLAG.code,
        DISPATCH_FLAG.subcode,
        context.irql,
        flags,
        rule="Flags_Irql",
        text=f"{parameter} says DISPATCH_LEVEL, and the IRQL is {context.irql}.",
    )


def _stop(
    context: Context,
    nbl: NET_BUFFER_LIST,
    offence: OwnershipOffence,
    text: str,
    what: str = "last handed on",
    sites: Sequence[CallSite] = (),
) -> NoReturn:
    pool: Any = nbl._pool
    site = list_site(nbl)
    last = [site_of(context, what, site)] if site else []
    stop(offence.code, offence.subcode, 0, nbl._word, pool.record.tag, text=text, sites=[*sites, *last])


__all__: list[str] = []
