"""Nonpaged pool in the arena: tagged blocks with a header that names type, owner and allocation site.

Law: a pointer is an offset and a generation; a pointer to a freed block is recognised, whoever kept it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emulator.kernel.platform import current
from emulator.layout.machine import SystemLock
from emulator.layout.records import Array, Record, u16, u32, u64

if TYPE_CHECKING:
    from emulator.layout.arena import Arena

BLOCK_MAGIC = 0x4B4C424E
POINTER_TAG = 0x01
OFFSET_BITS = 40
OFFSET_MASK = (1 << OFFSET_BITS) - 1
GENERATION_MASK = 0xFFFF
SMALLEST = 64
FILL = 0xCD
FREED_FILL = 0xDD


class BLOCK(Record):
    """The 64 bytes in front of every pool block; ``items`` counts the work items that lie in it."""

    magic: u32
    allocated: u16
    generation: u16
    type: u32
    tag: u32
    length: u32
    size_class: u32
    allocated_site: u32
    freed_site: u32
    driver: u32
    next_free: u32
    owner: u64
    items: u64
    spare: u64


class POOL_STATE(Record):
    """The allocator.  Lock: POOL."""

    bump: u64
    blocks: u64
    bytes: u64
    highest: u64
    free: Array[u32, Literal[96]]  # CLASSES


HEADER = BLOCK.size()
CLASSES = 96
"""No block is larger than the largest of them, 1 GiB."""


def size_class_of(length: int) -> tuple[int, int]:
    """(class, bytes) of the smallest block that holds ``length``: four steps to each doubling from 64."""
    number = 0
    base = SMALLEST
    while True:
        for step in range(4):
            size = base + base // 4 * step
            if length <= size:
                return number, size
            number += 1
        base *= 2


class Pool:
    """The allocator as a process sees it."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.start, self.length = arena.pool
        self.end = self.start + self.length
        self.state = POOL_STATE.at(arena.memory, arena.offsets["pool_state"])
        self._around: dict[int, int] = {}

    def format(self) -> None:
        """Make the whole region free."""
        self.state.bump = self.start

    def block(self, offset: int) -> BLOCK:
        """The header of the block whose data begin at ``offset``."""
        return BLOCK.at(self.arena.memory, offset - HEADER)

    def allocate(self, length: int, *, tag: int, type_number: int, site: int, driver: int, owner: int) -> int | None:
        """Allocate ``length`` bytes; a pointer, or None when the pool is exhausted."""
        number, size = size_class_of(length)
        if number >= CLASSES:
            return None
        state = self.state
        platform = current.context.platform
        platform.acquire(SystemLock.POOL)
        unit = state.free[number]
        if unit:
            offset = unit * 16
            block = self.block(offset)
            state.free[number] = block.next_free
        else:
            offset = state.bump + HEADER
            if offset + size > self.end:
                platform.release(SystemLock.POOL)
                return None
            state.bump = offset + (size + 63) // 64 * 64
            block = self.block(offset)
            block.magic = BLOCK_MAGIC
            block.size_class = number
            block.generation = 1
        state.blocks += 1
        state.bytes += length
        state.highest = max(state.highest, state.bytes)
        block.tag, block.type, block.length = tag, type_number, length
        block.allocated_site, block.freed_site = site, 0
        block.driver, block.owner = driver, owner
        block.allocated = 1
        generation = block.generation
        platform.release(SystemLock.POOL)
        if current.context.machine.checked:
            self.arena.view[offset : offset + length] = bytes((FILL,)) * length
        return POINTER_TAG << 56 | generation << OFFSET_BITS | offset

    def free(self, pointer: int, *, site: int) -> bool:
        """Free a block; False when the pointer names no live block (double free, invented pointer)."""
        if self.find(pointer) is None:
            return False
        offset = pointer & OFFSET_MASK
        platform = current.context.platform
        platform.acquire(SystemLock.POOL)
        block = self.block(offset)
        if not block.allocated:
            platform.release(SystemLock.POOL)
            return False
        block.allocated = 0
        block.freed_site = site
        block.generation = block.generation + 1 & GENERATION_MASK or 1
        state = self.state
        state.blocks -= 1
        state.bytes -= block.length
        block.next_free = state.free[block.size_class]
        state.free[block.size_class] = offset // 16
        if current.context.machine.checked:
            self.arena.view[offset : offset + block.length] = bytes((FREED_FILL,)) * block.length
        platform.release(SystemLock.POOL)
        return True

    def find(self, pointer: int) -> BLOCK | None:
        """The header of a live block; None when the pointer is stale or was never given out."""
        block = self.header(pointer)
        if block is None or not block.allocated or block.generation != pointer >> OFFSET_BITS & GENERATION_MASK:
            return None
        return block

    def lives(self, pointer: int) -> bool:
        """Does ``find`` find it?  One look at the header's first word: magic, allocated and generation."""
        offset = pointer & OFFSET_MASK
        if pointer >> 56 != POINTER_TAG or not self.start + HEADER <= offset < self.end or offset & 15:
            return False
        place, expected = self.sign_of_life(pointer)
        return bool(self.arena.words[place] == expected)

    @staticmethod
    def sign_of_life(pointer: int) -> tuple[int, int]:
        """Which of the arena's words holds what for as long as a block lives."""
        generation = pointer >> OFFSET_BITS & GENERATION_MASK
        return (pointer & OFFSET_MASK) - HEADER >> 3, BLOCK_MAGIC | 1 << 32 | generation << 48

    def header(self, pointer: int) -> BLOCK | None:
        """The header below a pointer, live or stale; None when there is none."""
        offset = pointer & OFFSET_MASK
        if pointer >> 56 != POINTER_TAG or not self.start + HEADER <= offset < self.end or offset % 16:
            return None
        block = self.block(offset)
        return block if block.magic == BLOCK_MAGIC else None

    def around(self, place: int) -> int | None:
        """The pointer to the live block in which a place of the arena lies; None for none."""
        known = self._around.get(place)
        if known is None or not self.block(known).allocated or place >= known + self.block(known).length:
            known = next((p & OFFSET_MASK for p, b in self.live() if 0 <= place - (p & OFFSET_MASK) < b.length), None)
            if known is None:
                return None
            self._around[place] = known
        return POINTER_TAG << 56 | self.block(known).generation << OFFSET_BITS | known

    def count_item(self, pointer: int, change: int) -> None:
        """One work item more or less lies in a block."""
        platform = current.context.platform
        platform.acquire(SystemLock.POOL)
        self.block(pointer & OFFSET_MASK).items += change
        platform.release(SystemLock.POOL)

    def live(self) -> list[tuple[int, BLOCK]]:
        """(pointer, header) of every allocated block, in address order."""
        found = []
        place = self.start
        while place + HEADER <= self.state.bump:
            block = self.block(place + HEADER)
            if block.magic != BLOCK_MAGIC:
                break
            if block.allocated:
                found.append((POINTER_TAG << 56 | block.generation << OFFSET_BITS | place + HEADER, block))
            place += HEADER + (_class_size(block.size_class) + 63) // 64 * 64
        return found


def _class_size(number: int) -> int:
    base = SMALLEST << number // 4
    return base + base // 4 * (number % 4)


def tag_text(tag: int) -> str:
    """A pool tag as people write it: the bytes in memory order."""
    return tag.to_bytes(4, "little").decode("ascii", "backslashreplace")


def describe_block(block: Any, machine: Any) -> str:
    """One line about a block: type, size and tag."""
    kind = machine.images.types[block.type] if 0 < block.type < len(machine.images.types) else None
    return f"{kind.__name__ if kind else 'memory'}, {block.length} bytes, tag '{tag_text(block.tag)}'"
