"""Interlocked operations and the fence on cells of shared memory, by libatomic or, where that is absent, under a lock.

libatomic is part of the compiler's run-time, not of the C library, so it may be missing. With it there is no lock that
a process could die with. Law: both implementations have one interface, and every process of a machine uses the same
one, since a locked addition does not exclude a lock-free one. All operations are sequentially consistent, values wrap
as the cell's type does, and every operation returns what the cell held before.

A cell is a ctypes integer of four or eight bytes that lies in shared memory, or a subclass of one.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    Cell = ctypes.c_int32 | ctypes.c_uint32 | ctypes.c_int64 | ctypes.c_uint64

LIBRARY: Final = "libatomic.so.1"

#: Sequentially consistent, as <stdatomic.h> numbers the orders.
_ORDER: Final = 5
_CELL_TYPES: Final = (ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64)


class Interlocked(Protocol):
    """What both implementations do."""

    #: Whether the processor does it (libatomic), not a lock.
    available: bool

    def fetch_add(self, cell: Cell, value: int) -> int:
        """Add to the cell."""
        ...

    def exchange(self, cell: Cell, value: int) -> int:
        """Set the cell."""
        ...

    def compare_exchange(self, cell: Cell, expected: int, desired: int) -> int:
        """Set the cell when it holds what is expected."""
        ...

    def or_(self, cell: Cell, value: int) -> int:
        """Set the bits of value in the cell."""
        ...

    def and_(self, cell: Cell, value: int) -> int:
        """Clear the bits of the cell that value lacks."""
        ...

    def fence(self) -> None:
        """Let no load or store pass this point, in either direction."""
        ...


class Atomics:
    """Interlocked operations that the processor does; made by load()."""

    __slots__ = ("_add", "_and", "_compare", "_exchange", "_or", "fence")

    available: bool = True

    def __init__(self, library: ctypes.PyDLL) -> None:
        self._add = _Functions(library, "__atomic_fetch_add")
        self._exchange = _Functions(library, "__atomic_exchange")
        self._or = _Functions(library, "__atomic_fetch_or")
        self._and = _Functions(library, "__atomic_fetch_and")
        self._compare = _Comparisons(library)
        fence = library["atomic_thread_fence"]
        fence.restype = None
        # Called so often that a method around it would be felt (measured: a third of its time).
        self.fence: Callable[[], None] = partial(fence, _ORDER)

    def fetch_add(self, cell: Cell, value: int) -> int:
        """Add to the cell."""
        return self._add[type(cell)](cell, value, _ORDER)

    def exchange(self, cell: Cell, value: int) -> int:
        """Set the cell."""
        return self._exchange[type(cell)](cell, value, _ORDER)

    def compare_exchange(self, cell: Cell, expected: int, desired: int) -> int:
        """Set the cell when it holds what is expected."""
        function, base = self._compare[type(cell)]
        # A fresh cell each time: a signal handler of this process may come in between and use the same operation.
        seen = base(expected)
        function(cell, ctypes.byref(seen), base(desired), _ORDER, _ORDER)
        old: int = seen.value
        return old

    def or_(self, cell: Cell, value: int) -> int:
        """Set the bits of value in the cell."""
        return self._or[type(cell)](cell, value, _ORDER)

    def and_(self, cell: Cell, value: int) -> int:
        """Clear the bits of the cell that value lacks."""
        return self._and[type(cell)](cell, value, _ORDER)


class LockedAtomics:
    """The same operations under one lock of the machine, which also serves as the fence.

    acquire returns with the lock held, or raises when it cannot be had: what a dead holder means, the platform decides.
    """

    __slots__ = ("_acquire", "_release")

    available: bool = False

    def __init__(self, acquire: Callable[[], object], release: Callable[[], object]) -> None:
        self._acquire = acquire
        self._release = release

    def fetch_add(self, cell: Cell, value: int) -> int:
        """Add to the cell."""
        self._acquire()
        try:
            old = cell.value
            cell.value = old + value
        finally:
            self._release()
        return old

    def exchange(self, cell: Cell, value: int) -> int:
        """Set the cell."""
        self._acquire()
        try:
            old = cell.value
            cell.value = value
        finally:
            self._release()
        return old

    def compare_exchange(self, cell: Cell, expected: int, desired: int) -> int:
        """Set the cell when it holds what is expected."""
        wanted = _base_of(type(cell))(expected).value
        self._acquire()
        try:
            old = cell.value
            if old == wanted:
                cell.value = desired
        finally:
            self._release()
        return old

    def or_(self, cell: Cell, value: int) -> int:
        """Set the bits of value in the cell."""
        self._acquire()
        try:
            old = cell.value
            cell.value = old | value
        finally:
            self._release()
        return old

    def and_(self, cell: Cell, value: int) -> int:
        """Clear the bits of the cell that value lacks."""
        self._acquire()
        try:
            old = cell.value
            cell.value = old & value
        finally:
            self._release()
        return old

    def fence(self) -> None:
        """Let no load or store pass this point: taking a mutex is a locked instruction of the processor."""
        self._acquire()
        self._release()


def load(library: str = LIBRARY) -> Atomics | None:
    """Return the operations that the processor does, or None where this computer has no libatomic."""
    try:
        return Atomics(ctypes.PyDLL(library))
    except (OSError, AttributeError):
        return None


def interlocked(acquire: Callable[[], object], release: Callable[[], object]) -> Interlocked:
    """Return the operations by the processor if possible, else under the lock: decide once, before the first fork."""
    return load() or LockedAtomics(acquire, release)


class _Reference:
    """Passes a ctypes object by its address. As an argument type it costs half of what ctypes.POINTER costs."""

    from_param = ctypes.byref


class _Functions(dict[type[Any], "Callable[[Any, int, int], int]"]):
    """One operation for each type of cell that has been met, bound when the type is first seen."""

    def __init__(self, library: ctypes.PyDLL, name: str) -> None:
        super().__init__()
        self._library = library
        self._name = name

    def __missing__(self, cell_type: type[Any]) -> Callable[[Any, int, int], int]:
        base = _base_of(cell_type)
        size = ctypes.sizeof(base)
        function: Any = self._library[f"{self._name}_{size}"]
        function.restype = base
        # An integer without a type is passed as an int of C, which is cheaper, and right for a cell of four bytes.
        function.argtypes = [_Reference] if size == ctypes.sizeof(ctypes.c_int) else [_Reference, base]
        self[cell_type] = function
        return self[cell_type]


class _Comparisons(dict[type[Any], "tuple[Callable[..., object], type[Any]]"]):
    """The compare-and-exchange of each type of cell that has been met, with the plain type behind it."""

    def __init__(self, library: ctypes.PyDLL) -> None:
        super().__init__()
        self._library = library

    def __missing__(self, cell_type: type[Any]) -> tuple[Callable[..., object], type[Any]]:
        base = _base_of(cell_type)
        function: Any = self._library[f"__atomic_compare_exchange_{ctypes.sizeof(base)}"]
        function.restype = ctypes.c_bool
        function.argtypes = [_Reference]
        self[cell_type] = (function, base)
        return self[cell_type]


def _base_of(cell_type: type[Any]) -> type[Any]:
    for base in _CELL_TYPES:
        if issubclass(cell_type, base):
            return base
    raise TypeError(f"{cell_type.__name__} is not an integer cell of four or eight bytes")
