"""Lists whose links lie in the structures that they link: doubly linked, singly linked, and sequenced ones.

Law: a link is a place in the machine's memory, the same in every context; each change looks at the neighbours first, as
Windows does, and a list that does not fit together stops the machine at the offending call.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.platform import current
from emulator.kernel.pointers import loaders
from emulator.kernel.pool import OFFSET_MASK, POINTER_TAG
from emulator.kernel.spinlocks import FIRST_DRIVER_LOCK, VERIFIER, held_since, meet_holder, wait_for
from emulator.kernel.stop import stop, stop_limit
from emulator.layout.records import STORED, Record, u32, u64
from emulator.rules.bugcheck_entries import KERNEL_SECURITY_CHECK_FAILURE
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from typing import Self

    from emulator.kernel.context import Context

ENTRY_TAG: Final = 0x08
SINGLE_TAG: Final = 0x09
CORRUPT_LIST_ENTRY: Final = 3
"""FAST_FAIL_CORRUPT_LIST_ENTRY, the first parameter of 0x139."""


class _Link(Record):
    """What all links share: where one lies says which one it is."""

    @property
    def _pointer(self) -> int:
        return type(self).tag() << 56 | place_of(current.context, self)

    @classmethod
    def tag(cls) -> int:
        """The top byte of a word that stands for such a link."""
        return SINGLE_TAG

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Link) and _address(self) == _address(other)

    def __hash__(self) -> int:
        return hash(_address(self))


class LIST_ENTRY(_Link):
    """The head of a doubly linked list, or an entry of one inside a structure of the driver's."""

    flink: u64
    blink: u64

    @classmethod
    def tag(cls) -> int:
        """Its own."""
        return ENTRY_TAG

    @property
    def Flink(self) -> Self:
        """The next entry, or the head."""
        return self._at(self.flink)

    @property
    def Blink(self) -> Self:
        """The entry before, or the head."""
        return self._at(self.blink)

    def _at(self, word: int) -> Self:
        context = current.context
        return type(self).at(context.machine.arena.memory, follow(context, word) << 3)


class SINGLE_LIST_ENTRY(_Link):
    """The head of a singly linked list, or an entry of one; also of a sequenced list."""

    next: u64

    @property
    def Next(self) -> Self | None:
        """The next entry; None (NULL) at the end.  A list begins with ``head.Next = None``."""
        word, context = self.next, current.context
        return type(self).at(context.machine.arena.memory, follow(context, word, SINGLE_TAG) << 3) if word else None

    @Next.setter
    def Next(self, entry: Self | None) -> None:
        self.next = SINGLE_TAG << 56 | place_of(current.context, entry) if entry is not None else 0


class SLIST_HEADER(Record):
    """The head of a sequenced list: entries in and out at the front, and how many there are."""

    next: u64
    depth: u32
    sequence: u32


def _address(link: Any) -> int:
    return ctypes.addressof(link)


def place_of(context: Context, link: Any) -> int:
    """Where a link lies in the machine's memory; stops for one that only this context has."""
    arena = context.machine.arena
    place = ctypes.addressof(link) - arena.base
    if not 0 <= place < len(arena.view):
        stop_limit(
            VnicLimit.VNIC_PRIVATE_DATA,
            f"A {type(link).__name__} that is a variable of one context was put into a list; the others could not "
            "follow the link.",
            remedy="Make it a member of a class that derives from NONPAGED.",
        )
    return place


def follow(context: Context, word: int, tag: int = ENTRY_TAG) -> int:
    """The index among the arena's words to which a link leads; stops for a link that leads nowhere."""
    place = word & OFFSET_MASK
    start, length = context.machine.arena.pool
    if word >> 56 != tag or not start <= place < start + length or place & 7:
        corrupt(place, "A link leads out of the driver's memory: its entry was never initialised, or has been freed")
    return place >> 3


def corrupt(place: int, text: str) -> NoReturn:
    """0x139/3, the check that Windows makes of a list's neighbours."""
    stop(KERNEL_SECURITY_CHECK_FAILURE, CORRUPT_LIST_ENTRY, place, text=text + ".")


def initialize(context: Context, head: LIST_ENTRY) -> None:
    """Make the list empty."""
    head.flink = head.blink = ENTRY_TAG << 56 | place_of(context, head)


def insert(context: Context, head: LIST_ENTRY, entry: LIST_ENTRY, *, tail: bool) -> LIST_ENTRY | None:
    """Put an entry in front, or at the end; what was there before, None when the list was empty."""
    words = context.machine.arena.words
    head_at, entry_at = place_of(context, head) >> 3, place_of(context, entry) >> 3
    head_word, entry_word = ENTRY_TAG << 56 | head_at << 3, ENTRY_TAG << 56 | entry_at << 3
    before = words[head_at + tail]
    neighbour = follow(context, before)
    if words[neighbour + (not tail)] != head_word:
        corrupt(head_at << 3, "A list's first or last entry does not lead back to its head when one is inserted")
    context.platform.point()
    words[entry_at + tail], words[entry_at + (not tail)] = before, head_word
    words[neighbour + (not tail)] = words[head_at + tail] = entry_word
    return None if before == head_word else LIST_ENTRY.at(context.machine.arena.memory, neighbour << 3)


def remove(context: Context, entry_at: int) -> bool:
    """Take the entry at an index of the arena's words out of its list; is the list empty now?"""
    words = context.machine.arena.words
    following, previous = words[entry_at], words[entry_at + 1]
    word = ENTRY_TAG << 56 | entry_at << 3
    if words[follow(context, following) + 1] != word or words[follow(context, previous)] != word:
        corrupt(entry_at << 3, "An entry was removed whose neighbours do not lead to it: it is in no list, or no more")
    context.platform.point()
    words[follow(context, previous)] = following
    words[follow(context, following) + 1] = previous
    return following == previous


def remove_end(context: Context, head: LIST_ENTRY, *, tail: bool) -> LIST_ENTRY:
    """Take the first entry out, or the last; the head itself when the list is empty."""
    entry_at = follow(context, head.blink if tail else head.flink)
    if context.machine.arena.words[entry_at + (not tail)] != ENTRY_TAG << 56 | place_of(context, head):
        corrupt(entry_at << 3, "A list's first or last entry does not lead back to its head when it is removed")
    remove(context, entry_at)
    return LIST_ENTRY.at(context.machine.arena.memory, entry_at << 3)


def push(context: Context, head: Any, entry: SINGLE_LIST_ENTRY) -> SINGLE_LIST_ENTRY | None:
    """Put an entry in front; what was there before."""
    before = head.next
    context.platform.point()
    entry.next = before
    head.next = SINGLE_TAG << 56 | place_of(context, entry)
    if not before:
        return None
    return SINGLE_LIST_ENTRY.at(context.machine.arena.memory, follow(context, before, SINGLE_TAG) << 3)


def pop(context: Context, head: Any) -> SINGLE_LIST_ENTRY | None:
    """Take the first entry out; None when there is none."""
    word = head.next
    if not word:
        return None
    first = SINGLE_LIST_ENTRY.at(context.machine.arena.memory, follow(context, word, SINGLE_TAG) << 3)
    context.platform.point()
    head.next = first.next
    return first


class Guarded:
    """``with Guarded(context, lock)``: under a spin lock at whatever IRQL, for what an interlocked function does.

    Where spin locks have no mutexes it is done at DISPATCH_LEVEL, as Windows does it with interrupts off.
    """

    __slots__ = ("before", "context", "index")

    def __init__(self, context: Context, lock: Any) -> None:
        self.context = context
        self.before = context.irql
        self.index: int = lock.index
        if self.index < FIRST_DRIVER_LOCK:
            stop(VERIFIER, 0x1002, self.index, text="An interlocked function was given a spin lock that is none yet.")
        if self.index in context.held:
            stop(
                VERIFIER,
                0x1000,
                self.index,
                rule="SpinLock",
                text="An interlocked function was given a spin lock that its caller holds: it would wait for itself.",
                sites=held_since(context, self.index),
            )

    def __enter__(self) -> None:
        """Take the lock."""
        context, index = self.context, self.index
        if context.takes_mutexes:
            if not context.platform.try_acquire(index):
                wait_for(context, index)
            return
        if self.before < DISPATCH_LEVEL:
            raise_irql(context, DISPATCH_LEVEL)
        if context.lock_holders[index]:
            meet_holder(context, index)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Give it back; when the machine has stopped it stays with the dying."""
        if kind is not None and not issubclass(kind, Exception):
            return
        if self.context.takes_mutexes:
            self.context.platform.release(self.index)
        elif self.before < DISPATCH_LEVEL:
            lower_irql(self.context, self.before)


def containing_record(context: Context, link: Any, structure: type, field: str) -> Any:
    """The structure of which ``field`` lies where ``link`` lies."""
    images = context.machine.images
    offset = field_offset(structure, field)
    inside = getattr(link, "offset", None)
    place = (place_of(context, link) if inside is None else inside) - offset
    block = context.machine.pool.header(POINTER_TAG << 56 | place) if place > 0 else None
    if block is not None and block.allocated and block.type and images.types[block.type] is structure:
        from emulator.kernel.pointers import decode

        return decode(context, POINTER_TAG << 56 | block.generation << 40 | place)
    return images.wrapper_for(structure).at(context.machine.arena.memory, place)


def field_offset(structure: type, field: str) -> int:
    """C's offsetof; of a member of a member as in ``Tail.Overlay.ListEntry``."""
    first, _, rest = field.partition(".")
    for base in structure.__mro__:
        for name in (first, STORED + first):
            found = base.__dict__.get(name)
            if hasattr(found, "offset"):
                inner = next(kind for known, kind in base._fields_ if known == name) if rest else None  # type: ignore[attr-defined]
                return found.offset + (field_offset(inner, rest) if inner is not None else 0)  # type: ignore[union-attr,no-any-return]
    raise AttributeError(f"{structure.__name__} has no member {field}")


def _loads(kind: Any, tag: int) -> None:
    loaders[tag] = lambda context, word: kind.at(context.machine.arena.memory, follow(context, word, tag) << 3)


_loads(LIST_ENTRY, ENTRY_TAG)
_loads(SINGLE_LIST_ENTRY, SINGLE_TAG)
