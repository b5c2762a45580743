"""References that can live in shared memory: how a Python object becomes a 64-bit word and is found again.

Law: an object that is not in nonpaged pool has no address here; handing one to another context is VNIC_PRIVATE_DATA.

The top byte of a word says what it is: 0x00 a plain number, 0x01 a pool pointer, 0x02 and up what floors above
register (``loaders``), 0x11 and up an NDIS handle.
"""

from __future__ import annotations

import ctypes
import functools
from array import array
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from emulator.kernel.platform import current
from emulator.kernel.pool import GENERATION_MASK, OFFSET_BITS, OFFSET_MASK, POINTER_TAG, describe_block
from emulator.kernel.stop import site_of, stop, stop_limit
from emulator.layout.records import STORED, FieldType, Record, RecordMeta
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

T = TypeVar("T")

FIRST_HANDLE_TAG = 0x11
DATA_TAG = int.from_bytes(b"Data", "little")
READ, WRITTEN = 0, 1
"""The second parameter of 0xD5."""
_FREED = "__freed__"
loaders: dict[int, Callable[[Context, int], Any]] = {}
"""By top byte: how a word is turned back into an object of this context."""
run_loaders: dict[int, Callable[[Context, memoryview], None]] = {}
"""By top byte of the first word: what is done before the words of a run are looked up one by one."""


class NonpagedMeta(RecordMeta):
    """Gives every NONPAGED class the places for the pointer that an instance came from and for views of its arrays."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """Make the class."""
        if not any(isinstance(base, NonpagedMeta) for base in bases):
            namespace["__slots__"] = ("_arrays", "_pointer")
        return super().__new__(mcs, name, bases, namespace, **options)


if TYPE_CHECKING:

    class NONPAGED(Record):
        """A structure in nonpaged pool; its annotations are its layout."""

        def __init__(self, **fields: Any) -> None: ...

else:

    class NONPAGED(Record, metaclass=NonpagedMeta):
        """A structure in nonpaged pool; its annotations are its layout.

        Calling the class makes one in the pool, zeroed: at module level it is part of the image's data section.
        """

        def __new__(cls, **fields):
            """Make the structure where it lives."""
            made = make_in_pool(current.context, cls)
            for name, value in fields.items():
                if not hasattr(cls, name):
                    raise TypeError(f"{cls.__name__} has no member {name}")
                setattr(made, name, value)
            return made

        def __init__(self, **fields):
            """Done in ``__new__``: the fields are set where the structure lives."""


class Memory:
    """Untyped nonpaged memory, or an address inside it: what PVOID is to a driver.

    ``memory + n`` is the address n bytes further; ``memory[a:b]`` reads and writes bytes.
    """

    __slots__ = ("_pointer", "length", "offset", "view")

    def __init__(self, view: memoryview, offset: int, length: int, pointer: int) -> None:
        self.offset = offset
        self.length = length
        self.view = view[offset : offset + length]
        self._pointer = pointer

    def __add__(self, distance: int) -> Memory:
        if not 0 <= distance <= self.length:
            raise ValueError(f"{distance} is outside the {self.length} bytes of this memory")
        inside = Memory.__new__(Memory)
        inside.offset = self.offset + distance
        inside.length = self.length - distance
        inside.view = self.view[distance:]
        inside._pointer = self._pointer + distance
        return inside

    def __getitem__(self, place: Any) -> Any:
        found = self.view[place]
        return bytes(found) if isinstance(found, memoryview) else found

    def __setitem__(self, place: Any, value: Any) -> None:
        self.view[place] = value

    def __len__(self) -> int:
        return self.length

    def __bytes__(self) -> bytes:
        return bytes(self.view)


def place_of(memory: Memory) -> int:
    """Where memory lies in the arena, in bytes; of memory that is freed, too."""
    place: int = vars(Memory)["offset"].__get__(memory)
    return place


class SizeOf(int, Generic[T]):
    """A number of bytes that remembers which structure it is the size of."""

    structure: type[T]


def sizeof(structure: type[T]) -> SizeOf[T]:
    """C's sizeof: the bytes of a structure; NdisAllocateMemoryWithTagPriority gives such memory its type."""
    if not issubclass(structure, ctypes.Structure | ctypes._SimpleCData | ctypes.Array):
        raise TypeError(f"{structure.__name__} has no layout: a class in nonpaged memory derives from NONPAGED")
    size: SizeOf[T] = SizeOf(ctypes.sizeof(structure))
    size.structure = structure
    return size


def encode(context: Context, value: Any, stored: bool = False) -> int:
    """The word for an object that a driver hands over, or stores in a field; stops for what is private to this context.

    What is handed over is published at once; what is stored may wait for the next release point (publish_escaped,
    which passes None: only if it is still waiting).
    """
    if value is None:
        return 0
    publish = getattr(type(value), "__publish__", None)
    if publish is not None:
        return publish(value, context, stored)  # type: ignore[no-any-return]
    pointer = getattr(value, "_pointer", None)
    if pointer is not None:
        return pointer  # type: ignore[no-any-return]
    if isinstance(value, int):
        if 0 <= value < 1 << 56 or FIRST_HANDLE_TAG <= value >> 56 < 0x60:
            return int(value)
        _private(context, f"the number {value:#x} does not fit a word")
    _private(context, f"a {type(value).__name__}")


def publish_escaped(context: Context) -> None:
    """A release point: publish what was stored in shared memory and is still private to this context."""
    escaped = context.escaped
    while escaped:
        values = escaped[:]
        escaped.clear()
        type(values[0]).__publish_escaped__(values, context)


def forget(context: Context, word: int) -> None:
    """The object of a word is not to be used for it any more: it is freed, or at home elsewhere."""
    context.pointers.pop(word, None)
    context.forgotten += 1


def forget_freed(context: Context, pointer: int) -> None:
    """``forget`` for a block that is freed: in the checked build who still has it in a variable is found there too."""
    found = context.pointers.get(pointer)
    forget(context, pointer)
    if found is not None and context.machine.checked:
        kind: type = type(found)
        found.__class__ = _freed(kind)


def touch(memory: Any, access: int) -> None:
    """The bytes of memory are read or written, and none of its members: a stop where it has been freed."""
    if getattr(type(memory), _FREED, False):
        stale_pointer(current.context, memory._pointer, access)


@functools.cache
def _freed(kind: type) -> Any:
    """What memory of a kind becomes when it is freed: whoever reaches into it is stopped."""

    def read(memory: Any, name: str) -> Any:
        if name != "_pointer" and not name.startswith("__"):
            stale_pointer(current.context, memory._pointer)
        return object.__getattribute__(memory, name)

    def write(memory: Any, name: str, value: Any) -> None:
        stale_pointer(current.context, memory._pointer, WRITTEN)

    def put(memory: Any, place: Any, value: Any) -> None:
        stale_pointer(current.context, memory._pointer, WRITTEN)

    members: dict[str, Any] = {"__getattribute__": read, "__setattr__": write, "__setitem__": put, _FREED: True}
    members["__bool__"] = lambda memory: True
    make: Any = type(kind)
    return make(kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, **members})


class Pointers(dict[int, Any]):
    """The objects of the words that a context has met; another word is looked up when it is asked for.  0 is NULL."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        super().__init__({0: None})
        self._context = context

    def __missing__(self, word: int) -> Any:
        tag = word >> 56
        if tag == POINTER_TAG:
            return load_block(self._context, word)
        loader = loaders.get(tag)
        return loader(self._context, word) if loader is not None else word


def decode(context: Context, word: int) -> Any:
    """The object that a word stands for, in this context; None for 0."""
    return context.pointers[word]


def decode_argument(context: Context, word: int) -> Any:
    """``decode`` for what another context handed over: in the checked build a block seen before must still live."""
    if word >> 56 == POINTER_TAG and context.machine.checked and not context.machine.pool.lives(word):
        stale_pointer(context, word)
    return decode(context, word)


def load_block(context: Context, pointer: int) -> Any:
    """The wrapper of a pool block in this context: of its class, or Memory when it has none."""
    machine = context.machine
    block = machine.pool.find(pointer)
    if block is None:
        stale_pointer(context, pointer)
    offset = pointer & OFFSET_MASK
    kind = machine.images.types[block.type]
    if kind is None:
        found: Any = Memory(machine.arena.view, offset, block.length, pointer)
    else:
        found = machine.images.wrapper_for(kind).at(machine.arena.memory, offset)
        found._pointer, found._arrays = pointer, {}
    context.pointers[pointer] = found
    return found


def make_in_pool(context: Context, structure: type[T]) -> T:
    """A zeroed structure in nonpaged pool, for the structures that a driver or NDIS keeps for long."""
    machine = context.machine
    number = machine.images.type_numbers.get(structure, 0)
    length = ctypes.sizeof(structure)  # type: ignore[arg-type]
    pointer = machine.pool.allocate(
        length, tag=DATA_TAG, type_number=number, site=context.site, driver=context.driver, owner=0
    )
    if pointer is None:
        stop_limit(VnicLimit.VNIC_POOL_EXHAUSTED, f"There is no room for a {structure.__name__} in the pool.", length)
    offset = pointer & OFFSET_MASK
    machine.arena.view[offset : offset + length] = bytes(length)
    found: Any = machine.images.wrapper_for(structure).at(machine.arena.memory, offset)
    found._pointer, found._arrays = pointer, {}
    context.pointers[pointer] = found
    if not number:
        machine.images.untyped.append((pointer, structure))
    return found  # type: ignore[no-any-return]


def stale_pointer(context: Context, pointer: int, access: int = READ) -> NoReturn:
    """0xD5 DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL: the block has been freed, or never was."""
    block = context.machine.pool.header(pointer)
    sites = []
    text = "A pointer to memory that was never allocated was used."
    if block is not None:
        following = (pointer >> OFFSET_BITS & GENERATION_MASK) + 1 & GENERATION_MASK or 1
        if block.generation == following and not block.allocated:
            text = f"A pointer to freed memory was used ({describe_block(block, context.machine)})."
            sites = [
                site_of(context, "allocated", block.allocated_site),
                site_of(context, "freed", block.freed_site),
            ]
        else:
            # Its header tells of the later owner alone.
            text = (
                "A pointer to freed memory was used, and the memory has been allocated again since "
                f"({describe_block(block, context.machine)})."
            )
            sites = [site_of(context, "allocated again", block.allocated_site)]
    stop(0xD5, pointer & OFFSET_MASK, access, text=text, sites=sites)


def _private(context: Context, what: str) -> NoReturn:
    del context
    stop_limit(
        VnicLimit.VNIC_PRIVATE_DATA,
        f"The driver handed over {what}: an ordinary Python object, which is private to the context that made it.",
        remedy="Move it to nonpaged memory: a class that derives from NONPAGED, allocated with "
        "NdisAllocateMemoryWithTagPriority.",
    )


class PointerField(FieldType):
    """A field that holds a reference: None, a pool structure, memory, an NBL, a handle."""

    storage = ctypes.c_uint64

    def descriptor(self, name: str, raw: Any) -> Any:
        """Read decodes the word in the current context, write encodes it."""
        if raw is None:
            return property()
        put = raw.__set__
        # Compiled with the field's name: its getter would cost a call, on the data path of every driver.
        read = eval(f"lambda record: current.context.pointers[record.{STORED}{name}]", {"current": current})

        def write(record: Any, value: Any) -> None:
            put(record, encode(current.context, value, True))

        return property(read, write)

    def elements(self, words: Any) -> PointerArray:
        """Arrays of pointers are on the data path of drivers: one look at a word, no object for each element."""
        return PointerArray(words)


class PointerArray:
    """An array of pointers: ``view[index]`` is None or the object of this context; slices take and give lists.

    Runs of references are what a driver's rings are made of, and most go to the place that they were in before: what
    this context last stored by the slice is remembered, with its words.  Until a reference is forgotten they are right,
    and publishing knows of each of them.  Where references are forgotten all the time nothing is remembered.
    """

    __slots__ = ("_cells", "_objects", "_seen", "_since", "_words")

    def __init__(self, words: Any) -> None:
        self._cells = memoryview(words).cast("B").cast("Q")
        self._since = self._seen = -1
        self._remember_nothing()

    def _remember_nothing(self) -> None:
        self._objects: list[Any] = [None] * len(self._cells)
        self._words = memoryview(bytearray(8 * len(self._cells))).cast("Q")

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, index: Any) -> Any:
        found = self._cells[index]
        if type(index) is not slice:
            return current.context.pointers[found]
        if len(found) == 1:
            return [current.context.pointers[found[0]]]
        context = current.context
        if self._since == context.forgotten and found.tobytes() == self._words[index].tobytes():
            return self._objects[index]
        load_run = run_loaders.get(found[0] >> 56) if found else None
        if load_run is not None:
            load_run(context, found)
        return [context.pointers[word] for word in found]

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(index) is not slice:
            try:
                # What has been stored before and is still to be published: the word is all that is new.
                if value._escaped is not None:
                    self._cells[index] = value._word
                    return
            except AttributeError:
                pass
            self._cells[index] = encode(current.context, value, True)
        elif self._since == current.context.forgotten and self._objects[index] == value:
            self._cells[index] = self._words[index]
        else:
            self._store(current.context, index, value)

    def _store(self, context: Context, index: slice, value: list[Any]) -> None:
        cells = self._cells[index]
        if len(cells) != len(value):
            raise ValueError(f"{len(value)} references do not fit {index}; an array keeps its length")
        publish_all = getattr(type(value[0]), "__publish_stored__", None) if value else None
        image: bytes | None = publish_all(value, context) if publish_all is not None else None
        if image is None:
            cells[:] = array("Q", [encode(context, each, True) for each in value])
            return
        cells[:] = words = memoryview(image).cast("Q")
        if self._since != context.forgotten:
            if self._seen != context.forgotten:
                self._seen = context.forgotten
                return
            self._remember_nothing()
            self._since = context.forgotten
        self._objects[index] = value
        self._words[index] = words

    def __iter__(self) -> Any:
        return (self[index] for index in range(len(self._cells)))


class HandleField(FieldType):
    """A field that holds an NDIS handle: None or a number."""

    storage = ctypes.c_uint64

    def descriptor(self, name: str, raw: Any) -> Any:
        """0 reads as None (NULL)."""
        if raw is None:
            return property()
        put, read = raw.__set__, eval(f"lambda record: record.{STORED}{name} or None")
        return property(read, lambda record, value: put(record, value or 0))
