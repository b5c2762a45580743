"""NET_BUFFER_LIST, NET_BUFFER and MDL: private, pooled objects with Microsoft's members.

Law: an object belongs to one context; its members are plain slots, as cheap as a local. Another context sees it only
through its record in the arena (publication.py), and between the two nobody may touch it.

What every frame asks for is in a base class of each: the members of a base come first in an object, and share its first
cache line.  The others lie in the order of their names, and with them a frame met all four lines of a list.

Two states have no members to read: a freed list has lost its links, one that is away (published) everything. In the
checked build both have another class, which says so. The class itself has no hook: that is what makes it cheap to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from emulator.kernel.platform import current
from emulator.kernel.pool import OFFSET_BITS, POINTER_TAG
from emulator.kernel.stop import CallSite, site_of, stop, stop_limit
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.kernel.context import Context as KernelContext
    from emulator.kernel.pointers import Memory
    from emulator.ndis.buffers.buffer_pools import BufferPool
    from emulator.ndis.data_path.datapath_state import DataPath

INFO_SLOTS: Final = 27
LIST_TAG: Final = 0x02
_BELOW_TAG: Final = (1 << 56) - 1
BUFFER_TAG: Final = 0x03
MDL_TAG: Final = 0x04
POOL_MDL_TAG: Final = 0x07
PAGE_MASK: Final = 0xFFF

NOBODY: Final = -1
"""_owner of a list that is in its pool.  A driver's image number is the owner that holds it; see ownership.py."""

MDL_MAPPED_TO_SYSTEM_VA: Final = 1
MDL_SOURCE_IS_NONPAGED_POOL: Final = 4


class Owner(int):
    """The owner of a list since the call at ``site``: one word for both, since every list of a chain gets them."""

    site: int

    def __new__(cls, owner: int, site: int) -> Self:
        made = super().__new__(cls, owner)
        made.site = site
        return made


class NET_BUFFER_LIST_CONTEXT:
    """One layer of private space of a NET_BUFFER_LIST: ``ContextData`` is nonpaged memory, used from ``Offset`` on."""

    __slots__ = ("ContextData", "Next", "Offset", "Size", "_memory", "_pre")

    def __init__(self, memory: Memory, size: int, offset: int, *, pre: bool) -> None:
        self.Next: NET_BUFFER_LIST_CONTEXT | None = None
        self.Size = size
        self.Offset = offset
        self.ContextData = memory + CONTEXT_HEADER
        self._memory = memory
        self._pre = pre


NO_INITIAL_CONTEXT: Final[NET_BUFFER_LIST_CONTEXT] = object.__new__(NET_BUFFER_LIST_CONTEXT)
"""_context of a derived list, which has no context area of its pool's: never equal to its Context, so that whoever
frees or publishes it looks at what is rare, and what is common costs no look."""
CONTEXT_HEADER: Final = 16
"""Bytes of a context block in front of its data: next, size, offset, pre-allocated."""


_equal: Final[dict[int, int]] = {}
"""The one object of each number that MDLs have in common: it stays in the cache, where one for each MDL would not.

There are no more of them than pages of the arena, places in a page and lengths.
"""


class _FirstOfMdl:
    """What every frame asks of an MDL."""

    __slots__ = ("ByteCount", "ByteOffset", "MappedSystemVa", "StartVa")


class MDL(_FirstOfMdl):
    """Describes nonpaged memory: ``ByteCount`` bytes at ``StartVa + ByteOffset``, an address of this machine.

    A bus address is the same number: virtual and physical addresses are one here.  ``MappedSystemVa`` is the memory
    from there on; as an address does, it leads on beyond ByteCount where the MDL was made for more.
    """

    __slots__ = (
        "MdlFlags",
        "Next",
        "Process",
        "Size",
        "_address",
        "_entry",
        "_hides",
        "_life",
        "_life_at",
        "_packed",
        "_path",
        "_word",
    )
    _pointer = None
    Next: MDL | None
    Size: int
    MdlFlags: int
    Process: None
    StartVa: int
    ByteCount: int
    ByteOffset: int
    _address: int
    _entry: int
    _hides: MDL | None
    _life: int
    _life_at: int
    _packed: Any
    _path: DataPath
    _word: int
    MappedSystemVa: memoryview

    if TYPE_CHECKING:

        def __publish__(self, context: KernelContext, stored: bool | None = False) -> int:
            """Given by publication.py, which knows records and homes."""

    def _describe(self, arena: memoryview, address: int, length: int) -> None:
        page, offset, same = address & ~PAGE_MASK, address & PAGE_MASK, _equal.setdefault
        self.StartVa, self.ByteOffset, self.ByteCount = same(page, page), same(offset, offset), same(length, length)
        self._address = address
        self.MappedSystemVa = arena[address : address + length]


class _FirstOfBuffer:
    """What every frame asks of a NET_BUFFER."""

    __slots__ = (
        "CurrentMdl",
        "CurrentMdlOffset",
        "DataLength",
        "DataOffset",
        "DataPhysicalAddress",
        "MdlChain",
        "Next",
    )


class NET_BUFFER(_FirstOfBuffer):
    """One packet's data: a chain of MDLs, and which bytes of it are used."""

    __slots__ = (
        "ChecksumBias",
        "MiniportReserved",
        "NdisPoolHandle",
        "ProtocolReserved",
        "ScatterGatherList",
        "SharedMemoryInfo",
        "_data",
        "_entry",
        "_escaped",
        "_index",
        "_kept",
        "_lists",
        "_pool",
        "_record",
        "_site",
        "_word",
    )
    _pointer = None
    Next: NET_BUFFER | None
    CurrentMdl: MDL | None
    CurrentMdlOffset: int
    DataLength: int
    MdlChain: MDL | None
    DataOffset: int
    ChecksumBias: int
    NdisPoolHandle: int
    ProtocolReserved: list[Any]
    MiniportReserved: list[Any]
    DataPhysicalAddress: int
    SharedMemoryInfo: Any
    ScatterGatherList: Any
    _data: MDL | None
    _entry: int
    _escaped: bytes | None
    _index: int
    _kept: bool
    _lists: bool
    _pool: BufferPool
    _record: int
    _site: int
    _word: int

    if TYPE_CHECKING:

        def __publish__(self, context: KernelContext, stored: bool | None = False) -> int:
            """Given by publication.py, which knows records and homes."""


class _FirstOfList:
    """What every frame asks of a list."""

    __slots__ = ("FirstNetBuffer", "Next", "ParentNetBufferList", "SourceHandle", "Status", "_escaped", "_owner")


class NET_BUFFER_LIST(_FirstOfList):
    """A list of NET_BUFFERs with what drivers pass along beside the data."""

    __slots__ = (
        "ChildRefCount",
        "Context",
        "Flags",
        "MiniportReserved",
        "NblFlags",
        "NdisPoolHandle",
        "NetBufferListInfo",
        "ProtocolReserved",
        "Scratch",
        "_buffer",
        "_context",
        "_derived",
        "_entry",
        "_index",
        "_info",
        "_kept",
        "_lists",
        "_mark",
        "_pool",
        "_site",
        "_word",
    )
    _pointer = None
    Next: NET_BUFFER_LIST | None
    FirstNetBuffer: NET_BUFFER | None
    Context: NET_BUFFER_LIST_CONTEXT | None
    ParentNetBufferList: NET_BUFFER_LIST | None
    NdisPoolHandle: int
    ProtocolReserved: list[Any]
    MiniportReserved: list[Any]
    Scratch: Any
    SourceHandle: int | None
    NblFlags: int
    ChildRefCount: int
    Flags: int
    Status: int
    NetBufferListInfo: list[Any]
    _buffer: NET_BUFFER | None
    _context: NET_BUFFER_LIST_CONTEXT | None
    _derived: int | None
    _entry: int
    _escaped: bytes | None
    _index: int
    _info: bool
    _kept: bool
    _lists: bool
    _mark: int
    _owner: int
    _pool: BufferPool
    _site: int
    _word: int

    if TYPE_CHECKING:

        def __publish__(self, context: KernelContext, stored: bool | None = False) -> int:
            """Given by publication.py, which knows records and homes."""


class _Unwritten:
    """Reserved words that nobody has written yet; the first write puts a list in their place.

    Most lists never need one, and what has none needs no publishing.  A class with ``__getattr__`` could make them when
    they are asked for, but the interpreter reads every member of such a class several times as slowly.
    """

    __slots__ = ("_length", "_name", "_thing")

    def __init__(self, thing: NET_BUFFER | NET_BUFFER_LIST, name: str, length: int) -> None:
        self._thing = thing
        self._name = name
        self._length = length

    def _content(self) -> list[Any]:
        found: Any = getattr(self._thing, self._name)
        if found is self:
            found = ([0] if self._name == "NetBufferListInfo" else [None]) * self._length
        return found  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Any:
        return self._content()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        content = self._content()
        content[index] = value
        thing = self._thing
        setattr(thing, self._name, content)
        thing._lists = True
        if self._name == "NetBufferListInfo":
            thing._info = True  # type: ignore[union-attr]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        return iter(self._content())

    def __eq__(self, other: object) -> bool:
        return self._content() == other

    __hash__ = None  # type: ignore[assignment]


_RESERVED_OF_BUFFER: Final = {"ProtocolReserved": 6, "MiniportReserved": 4}
_RESERVED_OF_LIST: Final = {"ProtocolReserved": 4, "MiniportReserved": 2, "NetBufferListInfo": INFO_SLOTS}
_CODE_FREED: Final = 0xD5


def prepare_reserved(thing: NET_BUFFER | NET_BUFFER_LIST) -> None:
    """Give a new NET_BUFFER or list its reserved words, unwritten."""
    lengths = _RESERVED_OF_LIST if isinstance(thing, NET_BUFFER_LIST) else _RESERVED_OF_BUFFER
    thing._lists = False
    for name, length in lengths.items():
        setattr(thing, name, _Unwritten(thing, name, length))


def _read_freed(self: Any, name: str) -> NoReturn:
    context = current.context
    if name.startswith("_") or not hasattr(NET_BUFFER_LIST, name):
        raise AttributeError(f"NET_BUFFER_LIST has no member {name}", name=name, obj=self)
    stop(
        _CODE_FREED,
        self._word,
        0,
        context.site,
        text=f"NET_BUFFER_LIST.{name} was read after the list had been freed.",
        sites=[site_of(context, "freed", self._site)],
    )


def _slot(kind: type, name: str) -> Callable[[Any], Any]:
    found: Callable[[Any], Any] = getattr(kind, name).__get__
    return found


list_buffer, list_entry, list_escaped, list_owner, list_pool, _list_site, list_word = (
    _slot(NET_BUFFER_LIST, name) for name in ("_buffer", "_entry", "_escaped", "_owner", "_pool", "_site", "_word")
)
buffer_data, buffer_entry, buffer_pool, buffer_site, buffer_word = (
    _slot(NET_BUFFER, name) for name in ("_data", "_entry", "_pool", "_site", "_word")
)
"""Read a private member without asking the class, which may be that of what is away."""


def _touch(thing: Any, name: str, what: str) -> NoReturn:
    context = current.context
    base: Any = type(thing).__mro__[1]
    site = list_site(thing) if base is NET_BUFFER_LIST else base._site.__get__(thing)
    entry = base._entry.__get__(thing)
    pool: BufferPool = base._pool.__get__(thing)
    sites = [site_of(context, "last handed on", site)] if site else []
    sites.append(CallSite("where it is", pool.where(context, entry)))
    stop_limit(
        VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED,
        f"{base.__name__}.{name} was {what} in {context.name} after the list had been handed to whoever takes it next.",
        base._word.__get__(thing),
        remedy="Take it again from where it was put (the field, the work item's context), or put it there last.",
        sites=sites,
    )


def _read_away(self: Any, name: str) -> Any:
    if name in _PASS:
        return object.__getattribute__(self, name)
    _touch(self, name, "read")


def _write_away(self: Any, name: str, value: Any) -> None:
    del value
    _touch(self, name, "written")


def _publish_away(self: Any, context: KernelContext, stored: bool | None = False) -> Any:
    """Copying a reference touches nothing: the word is the same."""
    del context, stored
    return object.__getattribute__(self, "_word")


_PASS: Final = frozenset(("__class__", "__doc__", "__repr__", "_escaped", "_pointer", "_word"))
_AWAY: Final[dict[str, Any]] = {
    "__slots__": (),
    "__getattribute__": _read_away,
    "__setattr__": _write_away,
    "__publish__": _publish_away,
    "__doc__": "A published object: whoever touches it here is stopped.",
}
AWAY_LIST: Any = type("NET_BUFFER_LIST", (NET_BUFFER_LIST,), dict(_AWAY))
AWAY_BUFFER: Any = type("NET_BUFFER", (NET_BUFFER,), dict(_AWAY))
FREED_LIST: Any = type(
    "NET_BUFFER_LIST",
    (NET_BUFFER_LIST,),
    {"__slots__": (), "__getattr__": _read_freed, "__doc__": "A freed list, whose links are gone: reading them stops."},
)


def _read_freed_mdl(self: Any, name: str) -> NoReturn:
    if name.startswith("_") or not hasattr(MDL, name):
        raise AttributeError(f"MDL has no member {name}", name=name, obj=self)
    stop(_CODE_FREED, self._word & (1 << 40) - 1, 0, text=f"MDL.{name} was read after the MDL had been freed.")


FREED_MDL: Any = type(
    "MDL",
    (MDL,),
    {
        "__slots__": (),
        "__getattr__": _read_freed_mdl,
        "__doc__": "A freed MDL: an idle NET_BUFFER may still refer to it, and who reaches for the data is stopped.",
    },
)


def list_site(nbl: NET_BUFFER_LIST) -> int:
    """Where a list was handed on, or else what ``_site`` says: where it was allocated or freed."""
    owner = list_owner(nbl)
    site: int = owner.site if type(owner) is Owner else _list_site(nbl)
    return site


def memory_pointer(context: KernelContext, offset: int) -> int:
    """The pointer of the live block of pool whose data begin at an offset."""
    return POINTER_TAG << 56 | context.machine.pool.block(offset).generation << OFFSET_BITS | offset


def mdl_pointer(word: int) -> int:
    """The pointer of the block of pool that an MDL of NdisAllocateMdl lies in, live or not."""
    return POINTER_TAG << 56 | word & _BELOW_TAG


def bury(mdl: MDL) -> None:
    """Make a freed MDL one that nobody reaches data through, and that publishing leaves alone."""
    mdl.Next = mdl._hides = None
    mdl._packed = (None, mdl.ByteCount, mdl.MdlFlags, None)
    del mdl.MappedSystemVa, mdl.StartVa
    set_class(mdl, FREED_MDL)


set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__
"""Change an object's class without asking the class that it has."""

__all__ = ["MDL", "NET_BUFFER", "NET_BUFFER_LIST", "NET_BUFFER_LIST_CONTEXT"]
