"""How a published NET_BUFFER_LIST comes home: its word is loaded, and the whole chain with it.

Law: whoever loads a word becomes the home of the list and of all that it links to; what another context works on is
called back where this one can wait, and is a stop at DISPATCH_LEVEL, where nobody can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import decode, forget, loaders, run_loaders
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import site_of, stop, stop_limit
from emulator.kernel.waits import sleep_in_call, wake
from emulator.layout.handles import INDEX_MASK
from emulator.ndis.buffers.buffer_pools import MDL_RECORD, load_context, pool_by_number
from emulator.ndis.buffers.net_buffers import (
    BUFFER_TAG,
    INFO_SLOTS,
    LIST_TAG,
    MDL,
    MDL_TAG,
    NET_BUFFER,
    NET_BUFFER_LIST,
    NO_INITIAL_CONTEXT,
    POOL_MDL_TAG,
    buffer_data,
    buffer_entry,
    buffer_pool,
    buffer_site,
    bury,
    list_buffer,
    list_entry,
    list_pool,
    list_site,
    mdl_pointer,
    set_class,
)
from emulator.ndis.buffers.publication import (
    BUFFER_RECORD,
    CONTEXT,
    DERIVED,
    INFORMATION,
    LIST_AT,
    LIST_RECORD,
    LISTS,
    MINIPORT,
    PARENT,
    PROTOCOL,
    SCRATCH,
)
from emulator.ndis.buffers.withholding import ask, bring_withheld, loaded_by_who_published
from emulator.ndis.data_path.datapath_state import AWAY, HOME_MASK, DataPath, data_path
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_SUCCESS
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context

ASK_AGAIN_NS = 2_000_000
NUMBER_SHIFT, NUMBER_MASK = 32, 0xFF_FFFF
_U32 = 0xFFFF_FFFF


def load_list(context: Context, word: int) -> NET_BUFFER_LIST:
    """The list of a word, at home in this context from now on, with all that it links to."""
    path = data_path(context)
    nbl: NET_BUFFER_LIST = _thing(path, word)
    _come_home(path, nbl, _entry_of(nbl), word)
    return nbl


def load_run(context: Context, words: memoryview) -> None:
    """Words are about to be loaded one by one: what is away of the first one's pool comes home at once."""
    path = data_path(context)
    half = words[0] >> NUMBER_SHIFT
    pool = path.numbers.get(half & NUMBER_MASK)
    if pool is None or not pool.is_list_pool:
        return
    things = pool.things
    try:
        found = [things[word & INDEX_MASK] for word in words if word >> NUMBER_SHIFT == half]
    except IndexError:
        return  # one that has never been here
    if None in found:
        return
    stored = path.escaped
    if path.withholds and stored and (mine := [thing for thing in found if thing in stored]):
        bring_withheld(path, list(dict.fromkeys(mine)))
        if len(mine) == len(found):
            return
    halves = path.halves
    away = [thing for thing, entry in zip(found, map(list_entry, found), strict=True) if halves[entry >> 2] & AWAY]
    if away:
        away.reverse()
        bring(path, away)


def load_buffer(context: Context, word: int) -> NET_BUFFER:
    """The NET_BUFFER of a word; one that belongs to a list comes with its list."""
    path = data_path(context)
    thing: NET_BUFFER_LIST | NET_BUFFER = _thing(path, word)
    _come_home(path, thing, _entry_of(thing), word)
    if isinstance(thing, NET_BUFFER_LIST):
        assert thing._buffer is not None
        return thing._buffer
    return thing


def load_mdl(context: Context, word: int) -> MDL:
    """The MDL of a word, as it was last published."""
    path = data_path(context)
    if word >> 56 == POOL_MDL_TAG:
        thing = _thing(path, word)
        buffer: NET_BUFFER = list_buffer(thing) if isinstance(thing, NET_BUFFER_LIST) else thing
        mdl: MDL = buffer_data(buffer)
    else:
        mdl = _allocated_mdl(path, word)
    _refresh_mdl(path, mdl)
    return mdl


def _entry_of(thing: Any) -> int:
    entry: int = (list_entry if isinstance(thing, NET_BUFFER_LIST) else buffer_entry)(thing)
    return entry


def _thing(path: DataPath, word: int) -> Any:
    pool = pool_by_number(path, word >> NUMBER_SHIFT & NUMBER_MASK)
    if pool is None:
        stop(0xD5, word, 0, text="A NET_BUFFER_LIST or NET_BUFFER was used whose pool has been freed.")
    return pool.thing(word & INDEX_MASK)


def _come_home(path: DataPath, thing: Any, entry: int, word: int) -> None:
    halves = path.halves
    while True:
        home = halves[entry >> 2]
        if home == path.home or home & AWAY:
            break
        if home == 0:
            stop(0xD5, word, 0, text="A reference to a freed NET_BUFFER_LIST was used.")
        _call_back(path, thing, entry, home)
    if home != path.home:
        bring(path, [thing])
    elif path.withholds and thing in path.escaped:
        bring_withheld(path, [thing])
    elif word >> 56 == LIST_TAG or not isinstance(thing, NET_BUFFER_LIST):
        path.context.pointers[word] = thing


def _call_back(path: DataPath, thing: Any, entry: int, home: int) -> None:
    """Ask the context where the entry is at home to publish it, and wait; at DISPATCH_LEVEL that is a stop."""
    context = path.context
    slot = (home & HOME_MASK) - 1
    machine = context.machine
    if context.irql >= DISPATCH_LEVEL:
        if ask(path, list_pool(thing) if isinstance(thing, NET_BUFFER_LIST) else buffer_pool(thing), entry, home, slot):
            return
        site = (list_site if isinstance(thing, NET_BUFFER_LIST) else buffer_site)(thing)
        stop_limit(
            VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED,
            f"A NET_BUFFER_LIST that {machine.describe_slot(slot)} works on was taken from shared memory in "
            f"{context.name} at DISPATCH_LEVEL, where it cannot be waited for.",
            slot,
            remedy="Store the reference last, under the spin lock that guards the field, and take it under the same "
            "lock; or take it at PASSIVE_LEVEL. Whoever takes a list takes those along that its Next leads to: lists "
            "that are stored one by one have None there.",
            sites=[site_of(context, "last handed on", site)] if site else [],
        )
    halves = path.halves

    def gone() -> bool:
        return halves[entry >> 2] != home

    asked = machine.arena.recall_counts(slot)
    while not gone():
        asked[0] = asked[0] + 1 & _U32
        machine.arena.summoned[slot] = 1
        context.platform.fence()
        wake(context, slot)
        sleep_in_call(context, gone, context.platform.now() + ASK_AGAIN_NS)


def bring(path: DataPath, pending: list[Any]) -> None:
    """Take things home that are away, with all that they link to."""
    halves, home, away, checked = path.halves, path.home, path.away, path.checked
    pointers = path.context.pointers
    while pending:
        thing = pending.pop()
        is_list = isinstance(thing, NET_BUFFER_LIST)
        entry = list_entry(thing) if is_list else buffer_entry(thing)
        word = halves[entry >> 2]
        if word == home or not word & AWAY:
            if word == home and path.withholds and thing in path.escaped:
                bring_withheld(path, [thing])
            continue
        if checked:
            set_class(thing, NET_BUFFER_LIST if is_list else NET_BUFFER)
        if path.passive:
            path.tracked.append(thing)
        kept = thing._kept and word == away
        thing._kept = False
        pool = thing._pool
        if not kept:
            pool.unasked = 0
        elif pool.crosses:
            loaded_by_who_published(pool)
        # Home before it is read: a reserved word may refer back to it.
        halves[entry >> 2] = home
        pointers[thing._word] = thing
        if is_list:
            following = _restore_list(path, thing, pending) if kept else _read_list(path, thing, pending)
            if following is not None:
                pending.append(following)
        elif kept:
            _restore_buffers(path, thing, pending)
        else:
            _read_buffers(path, thing)


def _restore_list(path: DataPath, nbl: NET_BUFFER_LIST, pending: list[Any]) -> NET_BUFFER_LIST | None:
    """Nobody else has had the list: its members are still right, and what they refer to comes home with it."""
    if nbl.FirstNetBuffer is not None:
        _restore_buffers(path, nbl.FirstNetBuffer, pending)
    if nbl.ParentNetBufferList is not None:
        pending.append(nbl.ParentNetBufferList)
    if nbl._lists:
        pending.extend(
            value for value in (*nbl.ProtocolReserved, *nbl.MiniportReserved) if isinstance(value, NET_BUFFER_LIST)
        )
    if isinstance(nbl.Scratch, NET_BUFFER_LIST):
        pending.append(nbl.Scratch)
    return nbl.Next


def _restore_buffers(path: DataPath, first: NET_BUFFER, pending: list[Any]) -> None:
    buffer: NET_BUFFER | None = first
    while buffer is not None:
        if path.checked:
            set_class(buffer, NET_BUFFER)
        buffer._kept = False
        if not buffer._pool.is_list_pool:
            path.halves[buffer._entry >> 2] = path.home
        if buffer._lists:
            pending.extend(
                value
                for value in (*buffer.ProtocolReserved, *buffer.MiniportReserved)
                if isinstance(value, NET_BUFFER_LIST)
            )
        buffer = buffer.Next


def _read_list(path: DataPath, nbl: NET_BUFFER_LIST, pending: list[Any]) -> NET_BUFFER_LIST | None:
    (following, first, source, status, nbl_flags, flags, children, present, owner, site) = LIST_RECORD.unpack_from(
        path.memory, nbl._entry + LIST_AT
    )
    # One object for each handle: the data path compares identities first.
    nbl.SourceHandle = path.sources.setdefault(source, source) if source else None
    nbl.Status = NDIS_STATUS(status) if status else NDIS_STATUS_SUCCESS
    nbl.NblFlags, nbl.Flags, nbl.ChildRefCount = nbl_flags, flags, children
    nbl._owner, nbl._site = owner, site
    nbl.ParentNetBufferList = nbl.Scratch = None
    nbl.Context = nbl._context
    if nbl._context is not None:
        _refresh_context(nbl)
    if present or nbl._lists:
        _read_extras(path, nbl, present, pending)
    own = nbl._buffer
    if own is not None and own._word == first:
        _read_buffers(path, own)
        nbl.FirstNetBuffer = own
    else:
        nbl.FirstNetBuffer = _read_buffer_word(path, first)
    nbl.Next = _thing(path, following) if following else None
    return nbl.Next


def _refresh_context(nbl: NET_BUFFER_LIST) -> None:
    if nbl._derived is not None:
        nbl._pool.make_plain(nbl)
    area = nbl._context
    if area is not None:
        area.Offset = int.from_bytes(bytes(area._memory.view[10:12]), "little")


def _read_extras(path: DataPath, nbl: NET_BUFFER_LIST, present: int, pending: list[Any]) -> None:
    words = path.words
    at = (nbl._entry + nbl._pool.layout.list_extra) // 8
    if present & PARENT:
        nbl.ParentNetBufferList = _thing(path, words[at])
        pending.append(nbl.ParentNetBufferList)
    if present & CONTEXT:
        forget(path.context, words[at + 1])
        nbl.Context = load_context(path, words[at + 1]) if words[at + 1] else None
    if present & SCRATCH:
        nbl.Scratch = _refer(path, words[at + 8])
    if present & DERIVED:
        nbl._derived, nbl._context = words[at + 37], NO_INITIAL_CONTEXT
    if present & PROTOCOL:
        nbl.ProtocolReserved[:] = [_refer(path, word) if word else None for word in words[at + 2 : at + 6]]
    elif type(nbl.ProtocolReserved) is list:
        nbl.ProtocolReserved[:] = [None] * 4
    if present & MINIPORT:
        nbl.MiniportReserved[:] = [_refer(path, word) if word else None for word in words[at + 6 : at + 8]]
    elif type(nbl.MiniportReserved) is list:
        nbl.MiniportReserved[:] = [None] * 2
    if present & INFORMATION:
        found = words[at + 10 : at + 37]
        nbl.NetBufferListInfo[:] = [(_refer(path, word) or 0) if word >> 56 else word for word in found]
    elif nbl._info:
        nbl.NetBufferListInfo[:] = [0] * INFO_SLOTS


def _refer(path: DataPath, word: int) -> Any:
    """What a reserved word stands for; a list or NET_BUFFER is taken home only if nobody has it."""
    if word >> 56 not in (LIST_TAG, BUFFER_TAG):
        return decode(path.context, word)
    thing = _thing(path, word)
    bring(path, [thing])
    return list_buffer(thing) if word >> 56 == BUFFER_TAG and isinstance(thing, NET_BUFFER_LIST) else thing


def _read_buffer_word(path: DataPath, word: int) -> NET_BUFFER | None:
    if not word:
        return None
    buffer = _buffer_of(path, word)
    _read_buffers(path, buffer)
    return buffer


def _buffer_of(path: DataPath, word: int) -> NET_BUFFER:
    """The NET_BUFFER of a word that a list links to, without its members; one of a pool of its own comes home."""
    thing = _thing(path, word)
    if isinstance(thing, NET_BUFFER_LIST):
        thing = list_buffer(thing)
    else:
        path.halves[_entry_of(thing) >> 2] = path.home
    buffer: NET_BUFFER = thing
    return buffer


def _read_buffers(path: DataPath, first: NET_BUFFER) -> None:
    buffer: NET_BUFFER | None = first
    while buffer is not None:
        if path.checked:
            set_class(buffer, NET_BUFFER)
        buffer._kept = False
        (following, chain, now, now_offset, length, offset, bias, present, physical) = BUFFER_RECORD.unpack_from(
            path.memory, buffer._record
        )
        buffer.MdlChain = (_known_mdl(path, chain) or load_mdl(path.context, chain)) if chain else None
        buffer.CurrentMdl = buffer.MdlChain if now == chain else (load_mdl(path.context, now) if now else None)
        buffer.CurrentMdlOffset, buffer.DataLength, buffer.DataOffset = now_offset, length, offset
        buffer.ChecksumBias, buffer.DataPhysicalAddress = bias, physical
        if present & LISTS:
            at = (buffer._entry + buffer._pool.layout.buffer_extra) // 8
            buffer.ProtocolReserved[:] = [_refer(path, path.words[at + place]) for place in range(6)]
            buffer.MiniportReserved[:] = [_refer(path, path.words[at + place]) for place in range(6, 10)]
        elif buffer._lists:
            buffer.ProtocolReserved[:] = [None] * 6
            buffer.MiniportReserved[:] = [None] * 4
        buffer.Next = _buffer_of(path, following) if following else None
        buffer = buffer.Next


def _known_mdl(path: DataPath, word: int) -> MDL | None:
    """The MDL of a word, refreshed, where it lives, has been here before and stands alone, as most do."""
    mdl = path.context.pointers.get(word)
    if type(mdl) is not MDL or path.words[mdl._life_at] != mdl._life:
        return None
    following, _, length, flags, hides = MDL_RECORD.unpack_from(path.memory, mdl._entry)
    if following or hides:
        return None
    mdl.Next = mdl._hides = None
    if mdl.ByteCount != length:  # an equal one stays the object that all have
        mdl.ByteCount = length
    mdl.MdlFlags = flags
    mdl._packed = (None, length, flags, None)
    return mdl


def _allocated_mdl(path: DataPath, word: int) -> MDL:
    context = path.context
    found = context.pointers.get(word)
    if not context.machine.pool.lives(mdl_pointer(word)):
        # An idle NET_BUFFER may refer to an MDL that is gone, as long as nobody reaches for the data.
        dead: MDL = found if isinstance(found, MDL) else make_mdl(path, word, word & OFFSET_MASK)
        forget(context, word)
        if type(dead) is MDL:
            bury(dead)
        return dead
    return found if isinstance(found, MDL) else make_mdl(path, word, word & OFFSET_MASK)


def make_mdl(path: DataPath, word: int, entry: int) -> MDL:
    """This context's object for an MDL of NdisAllocateMdl."""
    mdl = MDL()
    mdl._path = path
    mdl._entry = entry
    mdl._word = word
    mdl._life_at, mdl._life = path.context.machine.pool.sign_of_life(mdl_pointer(word))
    mdl._packed = mdl._hides = None
    mdl.Next = mdl.Process = None
    _, address, length, flags, _ = MDL_RECORD.unpack_from(path.memory, entry)
    mdl._describe(path.view, address, length)
    mdl.Size = length
    mdl.MdlFlags = flags
    path.context.pointers[word] = mdl
    return mdl


def _refresh_mdl(path: DataPath, first: MDL) -> None:
    mdl: MDL | None = first
    while mdl is not None and type(mdl) is MDL:
        following, _, length, flags, hides = MDL_RECORD.unpack_from(path.memory, mdl._entry)
        if mdl.ByteCount != length:  # an equal one stays the object that all have
            mdl.ByteCount = length
        mdl.MdlFlags = flags
        if not following:
            mdl.Next = None
        elif mdl.Next is None or mdl.Next._word != following:
            mdl.Next = _mdl_of(path, following)
        mdl._hides = load_mdl(path.context, hides) if hides else None
        mdl._packed = (mdl.Next, length, flags, mdl._hides)
        mdl = mdl.Next


def _mdl_of(path: DataPath, word: int) -> MDL:
    if word >> 56 != POOL_MDL_TAG:
        return _allocated_mdl(path, word)
    thing = _thing(path, word)
    mdl: MDL = buffer_data(list_buffer(thing) if isinstance(thing, NET_BUFFER_LIST) else thing)
    return mdl


run_loaders[LIST_TAG] = load_run
loaders[LIST_TAG] = load_list
loaders[BUFFER_TAG] = load_buffer
loaders[MDL_TAG] = load_mdl
loaders[POOL_MDL_TAG] = load_mdl
