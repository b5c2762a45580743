"""What a driver declares its contexts with: nonpaged structures, their fields, pointers and lists.

Law: our names, not Microsoft's, and only those that the layout of a structure needs; the rest of this package is NDIS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from emulator.kernel.events import KEVENT
from emulator.kernel.pointers import NONPAGED, HandleField, Memory, PointerField, SizeOf, sizeof
from emulator.kernel.spinlocks import KSPIN_LOCK
from emulator.layout.cells import LONG, LONGLONG
from emulator.layout.records import Array, Bytes, i32, i64, u8, u16, u32, u64

T = TypeVar("T")

if TYPE_CHECKING:

    class Pointer(Generic[T]):
        """``Pointer[NEIGHBOUR]``: NULL (None) or a reference to a structure; the same object again in one context."""

        def __get__(self, instance: object, owner: type | None = None) -> T | None: ...
        def __set__(self, instance: object, value: T | None) -> None: ...

else:

    class Pointer:
        """``Pointer[NEIGHBOUR]``: NULL (None) or a reference to a structure; the same object again in one context."""

        def __class_getitem__(cls, target: Any) -> PointerField:
            return PointerField()

        __field_type__ = PointerField


class NDIS_SPIN_LOCK(KSPIN_LOCK):
    """A spin lock inside a context; initialise it with NdisAllocateSpinLock."""


class NDIS_EVENT(KEVENT):
    """An event inside a context; initialise it with NdisInitializeEvent."""


if TYPE_CHECKING:
    PVOID = Any
else:

    class PVOID:
        """Any reference."""

        __field_type__ = PointerField


__all__ = [
    "LONG",
    "LONGLONG",
    "NDIS_EVENT",
    "NDIS_SPIN_LOCK",
    "NONPAGED",
    "PVOID",
    "Array",
    "Bytes",
    "HandleField",
    "Literal",
    "Memory",
    "Pointer",
    "SizeOf",
    "i32",
    "i64",
    "sizeof",
    "u8",
    "u16",
    "u32",
    "u64",
]
