"""Watched structures: subclasses of a driver's NONPAGED classes whose every field is a switch point.

Law: the layout is the raw class's to the byte; only reading and writing go through the platform first.  The live
platform uses the raw classes and pays nothing.  Locks and events inside a structure are not watched: what their own
functions do to them is the kernel's.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.layout.records import INTEGERS, STORED, ArrayView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.simulated.platform import SimulatedPlatform

_VALUE: Any = ctypes._SimpleCData.__dict__["value"]
_KERNEL = ("emulator.kernel.", "emulator.layout.")


def watched(kind: Any, known: dict[type, Any]) -> Any:
    """The watched subclass of a structure; ``known`` remembers those that have been made."""
    found = known.get(kind)
    if found is None:
        namespace: dict[str, Any] = {"__slots__": ("watched_place",), "__qualname__": kind.__qualname__}
        namespace["__module__"], namespace["__doc__"] = kind.__module__, kind.__doc__
        namespace["at"] = classmethod(_at)
        for base in kind.__mro__:
            for name, storage in base.__dict__.get("_fields_", ()):
                public = name.removeprefix(STORED)
                raw, offset = base.__dict__.get(public), base.__dict__[name].offset
                if raw is not None:
                    namespace[public] = _descriptor(f"{kind.__name__}.{public}", raw, storage, offset, known)
        found = known[kind] = type(kind)(kind.__name__, (kind,), namespace)
    return found


def _touch(name: str, place: int, *, write: bool, depth: int = 2) -> None:
    platform: SimulatedPlatform = current.context.platform  # type: ignore[assignment]
    platform.field(name, place, write=write, frame=sys._getframe(depth))


def _at(cls: Any, memory: Any, offset: int) -> Any:
    made = cls.from_buffer(memory, offset)
    made.watched_place = offset
    return made


def is_synchronization(storage: Any) -> bool:
    """Is it, or one of its bases, a structure of the kernel itself: a lock, an event, a timer?"""
    return any(base.__module__.startswith(_KERNEL) and "_fields_" in base.__dict__ for base in storage.__mro__)


def _descriptor(name: str, raw: Any, storage: Any, offset: int, known: dict[type, Any]) -> Any:
    if isinstance(raw, property) or storage in INTEGERS:
        get: Any = raw.fget if isinstance(raw, property) else raw.__get__
        put: Any = raw.fset if isinstance(raw, property) else raw.__set__
        return _plain(name, get, put, offset) if put is not None else _array(name, get, storage, offset, known)
    if issubclass(storage, ctypes.Array):
        return _array(name, raw.__get__, storage, offset, known)
    if issubclass(storage, ctypes.Structure):
        return raw if is_synchronization(storage) else _inside(raw, storage, offset, known)
    return _cell(name, raw, storage, offset, known)


def _plain(name: str, get: Callable[[Any], Any], put: Callable[[Any, Any], None], offset: int) -> Any:
    """A number, bytes, a handle or a pointer."""

    def read(record: Any) -> Any:
        _touch(name, record.watched_place + offset, write=False)
        return get(record)

    def write(record: Any, value: Any) -> None:
        _touch(name, record.watched_place + offset, write=True)
        put(record, value)

    return property(read, write)


def _array(name: str, get: Callable[[Any], Any], storage: Any, offset: int, known: dict[type, Any]) -> Any:
    return property(lambda record: WatchedArray(get(record), name, record.watched_place + offset, storage, known))


def _inside(raw: Any, storage: Any, offset: int, known: dict[type, Any]) -> Any:
    """A structure in a structure."""
    wrapper = watched(storage, known)

    def read(record: Any) -> Any:
        found = wrapper.from_buffer(raw.__get__(record))
        found.watched_place = record.watched_place + offset
        return found

    return property(read, raw.__set__)


def _cell(name: str, raw: Any, storage: Any, offset: int, known: dict[type, Any]) -> Any:
    """An interlocked cell: reading the field gives the cell, and only its ``value`` is an access."""
    wrapper = known.get(storage)
    if wrapper is None:
        wrapper = known[storage] = _watched_cell(storage)

    def read(record: Any) -> Any:
        found = wrapper.from_buffer(raw.__get__(record))
        found.watched_place = record.watched_place + offset
        found.watched_name = name
        return found

    return property(read, raw.__set__)


def _watched_cell(storage: Any) -> Any:
    def read(cell: Any) -> int:
        _touch(cell.watched_name, cell.watched_place, write=False)
        return _VALUE.__get__(cell)  # type: ignore[no-any-return]

    def write(cell: Any, value: int) -> None:
        _touch(cell.watched_name, cell.watched_place, write=True)
        _VALUE.__set__(cell, value)

    return type(storage)(
        storage.__name__,
        (storage,),
        {"__slots__": ("watched_name", "watched_place"), "value": property(read, write)},
    )


class WatchedArray:
    """An array in a watched structure: each element is a field of its own."""

    __slots__ = ("_array", "_known", "_name", "_place", "_size", "_structure")

    def __init__(self, array: Any, name: str, place: int, storage: Any, known: dict[type, Any]) -> None:
        self._array = array
        self._name = name
        self._place = place
        element = storage._type_
        self._size = ctypes.sizeof(element)
        self._known = known
        plain = isinstance(array, ArrayView) or not issubclass(element, ctypes.Structure)
        self._structure = None if plain or is_synchronization(element) else watched(element, known)

    def __len__(self) -> int:
        return len(self._array)

    def _access(self, index: Any, *, write: bool) -> None:
        first = (index.start or 0) if isinstance(index, slice) else index
        first = first + len(self._array) if first < 0 else first
        _touch(f"{self._name}[{first}]", self._place + first * self._size, write=write, depth=3)

    def __getitem__(self, index: Any) -> Any:
        if self._structure is not None and not isinstance(index, slice):
            found = self._structure.from_buffer(self._array[index])
            found.watched_place = self._place + (index + len(self._array) if index < 0 else index) * self._size
            return found
        self._access(index, write=False)
        return self._array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._access(index, write=True)
        self._array[index] = value

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self._array)))


class WatchedView:
    """A run of the kernel's own words (sleeping flags, queue indices), each access to which is a switch point.

    Only places from ``first`` up to ``end`` are; what lies elsewhere in the same view has one writer.
    """

    __slots__ = ("_end", "_first", "_platform", "_view")

    def __init__(self, view: Any, platform: SimulatedPlatform, first: int = 0, end: int = 1 << 62) -> None:
        self._view = view
        self._platform = platform
        self._first = first
        self._end = end

    def __len__(self) -> int:
        return len(self._view)

    def __bytes__(self) -> bytes:
        self._platform.fence()
        return bytes(self._view)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) or self._first <= index < self._end:
            self._platform.fence()
        return self._view[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice) or self._first <= index < self._end:
            self._platform.fence()
        self._view[index] = value
