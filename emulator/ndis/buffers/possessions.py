"""Whose NET_BUFFER_LISTs are when a machine has stopped: what a dying context knows and nobody else can.

Law: reads, and takes no lock; the machine is dead, so whatever goes wrong here is said in the answer and never raised.
A list that is at home in a context is that context's to tell; one that is published is told by whoever wrote the stop.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from emulator.kernel.sites import describe_site
from emulator.kernel.stop import Possession
from emulator.ndis.buffers.buffer_pools import list_entries
from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST, NOBODY, list_entry, list_owner, list_site
from emulator.ndis.buffers.ownership import describe_owner
from emulator.ndis.buffers.publication import LIST_AT, LIST_RECORD
from emulator.ndis.data_path.datapath_state import AWAY, DataPath

if TYPE_CHECKING:
    from emulator.kernel.context import Context

MOST_ROWS = 32
Owned = Counter[tuple[int, int]]
"""How many lists have this owner and were last handed on at this call site."""


def possessions(context: Context, *, everything: bool) -> list[Possession]:
    """The lists at home in this context by owner; with ``everything`` published ones and other contexts' too."""
    if not context.machine.checked:
        return []  # the free build does not know owners
    try:
        owned = _at_home(context)
        away: Counter[int] = Counter()
        if everything:
            published, away = _in_the_arena(context)
            owned += published
        rows = [_row(context, *key, count) for key, count in owned.most_common(MOST_ROWS)]
        rows += [
            Possession(count, f"at home in {context.machine.describe_slot(slot)}", slot=slot)
            for slot, count in sorted(away.items())
        ]
    except Exception as error:
        rows = [Possession(0, f"could not be counted in {context.name}: {type(error).__name__}: {error}")]
    return rows


def _row(context: Context, owner: int, site: int, count: int) -> Possession:
    where = describe_site(context.machine, site)[0] if site else ""
    return Possession(count, describe_owner(context, owner), where)


def _at_home(context: Context) -> Owned:
    found: Owned = Counter()
    path: DataPath | None = context.datapath
    if path is None:
        return found
    for pool in path.pools.values():
        for thing in pool.things:
            if isinstance(thing, NET_BUFFER_LIST) and path.halves[list_entry(thing) >> 2] == path.home:
                owner = list_owner(thing)
                if owner != NOBODY:
                    found[owner, list_site(thing)] += 1
    return found


def _in_the_arena(context: Context) -> tuple[Owned, Counter[int]]:
    """Published lists by owner, and entries at home in other contexts by slot (with what those have in stock)."""
    published: Owned = Counter()
    away: Counter[int] = Counter()
    machine = context.machine
    for entry, home in list_entries(machine):
        if home & AWAY:
            owner, site = LIST_RECORD.unpack_from(machine.arena.memory, entry + LIST_AT)[8:10]
            published[owner, site] += 1
        elif home and home != context.slot + 1:
            away[home - 1] += 1
    return published, away


__all__ = ["possessions"]
