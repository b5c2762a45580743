"""How a NET_BUFFER_LIST goes from one context to another: written to its record, taken from it, called back.

Law: a list has one home.  Publishing writes the list, its NET_BUFFERs and the lists that it links to, and only then the
home words, that of a list after those of what it links to; whoever loads a word takes the whole chain home.  What is
handed over is published at once; what is stored in a field may wait until the lock, or the processor, is given up.

A list that is at home with a processor is called back by a context that can wait; at DISPATCH_LEVEL nobody can, and the
stop says so.
"""

from __future__ import annotations

import struct
from array import array
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.kernel.pointers import encode
from emulator.kernel.stop import CallSite, stop_limit
from emulator.kernel.waits import wake
from emulator.ndis.buffers.buffer_pools import (
    MDL_RECORD,
    list_entries,
)
from emulator.ndis.buffers.net_buffers import (
    AWAY_BUFFER,
    AWAY_LIST,
    MDL,
    NET_BUFFER,
    NET_BUFFER_LIST,
    NOBODY,
    list_escaped,
    list_owner,
    list_site,
    list_word,
    set_class,
)
from emulator.ndis.buffers.withholding import ANSWERED, ASKED, bring_linked, links, run, take_withheld, withhold
from emulator.ndis.data_path.datapath_state import AWAY, DataPath, data_path
from emulator.ndis.data_path.guards import take_guards_away
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine

LIST_RECORD: Final = struct.Struct("<QQQIIIiIII")
BUFFER_RECORD: Final = struct.Struct("<QQQIIIHHQ")
LIST_AT: Final = 8
_ONLY_LISTS: Final = {NET_BUFFER_LIST}
LISTS, PARENT, CONTEXT, SCRATCH, DERIVED = 1, 2, 4, 8, 16
PROTOCOL, MINIPORT, INFORMATION = 1, 32, 64
"""Which of a list's reserved words are written; those of a NET_BUFFER are all, or none."""
_U32: Final = 0xFFFF_FFFF

# Published MDLs keep their address; only what a driver may write is compared before it is written again.


def publish_list(nbl: NET_BUFFER_LIST, context: Context, stored: bool | None = False) -> int:
    """The word of a list that leaves this context, which is published now or at the next release point."""
    if nbl._owner == NOBODY:
        return nbl._word
    path = nbl._pool.path
    if stored and (path.defers or context.held):
        if not nbl._escaped:
            nbl._escaped = nbl._word.to_bytes(8, "little")
            if path.defers:
                path.escaped[nbl] = None
            else:
                context.escaped.append(nbl)
        return nbl._word
    if stored and path.withholds:
        if nbl not in path.escaped:
            nbl._escaped = nbl._word.to_bytes(8, "little")
            if not withhold(path, [nbl]):
                return nbl._word
        elif nbl._escaped:
            return nbl._word
    if stored is not None or nbl._escaped:
        publish_chain(path, nbl)
    return nbl._word


def publish_buffer(buffer: NET_BUFFER, context: Context, stored: bool | None = False) -> int:
    """The word of a NET_BUFFER that leaves this context; one that belongs to a list goes with its list."""
    pool = buffer._pool
    if pool.is_list_pool:
        publish_list(pool.thing(buffer._index), context, stored)
        return buffer._word
    path = pool.path
    if stored and (path.defers or context.held):
        if not buffer._escaped:
            buffer._escaped = buffer._word.to_bytes(8, "little")
            if path.defers:
                path.escaped[buffer] = None
            else:
                context.escaped.append(buffer)
        return buffer._word
    if stored is not None or buffer._escaped:
        done: list[NET_BUFFER] = []
        _write_buffers(path, buffer, done)
        _send_away(path, [], done)
    return buffer._word


def store_lists(lists: list[NET_BUFFER_LIST], context: Context) -> bytes | None:
    """The words of lists that are stored by the slice and may wait for the release point; None when they may not.

    Whoever takes ``_escaped`` away from one counts in ``forgotten``: an array asks no more for what it remembers.
    """
    path: DataPath = context.datapath
    if not path.defers:
        return _store_held(lists, context) if path.withholds and context.held else None
    try:
        return b"".join([nbl._escaped for nbl in lists])  # type: ignore[misc]
    except (AttributeError, TypeError):  # one has not been stored yet, or is of another kind
        pass
    for nbl in lists:
        if type(nbl) is not NET_BUFFER_LIST or nbl._owner == NOBODY:
            return None
        if nbl._escaped is None:
            nbl._escaped = nbl._word.to_bytes(8, "little")
            path.escaped[nbl] = None
    return b"".join([nbl._escaped for nbl in lists])  # type: ignore[misc]


def _store_held(lists: list[NET_BUFFER_LIST], context: Context) -> bytes | None:
    """The same for lists that are stored under a spin lock by a processor among several."""
    if set(map(type, lists)) != _ONLY_LISTS or NOBODY in map(list_owner, lists):
        return None
    fresh = [nbl for nbl in lists if nbl._escaped is None]
    for nbl in fresh:
        nbl._escaped = nbl._word.to_bytes(8, "little")
    context.escaped.extend(fresh)
    return b"".join(map(list_escaped, lists))


def publish_stored(things: list[Any], context: Context) -> None:
    """A release point: what is still to be published of the lists and NET_BUFFERs that were stored before it."""
    path: DataPath = context.datapath
    if path.withholds:
        things = withhold(path, things)
    lists = [thing for thing in things if type(thing) is NET_BUFFER_LIST and thing._escaped]
    if len(lists) < len(things):
        for thing in things:
            if not isinstance(thing, NET_BUFFER_LIST):
                publish_buffer(thing, context, None)
    if lists:
        publish_chains(path, lists)


def publish_mdl(mdl: MDL) -> None:
    """Write what has changed of an MDL and of those behind it."""
    following: MDL | None = mdl
    while following is not None:
        mdl = following
        following = mdl.Next
        hides = mdl._hides
        packed = (following, mdl.ByteCount, mdl.MdlFlags, hides)
        if mdl._packed != packed:
            mdl._packed = packed
            if hides is not None:
                publish_mdl(hides)
            MDL_RECORD.pack_into(
                mdl._path.memory,
                mdl._entry,
                following._word if following is not None else 0,
                mdl._address,
                mdl.ByteCount,
                mdl.MdlFlags,
                hides._word if hides is not None else 0,
            )


def _publish_mdl(mdl: MDL, context: Context, stored: bool | None = False) -> int:
    del context, stored
    publish_mdl(mdl)
    return mdl._word


# The classes are slots and no more; how they leave a context is this module's to know.
MDL.__publish__ = _publish_mdl  # type: ignore[assignment, method-assign]
NET_BUFFER.__publish__ = publish_buffer  # type: ignore[assignment, method-assign]
NET_BUFFER_LIST.__publish__ = publish_list  # type: ignore[assignment, method-assign]
NET_BUFFER_LIST.__publish_stored__ = staticmethod(store_lists)  # type: ignore[attr-defined]
NET_BUFFER.__publish_escaped__ = staticmethod(publish_stored)  # type: ignore[attr-defined]
NET_BUFFER_LIST.__publish_escaped__ = staticmethod(publish_stored)  # type: ignore[attr-defined]


def publish_chain(path: DataPath, first: NET_BUFFER_LIST) -> None:
    """Write a list, the lists that it links to and all their NET_BUFFERs; then they are nobody's."""
    publish_chains(path, [first])


def publish_chains(path: DataPath, pending: list[NET_BUFFER_LIST]) -> None:
    """``publish_chain`` for several at once."""
    if path.guarded:
        take_guards_away(path)
    lists: list[NET_BUFFER_LIST] = []
    buffers: list[NET_BUFFER] = []
    withheld = path.withholds and path.escaped
    met_again = False
    while pending:
        nbl: NET_BUFFER_LIST | None = pending.pop()
        while nbl is not None and type(nbl) is NET_BUFFER_LIST and nbl._owner != NOBODY:
            if nbl._kept:
                met_again = True
                break
            nbl._kept = True
            nbl._escaped = None
            if withheld:
                bring_linked(path, nbl)
            following = nbl.Next
            parent = nbl.ParentNetBufferList
            if parent is not None:
                pending.append(parent)
            _write_list(path, nbl, following, parent, pending)
            lists.append(nbl)
            buffer = nbl.FirstNetBuffer
            if buffer is not None:
                _write_buffers(path, buffer, buffers)
            nbl = following
    _send_away(path, _before_what_they_link_to(lists) if met_again else lists, buffers)


def _before_what_they_link_to(lists: list[NET_BUFFER_LIST]) -> list[NET_BUFFER_LIST]:
    """Lists that are published at once, each before those of them that it links to; a circle begins anywhere."""
    unseen = set(lists)
    after: list[NET_BUFFER_LIST] = []
    pending = [(nbl, False) for nbl in lists]
    while pending:
        nbl, linked_are_placed = pending.pop()
        if linked_are_placed:
            after.append(nbl)
        elif nbl in unseen:
            unseen.remove(nbl)
            pending.append((nbl, True))
            pending.extend([(linked, False) for linked in links(nbl) if linked in unseen])
    after.reverse()
    return after


def _write_list(
    path: DataPath,
    nbl: NET_BUFFER_LIST,
    following: NET_BUFFER_LIST | None,
    parent: NET_BUFFER_LIST | None,
    pending: list[NET_BUFFER_LIST],
) -> None:
    present = 0
    if nbl._lists or parent is not None or nbl.Scratch is not None or nbl.Context is not nbl._context:
        present = _write_extras(path, nbl, parent, pending)
    buffer = nbl.FirstNetBuffer
    try:
        LIST_RECORD.pack_into(
            path.memory,
            nbl._entry + LIST_AT,
            following._word if following is not None else 0,
            buffer._word if buffer is not None else 0,
            nbl.SourceHandle or 0,
            nbl.Status & _U32,
            nbl.NblFlags,
            nbl.Flags,
            nbl.ChildRefCount,
            present,
            nbl._owner,
            list_site(nbl),
        )
    except (struct.error, TypeError, AttributeError) as error:
        nbl._kept = False
        _unwritable(nbl, error)


def _write_extras(
    path: DataPath, nbl: NET_BUFFER_LIST, parent: NET_BUFFER_LIST | None, pending: list[NET_BUFFER_LIST]
) -> int:
    context, words = path.context, path.words
    at = (nbl._entry + nbl._pool.layout.list_extra) // 8
    present = 0
    if parent is not None:
        words[at] = parent._word
        present |= PARENT
    if nbl.Context is not nbl._context:
        words[at + 1] = nbl.Context._memory._pointer if nbl.Context is not None else 0
        present |= CONTEXT
    if nbl.Scratch is not None:
        words[at + 8] = encode(context, nbl.Scratch)
        present |= SCRATCH
    if nbl._derived is not None:
        words[at + 37] = nbl._derived
        present |= DERIVED
    if nbl._lists:
        protocol, miniport, information = nbl.ProtocolReserved, nbl.MiniportReserved, nbl.NetBufferListInfo
        for bit, start, values in ((PROTOCOL, 2, protocol), (MINIPORT, 6, miniport), (INFORMATION, 10, information)):
            if type(values) is list and any(values):
                present |= bit
                encoded = [_encode(context, value, pending) if value else 0 for value in values]
                words[at + start : at + start + len(encoded)] = array("Q", encoded)
    return present


def _encode(context: Context, value: Any, pending: list[NET_BUFFER_LIST]) -> int:
    """The word for what stands in a list's reserved words; a list there is published with it."""
    if type(value) is NET_BUFFER_LIST:
        pending.append(value)
        return value._word
    return encode(context, value)


def _write_buffers(path: DataPath, first: NET_BUFFER, done: list[NET_BUFFER]) -> None:
    buffer: NET_BUFFER | None = first
    while buffer is not None and type(buffer) is NET_BUFFER:
        following = buffer.Next
        chain, now = buffer.MdlChain, buffer.CurrentMdl
        if chain is not None:
            publish_mdl(chain)
        if now is not chain and now is not None:
            publish_mdl(now)
        present = 0
        if buffer._lists:
            present = LISTS
            at = (buffer._entry + buffer._pool.layout.buffer_extra) // 8
            for start, values in ((0, buffer.ProtocolReserved), (6, buffer.MiniportReserved)):
                for place, value in enumerate(values):
                    path.words[at + start + place] = encode(path.context, value) if value else 0
        try:
            BUFFER_RECORD.pack_into(
                path.memory,
                buffer._record,
                following._word if following is not None else 0,
                chain._word if chain is not None else 0,
                now._word if now is not None else 0,
                buffer.CurrentMdlOffset,
                buffer.DataLength,
                buffer.DataOffset,
                buffer.ChecksumBias,
                present,
                buffer.DataPhysicalAddress,
            )
        except (struct.error, TypeError, AttributeError) as error:
            _unwritable(buffer, error)
        buffer._escaped = None
        buffer._kept = True
        done.append(buffer)
        buffer = following


def _send_away(path: DataPath, lists: list[NET_BUFFER_LIST], buffers: list[NET_BUFFER]) -> None:
    halves, away, pointers = path.halves, path.away, path.context.pointers
    path.context.forgotten += 1
    for buffer in reversed(buffers):
        if not buffer._pool.is_list_pool:
            pointers.pop(buffer._word, None)
            halves[buffer._entry >> 2] = away
    run(map(pointers.pop, map(list_word, lists), repeat(None)))
    for nbl in reversed(lists):
        halves[nbl._entry >> 2] = away
    if path.checked:
        run(map(set_class, buffers, repeat(AWAY_BUFFER)))
        run(map(set_class, lists, repeat(AWAY_LIST)))


def flush(path: DataPath) -> None:
    """A processor's release point: publish what it stored in this round and has not freed or published since."""
    if path.guarded:
        take_guards_away(path)
    if path.withholds:
        publish_chains(path, take_withheld(path))
        return
    escaped = path.escaped
    while escaped:
        thing, _ = escaped.popitem()
        if isinstance(thing, NET_BUFFER_LIST):
            if not thing._escaped:
                continue
            if thing._owner != NOBODY:
                publish_chain(path, thing)
            else:
                thing._escaped = None
                path.context.forgotten += 1
        elif type(thing) is NET_BUFFER and thing._escaped:
            publish_buffer(thing, path.context, None)


def publish_all(context: Context) -> None:
    """Publish every list and NET_BUFFER that is in use and at home in this context."""
    path: DataPath | None = context.datapath
    if path is None:
        return
    flush(path)
    if path.passive:
        things: list[Any] = path.tracked.copy()
        path.tracked.clear()
    else:
        things = [thing for pool in path.pools.values() for thing in pool.things if thing is not None]
    for thing in things:
        if type(thing) is NET_BUFFER_LIST:
            if thing._owner != NOBODY and path.halves[thing._entry >> 2] == path.home:
                publish_chain(path, thing)
        elif type(thing) is NET_BUFFER and thing._site != NOBODY and path.halves[thing._entry >> 2] == path.home:
            publish_buffer(thing, context, False)


def retire(context: Context) -> None:
    """The context ends, and others go on: nothing may stay at home in it."""
    path: DataPath | None = context.datapath
    if path is None:
        return
    publish_all(context)
    for pool in path.pools.values():
        pool.trim(0)
    context.machine.arena.withheld[context.slot] = 0
    serve_recalls(context)


def leave(context: Context) -> None:
    """A callback has returned to its loop, a round has ended: publish what others may come for."""
    path: DataPath | None = context.datapath
    if path is None:
        return
    if path.passive:
        if path.tracked:
            publish_all(context)
    elif path.escaped:
        flush(path)
    serve_recalls(context)


def serve_recalls(context: Context) -> None:
    """Answer a call: publish all that is at home, give back stocks of pools that are being freed, wake who waits.

    Not inside a driver's callback, which works on what is at home: then at its end.  A call for what is withheld is
    answered there too.
    """
    path = context.datapath or data_path(context)
    calls = path.calls
    wanted, wanted_of_withheld = calls[0], calls[ASKED]
    everything = wanted != calls[2] and not context.callback
    if everything:
        from emulator.ndis.buffers.pools import give_in_closing_stocks

        publish_all(context)
        give_in_closing_stocks(path)
        calls[2] = wanted
    elif wanted_of_withheld != calls[ANSWERED]:
        flush(path)
    else:
        return
    calls[ANSWERED] = wanted_of_withheld
    context.platform.fence()
    for slot in range(context.machine.geometry.slots):
        wake(context, slot)


def _unwritable(thing: Any, error: Exception) -> NoReturn:
    stop_limit(
        VnicLimit.VNIC_PRIVATE_DATA,
        f"A {type(thing).__name__} cannot leave this context: one of its members holds what is no number ({error}).",
        remedy="Status, flags, lengths and offsets are numbers; references belong in the reserved words.",
        sites=[CallSite("which", f"{thing._word:#018x}")],
    )


def published_sites(machine: Machine, owner: int, limit: int) -> list[int]:
    """Call sites of published lists of an owner, each once; reads records only, so any context may ask."""
    found: list[int] = []
    for entry, home in list_entries(machine):
        if home & AWAY:
            record_owner, site = LIST_RECORD.unpack_from(machine.arena.memory, entry + LIST_AT)[8:10]
            if record_owner == owner and site and site not in found:
                found.append(site)
                if len(found) == limit:
                    break
    return found
    return found
