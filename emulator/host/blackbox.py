"""What the host reads of a context's slot: the black box, in words.

Law: nothing read from an arena is trusted; every number is checked against its table before it selects anything, and an
impossible one is shown as the number that it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from emulator.kernel.context import context_name
from emulator.kernel.workqueue import SERVICE_ORDER, waiting_entries
from emulator.layout.handles import HandleKind, decode_handle, kind_name
from emulator.layout.machine import (
    DRIVER_LOCKS,
    JOURNAL_ENTRIES,
    JOURNAL_INDEX,
    SITES_PER_SLOT,
    WORK_ITEM,
    ContextKind,
    SlotState,
    SystemLock,
)
from emulator.rules.irql import irql_name
from emulator.rules.nbl import IN_JOURNAL
from emulator.rules.work_items import QUEUE_NAMES

_ITEM_KINDS = (HandleKind.WORK_ITEM, HandleKind.IO_WORK_ITEM, HandleKind.EX_WORK_ITEM)

if TYPE_CHECKING:
    from emulator.host.messages import Names
    from emulator.layout.arena import Arena


class BlackBox(msgspec.Struct, kw_only=True):
    """One context as its slot says: also one object of the stop screen's JSON."""

    slot: int
    name: str
    pid: int
    state: str
    irql: int
    processor: int
    driver: str = ""
    routine: str = ""
    ddi: str = ""
    site: str = ""
    for_ns: int = 0
    """How long it has been in that callback; 0 when it is in none."""
    held: list[str] = []
    wanted: str = ""
    item: str = ""
    callbacks: int = 0
    exit: str = ""
    stack: list[str] = []

    def in_words(self) -> str:
        """One line: what it was doing."""
        parts = [f"{self.name} (pid {self.pid}), {irql_name(self.irql)}"]
        if self.routine:
            parts.append(f"in {self.routine} for {self.for_ns / 1e6:.1f} ms")
        elif not self.stack or self.state != "RUNNING":
            parts.append("idle" if self.state == "RUNNING" else self.state.lower())
        if self.ddi:
            parts.append(f"last DDI {self.ddi}")
        if self.site:
            parts.append(f"last at {self.site}")
        if self.held:
            parts.append(f"holds {', '.join(self.held)}")
        if self.wanted:
            parts.append(f"waits for {self.wanted}")
        if self.item:
            parts.append(f"has {self.item} in hand")
        if self.exit:
            parts.append(f"ended with {self.exit}")
        return "; ".join(parts)


def read(arena: Arena, names: Names, slot: int, now: int) -> BlackBox:
    """The black box of a slot."""
    box = arena.slots[slot]
    kind = box.kind
    entered = box.entered
    item = box.item
    wanted = box.lock_wanted
    routine = entry(names.routines, box.routine)
    if kind == ContextKind.ZYGOTE and entered and not routine:
        routine = "DriverEntry"
    return BlackBox(
        slot=slot,
        name=words_of(kind, box.index),
        pid=box.pid,
        state=_state_name(box.state),
        irql=box.irql & 0xFF,
        processor=box.processor,
        driver=entry(names.images, box.driver - 1),
        routine=routine,
        ddi=entry(names.ddis, box.ddi),
        site=site_name(arena, names, box.site),
        for_ns=max(0, now - entered) if entered else 0,
        held=[lock_name(arena, lock) for lock, site in enumerate(arena.lock_holders) if site >> 16 == slot],
        wanted=lock_name(arena, wanted) if wanted else "",
        item=item_name(arena, names, item) if item else "",
        callbacks=box.callbacks,
    )


def entry(table: list[str], number: int) -> str:
    """An entry of a table of names; empty for 0 or below, the number where the table has no such entry."""
    if number < 0 or (number == 0 and table and not table[0]):
        return ""
    return table[number] if number < len(table) else (f"number {number}" if number else "")


def words_of(kind: int, index: int) -> str:
    """A context by kind and index, whatever its slot claims to be."""
    try:
        return context_name(ContextKind(kind), index)
    except ValueError:
        return f"context of kind {kind}"


def _state_name(state: int) -> str:
    try:
        return SlotState(state).name
    except ValueError:
        return f"state {state}"


def lock_name(arena: Arena, lock: int) -> str:
    """A lock in words."""
    if lock >= SystemLock.FIRST_DRIVER:
        number = lock - SystemLock.FIRST_DRIVER
        mark = arena.lock_used[number] if number < len(arena.lock_used) else 0
        return f"{DRIVER_LOCKS.get(mark, 'spin lock')} {number}"
    if lock >= SystemLock.DPC:
        return f"the DPC queue lock of processor {lock - SystemLock.DPC}"
    if lock >= SystemLock.PROCESSOR:
        return f"the lock of processor {lock - SystemLock.PROCESSOR}"
    if lock >= SystemLock.QUEUE_TAKE:
        return f"the take lock of work queue {lock - SystemLock.QUEUE_TAKE}"
    if lock >= SystemLock.QUEUE_PUT:
        return f"the put lock of work queue {lock - SystemLock.QUEUE_PUT}"
    try:
        return f"the lock {SystemLock(lock).name}"
    except ValueError:
        return f"lock {lock}"


def site_name(arena: Arena, names: Names, site: int) -> str:
    """A stored call site as ``file:line in function``; empty for none."""
    slot, number = site >> 16, site & 0xFFFF
    if not site or slot >= len(arena.slots) or number >= SITES_PER_SLOT:
        return ""
    word = arena.sites(slot)[number]
    return code_name(names, word >> 16, (word & 0xFFFF) * 2)


def code_name(names: Names, code: int, offset: int) -> str:
    """An instruction of a numbered code object as ``file:line in function``."""
    if not 0 < code < len(names.codes):
        return "(a function made at run time)"
    known = names.codes[code]
    line = known.first_line
    for start, at in zip(known.starts, known.lines, strict=False):
        if start > offset:
            break
        line = at
    return f"{short_path(names, known.path)}:{line} in {known.name}"


def short_path(names: Names, path: str) -> str:
    """A path below one of the roots, without the root."""
    for root in names.roots:
        if path.startswith(root):
            return path[len(root) :].lstrip("/")
    return path


def item_name(arena: Arena, names: Names, handle: int) -> str:
    """A work item in words."""
    kind, _, index = decode_handle(handle)
    if kind not in _ITEM_KINDS or index >= arena.geometry.work_items:
        return f"a {kind_name(kind)} 0x{handle:016X}"
    record = WORK_ITEM.at(arena.memory, arena.offsets["table_work_items"] + index * WORK_ITEM.size())
    routine = entry(names.routines, record.routine)
    queued = site_name(arena, names, record.queued_site)
    return (
        f"work item 0x{handle:016X}"
        + (f" of {routine}" if routine else "")
        + (f" queued at {queued}" if queued else "")
    )


def waiting_items(arena: Arena, names: Names, limit: int = 20) -> list[str]:
    """Work items put and not taken, in the order in which they would be served."""
    return [
        f"{QUEUE_NAMES[number]} work queue: {item_name(arena, names, taken.handle)}"
        for number in SERVICE_ORDER
        for taken in waiting_entries(arena, number, limit)
    ][:limit]


def hand_offs(arena: Arena, names: Names, slot: int, limit: int = 8) -> list[str]:
    """The last hand-offs of a context, oldest first, each of a chain by its first list; of the checked build alone."""
    if not 0 <= slot < len(arena.slots):
        return []
    journal = arena.journal(slot)
    last = journal[JOURNAL_INDEX] % JOURNAL_ENTRIES
    words = [journal[(last - back) % JOURNAL_ENTRIES] for back in range(limit)]
    return [_hand_off(arena, names, slot, word) for word in reversed(words) if word]


def _hand_off(arena: Arena, names: Names, slot: int, word: int) -> str:
    operation, site = word & 0xFF, word >> 8 & 0xFFFF
    where = site_name(arena, names, slot << 16 | site) if site else ""
    did = IN_JOURNAL.get(operation, f"operation {operation}")
    return f"{did} NET_BUFFER_LIST {word >> 32 & 0xFF_FFFF} of pool {word >> 56}" + (f" at {where}" if where else "")
