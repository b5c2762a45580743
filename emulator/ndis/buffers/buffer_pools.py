"""Pools of NET_BUFFER_LISTs and NET_BUFFERs: entries in shared memory, each context's own objects and stock of them.

Law: an entry belongs to the shared free list or to one context; a processor takes and gives entries in batches under a
lock, so that allocating and freeing one costs no shared write.  Other contexts take and give them singly and keep none.

The block of a pool is a directory (head of the free list, number of entries, offsets of the segments); a segment is a
pool block of 64 entries; an entry holds what publication writes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from emulator.kernel.objects import handle_in_words
from emulator.kernel.pointers import Memory
from emulator.kernel.pool import OFFSET_MASK
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import (
    GENERATION_MASK,
    GENERATION_SHIFT,
    INDEX_MASK,
    KIND_SHIFT,
    HandleKind,
    a_kind,
    make_handle,
)
from emulator.layout.machine import SystemLock
from emulator.ndis.buffers.net_buffers import (
    BUFFER_TAG,
    CONTEXT_HEADER,
    LIST_TAG,
    MDL,
    MDL_SOURCE_IS_NONPAGED_POOL,
    NET_BUFFER,
    NET_BUFFER_LIST,
    NET_BUFFER_LIST_CONTEXT,
    NOBODY,
    POOL_MDL_TAG,
    buffer_word,
    list_word,
    prepare_reserved,
    set_class,
)
from emulator.ndis.data_path.datapath_state import AWAY, HOME_MASK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine
    from emulator.layout.machine import POOL_OBJECT
    from emulator.ndis.data_path.datapath_state import DataPath

SEGMENT: Final = 64
SEGMENTS: Final = 512
BATCH: Final = 32
STOCK_LIMIT: Final = 96
DIRECTORY_BYTES: Final = 64 + SEGMENTS * 8
RECORDS_TAG: Final = int.from_bytes(b"NDnb", "little")
CLOSING: Final = 0x8000_0000
"""Bit of POOL_OBJECT.flags: the pool is being freed, give its entries back."""

FREE_HEAD, CAPACITY, FREE_COUNT, SEGMENT_COUNT, CROSSES, FIRST_SEGMENT = 0, 1, 2, 3, 4, 8


class EntryLayout(NamedTuple):
    """Where the parts of an entry lie; the first two words are its home and the next free entry."""

    stride: int
    list: int
    buffer: int
    mdl: int
    list_extra: int
    buffer_extra: int


LIST_ENTRY_LAYOUT: Final = EntryLayout(544, 8, 72, 128, 160, 464)
CHILDREN_AT: Final = 64
"""Where an entry counts the lists that derive from its own; between the list's record and the NET_BUFFER's."""
BUFFER_ENTRY_LAYOUT: Final = EntryLayout(176, 0, 8, 64, 0, 96)

MDL_RECORD: Final = struct.Struct("<QQIIQ")
CONTEXT_RECORD: Final = struct.Struct("<QHHI")


class _NoStock(list[Any]):
    """The stock of a context that keeps none: nothing to take, and what is put goes back to the pool at once."""

    __slots__ = ("pool",)

    def __init__(self, pool: BufferPool) -> None:
        super().__init__()
        self.pool = pool

    def append(self, thing: Any) -> None:
        self.pool.put_back([thing])


class BufferPool:
    """One pool as one context sees it."""

    __slots__ = (
        "combined",
        "context_size",
        "crosses",
        "data_size",
        "directory",
        "driver",
        "handle",
        "has_buffer",
        "is_list_pool",
        "layout",
        "number",
        "path",
        "record",
        "segments",
        "stock",
        "things",
        "unasked",
    )

    def __init__(self, path: DataPath, handle: int, record: POOL_OBJECT) -> None:
        self.path = path
        self.handle = handle
        self.record = record
        self.driver: int = record.head.driver
        self.number = pool_number(handle >> GENERATION_SHIFT & GENERATION_MASK, handle & INDEX_MASK)
        self.is_list_pool = handle >> KIND_SHIFT == HandleKind.NET_BUFFER_LIST_POOL
        self.layout = LIST_ENTRY_LAYOUT if self.is_list_pool else BUFFER_ENTRY_LAYOUT
        self.has_buffer = not self.is_list_pool or bool(record.flags & 1)
        self.data_size = record.data_size
        self.context_size = record.context_size
        self.combined = self.is_list_pool and self.has_buffer and not self.data_size
        self.directory = (record.records & OFFSET_MASK) // 8
        self.segments: list[int] = []
        self.things: list[Any] = []
        self.stock: list[Any] = _NoStock(self) if path.passive else []
        # What is stored of it is asked for by others, so it is published; or it was, how often for nobody in a row.
        self.crosses = bool(path.words[self.directory + CROSSES])
        self.unasked = 0

    def entry(self, index: int) -> int:
        """Where an entry lies in the arena."""
        segments = self.segments
        number = index // SEGMENT
        if number >= len(segments):
            words, first = self.path.words, self.directory
            if number >= words[first + SEGMENT_COUNT]:
                raise IndexError(index)
            for place in range(len(segments), words[first + SEGMENT_COUNT]):
                segments.append(words[first + FIRST_SEGMENT + place])
            self.things.extend([None] * (len(segments) * SEGMENT - len(self.things)))
        return segments[number] + index % SEGMENT * self.layout.stride

    def thing(self, index: int) -> Any:
        """This context's object for an entry, made at its first use here."""
        things = self.things
        if index < len(things):
            found = things[index]
            if found is not None:
                return found
        entry = self.entry(index)
        made: Any = self._make_list(index, entry) if self.is_list_pool else self._make_buffer(index, entry)
        self.things[index] = made
        return made

    def refill(self) -> Any:
        """Take entries from the shared list, a batch for a processor, else one; one of them, or None."""
        path = self.path
        taken = self._take(1 if path.passive else BATCH)
        if not taken:
            return None
        halves, home = path.halves, path.home
        things = []
        for index in taken:
            halves[self.entry(index) >> 2] = home
            things.append(_made_anew(self.thing(index)))
        first = things.pop()
        self.stock.extend(things)
        if path.passive:
            path.tracked.append(first)
        return first

    def _take(self, wanted: int) -> list[int]:
        path = self.path
        context, words, halves, at = path.context, path.words, path.halves, self.directory
        platform = context.platform
        while True:
            taken: list[int] = []
            platform.acquire(SystemLock.OBJECTS)
            index = words[at + FREE_HEAD]
            while index and len(taken) < wanted:
                taken.append(index - 1)
                index = halves[(self.entry(index - 1) >> 2) + 1]
            words[at + FREE_HEAD] = index
            words[at + FREE_COUNT] -= len(taken)
            platform.release(SystemLock.OBJECTS)
            if taken or not self._grow():
                return taken

    def put_back(self, things: list[Any]) -> None:
        """Give entries back to the shared list."""
        path = self.path
        words, halves, at, platform = path.words, path.halves, self.directory, path.context.platform
        pointers = path.context.pointers
        path.context.forgotten += 1
        platform.acquire(SystemLock.OBJECTS)
        head = words[at + FREE_HEAD]
        for thing in things:
            # Whoever takes the entry next publishes it under the same word, which must not find this object then.
            pointers.pop(thing._word, None)
            thing._escaped = None
            place = thing._entry >> 2
            halves[place] = 0
            halves[place + 1] = head
            head = thing._index + 1
        words[at + FREE_HEAD] = head
        words[at + FREE_COUNT] += len(things)
        platform.release(SystemLock.OBJECTS)

    def mark_crossing(self, *, crosses: bool) -> None:
        """Its lists are, or are no more, what one processor stores and another one loads."""
        self.path.words[self.directory + CROSSES] = self.crosses = crosses
        self.unasked = 0

    def learn_crossing(self) -> None:
        """Another context may have marked the pool."""
        self.crosses = bool(self.path.words[self.directory + CROSSES])

    def make_plain(self, nbl: NET_BUFFER_LIST) -> None:
        """A list that was derived once is an ordinary one again, with its pool's context area."""
        nbl._derived = None
        nbl.Context = nbl._context = self._context_of(nbl._entry)

    def trim(self, keep: int) -> None:
        """Give back what the stock holds beyond ``keep``."""
        stock = self.stock
        if len(stock) > keep:
            things = stock[keep:]
            del stock[keep:]
            self.put_back(things)

    def counts(self) -> tuple[int, int]:
        """(entries that the pool has, entries in its shared free list)."""
        words, at = self.path.words, self.directory
        return words[at + CAPACITY], words[at + FREE_COUNT]

    def where(self, context: Context, entry: int) -> str:
        """Where an entry is, in words."""
        home = self.path.halves[entry >> 2]
        if home == 0:
            return "free in its pool"
        if home & AWAY or home == self.path.home:  # the latter is withheld: nobody asks for what he has in his hands
            return f"published by {context.machine.describe_slot((home & HOME_MASK) - 1)}, taken by nobody yet"
        return f"in the hands of {context.machine.describe_slot(home - 1)}"

    def _grow(self) -> bool:
        path = self.path
        context, words, halves, at = path.context, path.words, path.halves, self.directory
        record, layout = self.record, self.layout
        if words[at + SEGMENT_COUNT] >= SEGMENTS:
            return False
        start = self._block(SEGMENT * layout.stride)
        data = self._block(SEGMENT * self.data_size) if self.data_size else 0
        if start is None or data is None:
            return False
        path.view[start : start + SEGMENT * layout.stride] = bytes(SEGMENT * layout.stride)
        for number in range(SEGMENT):
            entry = start + number * layout.stride
            if self.data_size:
                address = data + number * self.data_size
                MDL_RECORD.pack_into(
                    path.memory, entry + layout.mdl, 0, address, self.data_size, MDL_SOURCE_IS_NONPAGED_POOL, 0
                )
            if self.context_size:
                pointer = self._context_block()
                if pointer is None:
                    return False
                words[(entry + layout.list_extra + 72) // 8] = pointer
        platform = context.platform
        platform.acquire(SystemLock.OBJECTS)
        segment = words[at + SEGMENT_COUNT]
        words[at + FIRST_SEGMENT + segment] = start
        words[at + SEGMENT_COUNT] = segment + 1
        words[at + CAPACITY] += SEGMENT
        head = words[at + FREE_HEAD]
        for number in range(SEGMENT - 1, -1, -1):
            halves[(start + number * layout.stride >> 2) + 1] = head
            head = segment * SEGMENT + number + 1
        words[at + FREE_HEAD] = head
        words[at + FREE_COUNT] += SEGMENT
        record.entries += SEGMENT
        platform.release(SystemLock.OBJECTS)
        return True

    def _block(self, length: int) -> int | None:
        context = self.path.context
        pointer = context.machine.pool.allocate(
            length,
            tag=RECORDS_TAG,
            type_number=0,
            site=self.record.head.allocated_site,
            driver=0,
            owner=self.handle,
        )
        return pointer & OFFSET_MASK if pointer is not None else None

    def _context_block(self) -> int | None:
        path = self.path
        pointer = path.context.machine.pool.allocate(
            CONTEXT_HEADER + self.context_size,
            tag=self.record.tag,
            type_number=0,
            site=self.record.head.allocated_site,
            driver=0,
            owner=self.handle,
        )
        if pointer is not None:
            CONTEXT_RECORD.pack_into(path.memory, pointer & OFFSET_MASK, 0, self.context_size, self.context_size, 1)
        return pointer

    def _make_list(self, index: int, entry: int) -> NET_BUFFER_LIST:
        made = NET_BUFFER_LIST()
        made._pool = self
        made._index = index
        made._entry = entry
        made._word = LIST_TAG << 56 | self.number << 32 | index
        made._mark = (self.number & 0xFF) << 56 | index << 32
        made._owner = NOBODY
        made._site = 0
        made._info = False
        prepare_reserved(made)
        made._kept, made._escaped = False, None
        made._derived = None
        made.NdisPoolHandle = self.handle
        made.Scratch = None
        made.SourceHandle = None
        made._buffer = self._make_buffer(index, entry) if self.has_buffer else None
        made.Context = made._context = self._context_of(entry)
        return made

    def _context_of(self, entry: int) -> NET_BUFFER_LIST_CONTEXT | None:
        pointer = self.path.words[(entry + self.layout.list_extra + 72) // 8] if self.context_size else 0
        return load_context(self.path, pointer) if pointer else None

    def _make_buffer(self, index: int, entry: int) -> NET_BUFFER:
        path = self.path
        made = NET_BUFFER()
        made._pool = self
        made._index = index
        made._entry = entry
        made._word = BUFFER_TAG << 56 | self.number << 32 | index
        made._record = entry + self.layout.buffer
        prepare_reserved(made)
        made._kept, made._escaped = False, None
        made._site = 0
        made.NdisPoolHandle = self.handle
        made.DataPhysicalAddress = 0
        made.SharedMemoryInfo = made.ScatterGatherList = None
        made.ChecksumBias = 0
        made._data = None
        if self.data_size:
            mdl = made._data = MDL()
            mdl._path = path
            mdl._entry = entry + self.layout.mdl
            mdl._word = POOL_MDL_TAG << 56 | self.number << 32 | index
            mdl.Size = self.data_size
            mdl.Process = mdl.Next = None
            mdl._hides = None
            _, address, length, flags, _ = MDL_RECORD.unpack_from(path.memory, mdl._entry)
            mdl._describe(path.view, address, length)
            mdl.MdlFlags = flags
            mdl._packed = None
        return made


def _made_anew(thing: Any) -> Any:
    """An entry that was published here once, and freed elsewhere since, is an ordinary object again."""
    buffer = thing
    if isinstance(thing, NET_BUFFER_LIST):
        set_class(thing, NET_BUFFER_LIST)
        thing._kept, thing._escaped = False, None
        thing._owner = NOBODY
        if thing._derived is not None:
            thing._pool.make_plain(thing)
        buffer = thing._buffer
    if buffer is not None:
        set_class(buffer, NET_BUFFER)
        buffer._kept, buffer._escaped = False, None
    return thing


def load_context(path: DataPath, pointer: int) -> NET_BUFFER_LIST_CONTEXT:
    """The context area that a pointer names, with those below it, as an object of this context."""
    found = path.context.pointers.get(pointer)
    if isinstance(found, NET_BUFFER_LIST_CONTEXT):
        return found
    offset = pointer & OFFSET_MASK
    following, size, start, pre = CONTEXT_RECORD.unpack_from(path.memory, offset)
    memory = Memory(path.view, offset, CONTEXT_HEADER + size, pointer)
    made = NET_BUFFER_LIST_CONTEXT(memory, size, start, pre=bool(pre))
    made.Next = load_context(path, following) if following else None
    return made


def pool_number(generation: int, index: int) -> int:
    """A pool's part of a word: generation and place in the table."""
    return (generation & 0xFFFF) << 8 | index & 0xFF


def find_pool(path: DataPath, handle: int | None, kind: HandleKind, ddi: str) -> BufferPool:
    """This context's view of a pool; stops for a handle that names none."""
    found = path.pools.get(handle or 0)
    if found is not None and handle is not None and handle >> 56 == kind:
        return found
    record = path.context.machine.objects[kind].find(handle, kind)
    if record is None or handle is None:
        wrong_pool(path.context, handle, kind, ddi)
    return open_pool(path, handle, record)


def open_pool(path: DataPath, handle: int, record: POOL_OBJECT) -> BufferPool:
    """Make this context's view of a live pool."""
    made = path.pools[handle] = BufferPool(path, handle, record)
    path.numbers[made.number] = made
    return made


def pool_by_number(path: DataPath, number: int) -> BufferPool | None:
    """The pool that a word names; None when it has been freed."""
    found = path.numbers.get(number)
    if found is not None:
        return found
    table = path.context.machine.objects[HandleKind.NET_BUFFER_LIST_POOL]
    index = number & 0xFF
    if index >= table.capacity:
        return None
    record = table.records[index]
    head = record.head
    if not head.allocated or pool_number(head.generation, index) != number:
        return None
    return open_pool(path, make_handle(head.kind, head.generation, index), record)


def forget_dead_pools(path: DataPath) -> None:
    """Drop the views of pools that have been freed since."""
    for handle, pool in list(path.pools.items()):
        head = pool.record.head
        if not head.allocated or head.generation != handle >> GENERATION_SHIFT & GENERATION_MASK:
            del path.pools[handle]
            path.numbers.pop(pool.number, None)
            _forget_words(path, pool)


def list_entries(machine: Machine) -> Iterator[tuple[int, int]]:
    """Where each entry of each pool of NET_BUFFER_LISTs lies, and the word of its home; reads shared memory only."""
    words, halves = machine.arena.words, machine.arena.view.cast("B").cast("I")
    for _, record in machine.objects[HandleKind.NET_BUFFER_LIST_POOL].live():
        if record.head.kind != HandleKind.NET_BUFFER_LIST_POOL or not record.records:
            continue
        directory = (record.records & OFFSET_MASK) // 8
        for segment in range(words[directory + SEGMENT_COUNT]):
            start = words[directory + FIRST_SEGMENT + segment]
            for entry in range(start, start + SEGMENT * LIST_ENTRY_LAYOUT.stride, LIST_ENTRY_LAYOUT.stride):
                yield entry, halves[entry >> 2]


def _forget_words(path: DataPath, pool: BufferPool) -> None:
    pointers = path.context.pointers
    path.context.forgotten += 1
    for thing in pool.things:
        if thing is not None:
            pointers.pop((list_word if isinstance(thing, NET_BUFFER_LIST) else buffer_word)(thing), None)


def wrong_pool(context: Context, handle: int | None, kind: HandleKind, ddi: str) -> NoReturn:
    """0x7C/0x21: what was given is no live pool of this kind (our choice of code, as for every wrong handle)."""
    table = context.machine.objects[kind]
    freed = table.freed(handle, kind) if handle else None
    if freed is not None:
        text, sites = "A pool was used after it had been freed.", [site_of(context, "freed", freed.head.freed_site)]
    else:
        found = handle_in_words(context.machine.objects, handle)
        text, sites = f"{ddi} needs {a_kind(kind)}; what was given is {found}.", []
    stop(0x7C, 0x21, handle or 0, (handle or 0) & INDEX_MASK, text=text, sites=sites, ddi=ddi)
