"""Tables of NDIS objects behind handles: allocation, generations and decoding.

Law: a handle that was never given out, or whose object is gone, decodes to None; it never reaches another object.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.layout.handles import (
    GENERATION_MASK,
    GENERATION_SHIFT,
    INDEX_MASK,
    KIND_SHIFT,
    a_kind,
    decode_handle,
    make_handle,
)
from emulator.layout.machine import OBJECT, SystemLock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.layout.arena import Arena
    from emulator.layout.records import Record

NO_ENTRY = 0xFFFF_FFFF


def handle_in_words(objects: Mapping[Any, ObjectTable], handle: int | None) -> str:
    """What a driver gave as a handle, for a stop: NULL, its kind, and whether it still stands for anything or ever did.

    ``objects`` are the machine's tables by kind.
    """
    if not handle:
        return "NULL"
    kind, generation, place = decode_handle(handle)
    table = objects.get(kind)
    if table is None or table.find(handle, kind) is not None:
        return a_kind(kind)
    given_out = place < table.capacity and generation < table.records[place].head.generation
    return f"{a_kind(kind)} {'whose object is gone' if given_out else 'that was never given out'}"


class ObjectTable:
    """Records of one type with a free list; entries are reused oldest first, each time with a new generation."""

    def __init__(self, arena: Arena, record: type[Record], count: str, number: int) -> None:
        self.record = record
        self.name = count
        self.capacity: int = getattr(arena.geometry, count)
        start, size = arena.offsets[f"table_{count}"], record.size()
        self.records: list[Any] = [record.at(arena.memory, start + i * size) for i in range(self.capacity)]
        self._bytes, self._size = arena.view[start : start + self.capacity * size].cast("B"), size
        self._allocated = self._bytes[record.head.offset + OBJECT.allocated.offset :: size]  # type: ignore[attr-defined]
        head = arena.offsets["table_heads"] + number * 64
        # Entries leave at the first word's index and come back at the second's: a stale handle stays stale for long.
        self._free = arena.view[head : head + 16].cast("I")

    def column(self, field: str) -> memoryview:
        """The lowest byte of a field, of all records: by it one is found sooner than by looking at each."""
        return self._bytes[getattr(self.record, field).offset :: self._size]

    def format(self) -> None:
        """Link all entries into the free list."""
        for index, entry in enumerate(self.records):
            entry.head.next_free = index + 1 if index + 1 < self.capacity else NO_ENTRY
            entry.head.generation = 1
        self._free[0], self._free[1] = 0, self.capacity - 1
        self._free[2] = 0

    def allocate(self, kind: int, *, driver: int, parent: int, site: int) -> tuple[int, Any] | None:
        """Take a free entry: (handle, record), or None when all are in use.  The rest of the record is as it was."""
        platform = current.context.platform
        platform.acquire(SystemLock.OBJECTS)
        index = self._free[0]
        if index == NO_ENTRY:
            platform.release(SystemLock.OBJECTS)
            return None
        entry = self.records[index]
        head = entry.head
        self._free[0] = head.next_free
        if head.next_free == NO_ENTRY:
            self._free[1] = NO_ENTRY
        self._free[2] += 1
        head.kind = kind
        head.driver = driver
        head.parent = parent
        head.allocated_site = site
        head.freed_site = 0
        head.allocated = 1
        platform.release(SystemLock.OBJECTS)
        return make_handle(kind, head.generation, index), entry

    def free(self, handle: int, *, site: int) -> None:
        """Give an entry back; its generation moves on, so the handle is stale from now."""
        index = handle & INDEX_MASK
        platform = current.context.platform
        platform.acquire(SystemLock.OBJECTS)
        head = self.records[index].head
        head.allocated = 0
        head.freed_site = site
        head.generation = (head.generation + 1) & GENERATION_MASK or 1
        head.next_free = NO_ENTRY
        last = self._free[1]
        if last == NO_ENTRY:
            self._free[0] = index
        else:
            self.records[last].head.next_free = index
        self._free[1] = index
        self._free[2] -= 1
        platform.release(SystemLock.OBJECTS)

    def find(self, handle: int | None, kind: int) -> Any:
        """The record of a live handle of this kind; None for anything else (NULL, wrong kind, stale, invented)."""
        if handle is None or handle >> KIND_SHIFT != kind:
            return None
        index = handle & INDEX_MASK
        if index >= self.capacity:
            return None
        entry = self.records[index]
        head = entry.head
        if head.generation != handle >> GENERATION_SHIFT & GENERATION_MASK or not head.allocated:
            return None
        return entry

    def freed(self, handle: int, kind: int) -> Any:
        """The record that a stale handle once named, for the stop screen; None when it never named one."""
        index = handle & INDEX_MASK
        if handle >> KIND_SHIFT != kind or index >= self.capacity:
            return None
        entry = self.records[index]
        return entry if entry.head.generation == ((handle >> GENERATION_SHIFT) + 1) & GENERATION_MASK else None

    @property
    def in_use(self) -> int:
        """Entries allocated now."""
        return self._free[2]

    def live(self) -> list[tuple[int, Any]]:
        """(handle, record) of every allocated entry, in index order."""
        return [
            (make_handle(entry.head.kind, entry.head.generation, index), entry)
            for index, entry in compress(enumerate(self.records), self._allocated)
        ]
